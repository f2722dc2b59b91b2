# Compiler settings of every Aestus target, in the interface target aestus_options.

set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_INSTALL_LIBDIR lib)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

if(NOT CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(AESTUS_CCACHE ccache)
  if(AESTUS_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${AESTUS_CCACHE})
  endif()
endif()

add_library(aestus_options INTERFACE)
target_compile_options(aestus_options INTERFACE
  -Wall -Wextra -Werror -Wshadow
  # Bitwise equal results on all platforms: no contraction, no fast math, SSE2 or better (never x87).
  # Exception flags are not observed; without -fno-trapping-math GCC leaves the loops over exp scalar. No value changes.
  -ffp-contract=off -fno-math-errno -fno-fast-math -fno-trapping-math)
target_include_directories(aestus_options INTERFACE
  ${CMAKE_CURRENT_SOURCE_DIR}/include ${CMAKE_CURRENT_SOURCE_DIR}/src)
target_compile_definitions(aestus_options INTERFACE AESTUS_BUILDING AESTUS_VERSION="${PROJECT_VERSION}")

if(MINGW)
  # One self-contained file per artifact: no runtime DLLs beside it.
  target_link_options(aestus_options INTERFACE -static)
endif()
if(AESTUS_COVERAGE)
  target_compile_options(aestus_options INTERFACE --coverage -O1 -fprofile-update=atomic)
  target_link_options(aestus_options INTERFACE --coverage)
endif()
if(AESTUS_SANITIZE)
  target_compile_options(aestus_options INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all
    -fno-omit-frame-pointer -g1)
  target_link_options(aestus_options INTERFACE -fsanitize=address,undefined)
endif()

set(AESTUS_FAULTS wrong_index bf16_accumulate tail_off_by_one coarse_activations segfault)
if(AESTUS_FAULT)
  if(NOT AESTUS_FAULT IN_LIST AESTUS_FAULTS)
    message(FATAL_ERROR "AESTUS_FAULT=${AESTUS_FAULT} is none of: ${AESTUS_FAULTS}")
  endif()
  message(WARNING "this build carries the planted fault ${AESTUS_FAULT}")
endif()

# aestus_plant(TARGET SOURCE…): the fault reaches only the sources that look for it, so all others compile to what any
# build holds and ccache has them already.
function(aestus_plant target)
  if(AESTUS_FAULT)
    string(TOUPPER ${AESTUS_FAULT} fault)
    set_property(SOURCE ${ARGN} TARGET_DIRECTORY ${target} APPEND PROPERTY COMPILE_DEFINITIONS AESTUS_FAULT_${fault}=1)
  endif()
endfunction()

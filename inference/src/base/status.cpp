// The thread-local text behind aestus_last_error().
#include "base/status.h"

#include <cstring>

#ifndef AESTUS_VERSION
#error "AESTUS_VERSION comes from CMake"
#endif

namespace aestus {
namespace {

constexpr std::size_t kTextBytes = 1024;  // a message and a path; longer texts are cut, never allocated
thread_local char last_error[kTextBytes] = "";

}  // namespace

aestus_status report(aestus_status status, const char* text) noexcept {
    std::strncpy(last_error, text, kTextBytes - 1);
    last_error[kTextBytes - 1] = '\0';
    return status;
}

}  // namespace aestus

extern "C" {

const char* aestus_version(void) { return AESTUS_VERSION; }
const char* aestus_last_error(void) { return aestus::last_error; }

}

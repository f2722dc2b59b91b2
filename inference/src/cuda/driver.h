// The CUDA driver library, opened at run time: the few entry points Aestus uses, typed as in NVIDIA's driver API.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace aestus::cuda {

using Result = int;  // CUresult; 0 is success
using DeviceId = int;
using DevicePointer = unsigned long long;
struct Context;
struct Module;
struct Function;
struct Stream;

/// Entry points of the driver. Created once; construction throws Error(AESTUS_ERR_NO_DEVICE) saying what is missing.
class Driver {
   public:
    /// The driver of this process; throws the same Error each time when there is none.
    static const Driver& get();

    Result (*init)(unsigned flags) = nullptr;
    Result (*device_count)(int* count) = nullptr;
    Result (*device_get)(DeviceId* device, int ordinal) = nullptr;
    Result (*device_name)(char* name, int capacity, DeviceId device) = nullptr;
    Result (*device_attribute)(int* value, int attribute, DeviceId device) = nullptr;
    Result (*context_retain)(Context** context, DeviceId device) = nullptr;
    Result (*context_release)(DeviceId device) = nullptr;
    Result (*context_set)(Context* context) = nullptr;
    Result (*synchronize)() = nullptr;
    Result (*module_load)(Module** module, const void* image) = nullptr;
    Result (*module_unload)(Module* module) = nullptr;
    Result (*module_function)(Function** function, Module* module, const char* name) = nullptr;
    Result (*allocate)(DevicePointer* pointer, std::size_t bytes) = nullptr;
    Result (*release)(DevicePointer pointer) = nullptr;
    Result (*fill)(DevicePointer pointer, unsigned char byte, std::size_t bytes) = nullptr;
    Result (*to_device)(DevicePointer to, const void* from, std::size_t bytes) = nullptr;
    Result (*to_host)(void* to, DevicePointer from, std::size_t bytes) = nullptr;
    Result (*launch)(Function* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                     unsigned block_y, unsigned block_z, unsigned shared_bytes, Stream* stream, void** arguments,
                     void** extra) = nullptr;
    Result (*error_name)(Result result, const char** name) = nullptr;

    /// Devices the driver offers; throws Error(AESTUS_ERR_NO_DEVICE) when there are none.
    int count() const;

    /// Throws Error(AESTUS_ERR_INTERNAL) naming `act` and CUDA's own name of the error unless `result` is success.
    void check(Result result, const char* act) const;

   private:
    explicit Driver(const std::string& library);
    std::string library_;
};

}  // namespace aestus::cuda

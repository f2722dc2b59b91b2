#include "cuda/driver.h"

#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/status.h"

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace aestus::cuda {
namespace {

#if defined(_WIN32)
constexpr const char* kDefaultLibrary = "nvcuda.dll";
using Library = HMODULE;
Library open_library(const char* name) { return LoadLibraryA(name); }
// A generic function pointer goes through memcpy: the languages promise no cast from FARPROC or void*.
void find_symbol(Library library, const char* name, void* pointer) {
    const FARPROC found = GetProcAddress(library, name);
    std::memcpy(pointer, &found, sizeof found);
}
#else
constexpr const char* kDefaultLibrary = "libcuda.so.1";
using Library = void*;
Library open_library(const char* name) { return dlopen(name, RTLD_NOW | RTLD_LOCAL); }
void find_symbol(Library library, const char* name, void* pointer) {
    void* const found = dlsym(library, name);
    std::memcpy(pointer, &found, sizeof found);
}
#endif

constexpr Result kNoDevice = 100;             // CUDA_ERROR_NO_DEVICE
constexpr Result kSystemDriverMismatch = 803;  // the kernel's module and this library disagree

template <class Signature>
void load(Library library, const std::string& library_name, const char* symbol, Signature** target) {
    find_symbol(library, symbol, target);
    if (*target == nullptr)
        throw Error(AESTUS_ERR_NO_DEVICE, "no CUDA device: " + library_name + " offers no " + symbol);
}

}  // namespace

Driver::Driver(const std::string& library) : library_(library) {
    // Never closed: the driver keeps threads of its own that outlive a close.
    const Library opened = open_library(library.c_str());
    if (opened == nullptr)
        throw Error(AESTUS_ERR_NO_DEVICE, "no CUDA device: the driver " + library + " cannot be opened");
    const auto entry = [&](const char* symbol, auto** target) { load(opened, library_, symbol, target); };
    entry("cuInit", &init);
    entry("cuDeviceGetCount", &device_count);
    entry("cuDeviceGet", &device_get);
    entry("cuDeviceGetName", &device_name);
    entry("cuDeviceGetAttribute", &device_attribute);
    entry("cuDevicePrimaryCtxRetain", &context_retain);
    entry("cuDevicePrimaryCtxRelease_v2", &context_release);
    entry("cuCtxSetCurrent", &context_set);
    entry("cuCtxSynchronize", &synchronize);
    entry("cuModuleLoadData", &module_load);
    entry("cuModuleUnload", &module_unload);
    entry("cuModuleGetFunction", &module_function);
    entry("cuMemAlloc_v2", &allocate);
    entry("cuMemFree_v2", &release);
    entry("cuMemsetD8_v2", &fill);
    entry("cuMemcpyHtoD_v2", &to_device);
    entry("cuMemcpyDtoH_v2", &to_host);
    entry("cuLaunchKernel", &launch);
    entry("cuGetErrorName", &error_name);
}

const Driver& Driver::get() {
    static const std::unique_ptr<Driver> driver = [] {
        const char* named = std::getenv("AESTUS_CUDA_DRIVER");
        return std::unique_ptr<Driver>(new Driver(named != nullptr && *named != '\0' ? named : kDefaultLibrary));
    }();
    return *driver;
}

int Driver::count() const {
    const Result initialised = init(0);
    if (initialised == kNoDevice || initialised == kSystemDriverMismatch)
        throw Error(AESTUS_ERR_NO_DEVICE, "no CUDA device: " + library_ + " answers " + std::to_string(initialised));
    check(initialised, "cuInit");
    int devices = 0;
    check(device_count(&devices), "cuDeviceGetCount");
    if (devices == 0) throw Error(AESTUS_ERR_NO_DEVICE, "no CUDA device: " + library_ + " counts 0 devices");
    return devices;
}

void Driver::check(Result result, const char* act) const {
    if (result == 0) return;
    const char* name = nullptr;
    if (error_name(result, &name) != 0 || name == nullptr) name = "an error without a name";
    throw Error(AESTUS_ERR_INTERNAL, std::string(act) + ": " + name + " (" + std::to_string(result) + ")");
}

}  // namespace aestus::cuda

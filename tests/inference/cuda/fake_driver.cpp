// A CUDA driver without a GPU, from the public driver API: device memory is host memory, and launching a kernel runs
// its real source on the processor (host/warp.h), slowly. What only a GPU can show stays open: its compiler and memory.
//
// FAKE_CUDA_DEVICES says how many devices there are; FAKE_CUDA_FAIL names an entry point or kernel that fails,
// "no NAME" a kernel that the image lacks, or "wrong" or "lazy": the last output is off by one, or nothing is computed.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "host/warp.h"

#include "aestus_kernels.cu"

namespace {

constexpr int kInvalidValue = 1;
constexpr int kOutOfMemory = 2;
constexpr int kNotFound = 500;
constexpr int kLaunchFailed = 719;

bool fails(const std::string& name) {
    const char* failing = std::getenv("FAKE_CUDA_FAIL");
    return failing != nullptr && name == failing;
}

template <class Value>
Value argument(void* address) {
    Value value;
    std::memcpy(&value, address, sizeof value);
    return value;
}

template <class... Arguments, size_t... Places>
bool call(void (*kernel)(Arguments...), unsigned blocks, unsigned threads, void** given,
          std::index_sequence<Places...>) {
    return warp::launch(blocks, threads, [&] { kernel(argument<Arguments>(given[Places])...); });
}

using Launch = bool (*)(unsigned blocks, unsigned threads, void** arguments);

template <auto Kernel>
struct Known;
template <class... Arguments, void (*Kernel)(Arguments...)>
struct Known<Kernel> {
    static bool launch(unsigned blocks, unsigned threads, void** arguments) {
        return call(Kernel, blocks, threads, arguments, std::index_sequence_for<Arguments...>{});
    }
};

struct Kernel {
    const char* name;
    Launch launch;
};

#define KERNEL(name) Kernel{#name, Known<name>::launch}
constexpr Kernel kKernels[] = {
    KERNEL(aestus_gemm_f32_kernel),        KERNEL(aestus_qmatmul_q4_1_kernel),   KERNEL(aestus_qmatmul_q8_0_kernel),
    KERNEL(aestus_dequantize_q4_1_kernel), KERNEL(aestus_dequantize_q8_0_kernel), KERNEL(aestus_embedding_f32_kernel),
    KERNEL(aestus_embedding_q4_1_kernel),  KERNEL(aestus_embedding_q8_0_kernel), KERNEL(aestus_rmsnorm_f32_kernel),
    KERNEL(aestus_softmax_f32_kernel),     KERNEL(aestus_rope_f32_kernel),       KERNEL(aestus_attention_f32_kernel),
    KERNEL(aestus_swiglu_f32_kernel),
};

}  // namespace

#define ENTRY extern "C" __attribute__((visibility("default"))) int

ENTRY cuInit(unsigned) { return fails("cuInit") ? 999 : 0; }
ENTRY cuDeviceGetCount(int* count) {
    const char* devices = std::getenv("FAKE_CUDA_DEVICES");
    *count = devices != nullptr ? std::atoi(devices) : 0;
    return 0;
}
ENTRY cuDeviceGet(int* device, int ordinal) { return *device = ordinal, 0; }
ENTRY cuDeviceGetName(char* name, int capacity, int) {
    return std::strncpy(name, "Fake GPU", static_cast<size_t>(capacity)), 0;
}
ENTRY cuDeviceGetAttribute(int* value, int attribute, int) { return *value = attribute == 75 ? 9 : 0, 0; }
ENTRY cuDevicePrimaryCtxRetain(void** context, int) { return *context = nullptr, 0; }
ENTRY cuDevicePrimaryCtxRelease_v2(int) { return 0; }
ENTRY cuCtxSetCurrent(void*) { return 0; }
ENTRY cuCtxSynchronize() { return fails("cuCtxSynchronize") ? 700 : 0; }
ENTRY cuModuleLoadData(void** module, const void* image) {
    *module = const_cast<void*>(image);
    return std::memcmp(image, "not a fatbin", 12) == 0 ? 200 : 0;
}
ENTRY cuModuleUnload(void*) { return 0; }
ENTRY cuModuleGetFunction(void** function, void*, const char* name) {
    for (const Kernel& kernel : kKernels) {
        if (std::strcmp(name, kernel.name) != 0 || fails(std::string("no ") + name)) continue;
        return *function = const_cast<Kernel*>(&kernel), 0;
    }
    return kNotFound;
}
ENTRY cuMemAlloc_v2(unsigned long long* pointer, size_t bytes) {
    if (fails("cuMemAlloc")) return kOutOfMemory;
    *pointer = reinterpret_cast<unsigned long long>(std::malloc(bytes));
    return 0;
}
ENTRY cuMemFree_v2(unsigned long long pointer) { return std::free(reinterpret_cast<void*>(pointer)), 0; }
ENTRY cuMemsetD8_v2(unsigned long long pointer, unsigned char byte, size_t bytes) {
    return std::memset(reinterpret_cast<void*>(pointer), byte, bytes), 0;
}
ENTRY cuMemcpyHtoD_v2(unsigned long long to, const void* from, size_t bytes) {
    return std::memcpy(reinterpret_cast<void*>(to), from, bytes), 0;
}
ENTRY cuMemcpyDtoH_v2(void* to, unsigned long long from, size_t bytes) {
    std::memcpy(to, reinterpret_cast<const void*>(from), bytes);
    if (fails("wrong")) static_cast<float*>(to)[bytes / sizeof(float) - 1] += 1.0f;
    return 0;
}
ENTRY cuGetErrorName(int error, const char** name) {
    *name = error == 700   ? "CUDA_ERROR_ILLEGAL_ADDRESS"
            : error == 200 ? "CUDA_ERROR_INVALID_IMAGE"
                           : "CUDA_ERROR_UNKNOWN";
    return 0;
}
ENTRY cuLaunchKernel(void* function, unsigned grid, unsigned, unsigned, unsigned block, unsigned, unsigned, unsigned,
                     void*, void** arguments, void**) {
    const auto* kernel = static_cast<const Kernel*>(function);
    if (grid == 0 || block != 256 || fails(kernel->name)) return kInvalidValue;
    if (fails("lazy")) return 0;
    return kernel->launch(grid, block, arguments) ? 0 : kLaunchFailed;
}

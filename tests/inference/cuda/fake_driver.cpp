// A CUDA driver without a GPU, from the public driver API: device memory is host memory, and launching the kernels gemm
// and embedding_f32 computes them here; others fail, and no image holds softmax. FAKE_CUDA_DEVICES says how many
// devices there are; FAKE_CUDA_FAIL names an entry point that fails, or "wrong" or "lazy": a kernel that gets its last
// output wrong, or never writes it.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

constexpr int kInvalidValue = 1;
constexpr int kOutOfMemory = 2;
constexpr int kNotFound = 500;

bool fails(const char* name) {
    const char* failing = std::getenv("FAKE_CUDA_FAIL");
    return failing != nullptr && std::strcmp(failing, name) == 0;
}

template <class Value>
Value argument(void** arguments, int index) {
    Value value;
    std::memcpy(&value, arguments[index], sizeof value);
    return value;
}

template <class Value>
Value* array(void** arguments, int index) {
    return reinterpret_cast<Value*>(argument<unsigned long long>(arguments, index));
}

// What is written for `value`, output `i` of `count`.
void write(float* output, int64_t i, int64_t count, float value) {
    const bool is_last = i + 1 == count;
    if (is_last && fails("lazy")) return;
    output[i] = is_last && fails("wrong") ? value + 1.0f : value;
}

void gemm(void** arguments) {
    const auto* a = array<const float>(arguments, 0);
    const auto* b = array<const float>(arguments, 1);
    const auto m = argument<int64_t>(arguments, 3);
    const auto n = argument<int64_t>(arguments, 4);
    const auto k = argument<int64_t>(arguments, 5);
    for (int64_t i = 0; i < m * n; ++i) {
        float sum = 0;
        for (int64_t t = 0; t < k; ++t) sum += a[i / n * k + t] * b[i % n * k + t];
        write(array<float>(arguments, 2), i, m * n, sum);
    }
}

void embedding(void** arguments) {
    const auto* table = array<const float>(arguments, 0);
    const auto* ids = array<const int32_t>(arguments, 1);
    const auto tokens = argument<int64_t>(arguments, 3);
    const auto d = argument<int64_t>(arguments, 4);
    for (int64_t i = 0; i < tokens * d; ++i)
        write(array<float>(arguments, 2), i, tokens * d, table[ids[i / d] * d + i % d]);
}

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
    if (std::strcmp(name, "aestus_softmax_f32_kernel") == 0) return kNotFound;
    return *function = strdup(name), 0;
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
    return std::memcpy(to, reinterpret_cast<const void*>(from), bytes), 0;
}
ENTRY cuGetErrorName(int error, const char** name) {
    *name = error == 700   ? "CUDA_ERROR_ILLEGAL_ADDRESS"
            : error == 200 ? "CUDA_ERROR_INVALID_IMAGE"
                           : "CUDA_ERROR_UNKNOWN";
    return 0;
}
ENTRY cuLaunchKernel(void* function, unsigned grid, unsigned, unsigned, unsigned block, unsigned, unsigned, unsigned,
                     void*, void** arguments, void**) {
    const std::string name = static_cast<const char*>(function);
    std::free(function);
    if (grid == 0 || block != 256) return kInvalidValue;
    if (name == "aestus_gemm_f32_kernel") return gemm(arguments), 0;
    if (name == "aestus_embedding_f32_kernel") return embedding(arguments), 0;
    return kInvalidValue;
}

// The GPU at the C boundary: check, copy in, launch, copy out.
#include <initializer_list>
#include <string>
#include <vector>

#include "aestus/aestus_cuda.h"
#include "base/status.h"
#include "cuda/device.h"
#include "kernels/kernels.h"

struct aestus_cuda {
    aestus::cuda::Device device;
};

namespace {

using aestus::Error;
using aestus::guarded;
using aestus::require;
using aestus::cuda::Buffer;
using aestus::cuda::Device;
namespace kernels = aestus::kernels;

constexpr int64_t kMostElements = int64_t{1} << 40;  // as in capi/kernels.cpp

// Bytes of `count` elements of `size`; throws for a negative or absurd count.
std::size_t bytes_of(int64_t count, std::size_t size) {
    require(count >= 0 && count <= kMostElements, "a size is negative or above 2^40 elements");
    return static_cast<std::size_t>(count) * size;
}

int64_t product(int64_t left, int64_t right) {
    require(left >= 0 && right >= 0, "a size is negative");
    require(right == 0 || left <= kMostElements / right, "a tensor has more than 2^40 elements");
    return left * right;
}

Buffer floats(const Device& device, const float* host, int64_t count) {
    require(host != nullptr || count == 0, "an input is null");
    return {device, host, bytes_of(count, sizeof(float))};
}

Buffer stored(const Device& device, const void* host, int32_t qtype, int64_t rows, int64_t k) {
    const int64_t row = kernels::row_bytes(kernels::qtype_of(qtype), k);
    require(row >= 0, "k is not a multiple of 32, which quantised types need");
    require(host != nullptr || rows * row == 0, "the weights are null");
    return {device, host, bytes_of(product(rows, row), 1)};
}

// "aestus_<op>_q4_1_kernel": the name of a kernel that exists per storage type.
std::string typed_kernel(const char* operation, int32_t qtype) {
    const kernels::QType type = kernels::qtype_of(qtype);
    const char* ending = type == kernels::QType::q4_1   ? "_q4_1_kernel"
                         : type == kernels::QType::q8_0 ? "_q8_0_kernel"
                                                        : "_f32_kernel";
    return std::string("aestus_") + operation + ending;
}

// Allocates the output of the given extents, runs `body` with it, copies it back. The extents are multiplied here,
// inside the guard: an absurd product is an error, not an exception that leaves the C boundary.
template <class Body>
aestus_status with_output(aestus_cuda* cuda, float* host, std::initializer_list<int64_t> extents, Body&& body) {
    return guarded([&] {
        require(cuda != nullptr, "the device is null");
        int64_t count = 1;
        for (const int64_t extent : extents) count = product(count, extent);
        require(host != nullptr || count == 0, "the output is null");
        const Device& device = cuda->device;
        device.enter();
        const Buffer output(device, bytes_of(count, sizeof(float)));
        output.fill(0xFF);  // an element that no thread writes is a NaN, not what this memory held before
        if (count > 0) body(device, output);
        output.copy_to(host);
    });
}

}  // namespace

extern "C" {

aestus_status aestus_cuda_device_count(int32_t* count) {
    return guarded([&] {
        require(count != nullptr, "count is null");
        *count = 0;
        *count = aestus::cuda::Driver::get().count();
    });
}

aestus_status aestus_cuda_open(const char* fatbin_path, int32_t device, aestus_cuda** out) {
    return guarded([&] {
        require(fatbin_path != nullptr && out != nullptr, "the path or the result is null");
        *out = new aestus_cuda{{fatbin_path, device}};
    });
}

void aestus_cuda_close(aestus_cuda* cuda) { delete cuda; }

const char* aestus_cuda_name(const aestus_cuda* cuda) { return cuda->device.name().c_str(); }

int32_t aestus_cuda_capability(const aestus_cuda* cuda) { return cuda->device.capability(); }

int64_t aestus_cuda_launches(const aestus_cuda* cuda) { return cuda->device.launches(); }

aestus_status aestus_cuda_gemm_f32(aestus_cuda* cuda, const float* a, const float* b, float* c, int64_t m, int64_t n,
                                   int64_t k) {
    return with_output(cuda, c, {m, n}, [&](const Device& device, const Buffer& output) {
        const int64_t rights = product(n, k);  // every size is checked before any array is read
        const Buffer left = floats(device, a, product(m, k));
        const Buffer right = floats(device, b, rights);
        device.run("aestus_gemm_f32_kernel", m * n, left.pointer(), right.pointer(), output.pointer(), m, n, k);
    });
}

aestus_status aestus_cuda_qmatmul(aestus_cuda* cuda, int32_t qtype, const void* w, const float* x, float* y, int64_t n,
                                  int64_t k, int64_t m) {
    return with_output(cuda, y, {m, n}, [&](const Device& device, const Buffer& output) {
        const int64_t activation_count = product(m, k);  // every size is checked before any array is read
        const Buffer weights = stored(device, w, qtype, n, k);
        const Buffer activations = floats(device, x, activation_count);
        if (qtype == AESTUS_F32) {
            device.run("aestus_gemm_f32_kernel", m * n, activations.pointer(), weights.pointer(), output.pointer(), m,
                       n, k);
            return;
        }
        const std::string kernel = typed_kernel("qmatmul", qtype);
        device.run(kernel.c_str(), m * n, weights.pointer(), activations.pointer(), output.pointer(), n, k, m);
    });
}

aestus_status aestus_cuda_dequantize_row(aestus_cuda* cuda, int32_t qtype, const void* w, float* y, int64_t k) {
    return with_output(cuda, y, {k}, [&](const Device& device, const Buffer& output) {
        require(qtype != AESTUS_F32, "F32 weights need no dequantisation on the GPU");
        const std::string kernel = typed_kernel("dequantize", qtype);
        const Buffer weights = stored(device, w, qtype, 1, k);
        device.run(kernel.c_str(), k, weights.pointer(), output.pointer(), k);
    });
}

aestus_status aestus_cuda_rmsnorm_f32(aestus_cuda* cuda, const float* x, const float* weight, float* y, int64_t rows,
                                      int64_t d, float eps) {
    return with_output(cuda, y, {rows, d}, [&](const Device& device, const Buffer& output) {
        require(eps >= 0.0f, "eps is negative or NaN");
        const Buffer input = floats(device, x, rows * d);
        const Buffer scale = floats(device, weight, d);
        device.run("aestus_rmsnorm_f32_kernel", rows, input.pointer(), scale.pointer(), output.pointer(), rows, d, eps);
    });
}

aestus_status aestus_cuda_softmax_f32(aestus_cuda* cuda, const float* x, float* y, int64_t rows, int64_t d) {
    return with_output(cuda, y, {rows, d}, [&](const Device& device, const Buffer& output) {
        const Buffer input = floats(device, x, rows * d);
        device.run("aestus_softmax_f32_kernel", rows, input.pointer(), output.pointer(), rows, d);
    });
}

aestus_status aestus_cuda_rope_f32(aestus_cuda* cuda, const float* x, float* y, int64_t tokens, int64_t heads,
                                   int64_t head_dim, int64_t first_position, float base) {
    return with_output(cuda, y, {tokens, heads, head_dim}, [&](const Device& device, const Buffer& output) {
        const int64_t count = tokens * heads * head_dim;
        require(head_dim % 2 == 0, "head_dim is odd");
        require(first_position >= 0 && first_position + tokens <= (int64_t{1} << 20),
                "a position is outside [0, 2^20)");
        require(base > 0.0f && base < 1e30f, "base is not a positive number below 1e30");
        const int64_t angles = tokens * (head_dim / 2);
        std::vector<float> cosine(static_cast<std::size_t>(angles));
        std::vector<float> sine(static_cast<std::size_t>(angles));
        kernels::rope_angles(cosine.data(), sine.data(), tokens, head_dim, first_position, base);
        const Buffer input = floats(device, x, count);
        const Buffer cosines = floats(device, cosine.data(), angles);
        const Buffer sines = floats(device, sine.data(), angles);
        device.run("aestus_rope_f32_kernel", count / 2, input.pointer(), output.pointer(), cosines.pointer(),
                   sines.pointer(), tokens, heads, head_dim);
    });
}

aestus_status aestus_cuda_attention_f32(aestus_cuda* cuda, const float* q, const float* k, const float* v, float* y,
                                        int64_t tokens, int64_t past, int64_t heads, int64_t kv_heads,
                                        int64_t head_dim) {
    return with_output(cuda, y, {tokens, heads, head_dim}, [&](const Device& device, const Buffer& output) {
        const int64_t count = tokens * heads * head_dim;
        require(kv_heads > 0 && heads % kv_heads == 0, "heads is not a multiple of kv_heads");
        require(past >= 0 && past <= kMostElements, "past is negative or absurd");
        const int64_t cached = product(product(past + tokens, kv_heads), head_dim);
        const Buffer queries = floats(device, q, count);
        const Buffer keys = floats(device, k, cached);
        const Buffer values = floats(device, v, cached);
        const Buffer scratch(device, bytes_of(product(tokens * heads, past + tokens), sizeof(float)));
        device.run("aestus_attention_f32_kernel", tokens * heads, queries.pointer(), keys.pointer(), values.pointer(),
                   output.pointer(), scratch.pointer(), tokens, past, heads, kv_heads, head_dim);
    });
}

aestus_status aestus_cuda_swiglu_f32(aestus_cuda* cuda, const float* gate, const float* up, float* y, int64_t n) {
    return with_output(cuda, y, {n}, [&](const Device& device, const Buffer& output) {
        const Buffer gates = floats(device, gate, n);
        const Buffer ups = floats(device, up, n);
        device.run("aestus_swiglu_f32_kernel", n, gates.pointer(), ups.pointer(), output.pointer(), n);
    });
}

aestus_status aestus_cuda_embedding(aestus_cuda* cuda, int32_t qtype, const void* table, const int32_t* ids, float* y,
                                    int64_t tokens, int64_t vocab, int64_t d) {
    return with_output(cuda, y, {tokens, d}, [&](const Device& device, const Buffer& output) {
        require(ids != nullptr, "ids is null");
        for (int64_t token = 0; token < tokens; ++token) {
            require(ids[token] >= 0 && ids[token] < vocab, "a token id is outside the vocabulary");
        }
        const std::string kernel = typed_kernel("embedding", qtype);
        const Buffer rows = stored(device, table, qtype, vocab, d);
        const Buffer numbers(device, ids, bytes_of(tokens, sizeof(int32_t)));
        device.run(kernel.c_str(), tokens * d, rows.pointer(), numbers.pointer(), output.pointer(),
                   tokens, d);
    });
}

}

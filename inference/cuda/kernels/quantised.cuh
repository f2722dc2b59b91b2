// Q4_1 and Q8_0 blocks of 32 weights as GGUF stores them, dequantised and multiplied on the device.
//
// Q4_1: f16 d, f16 m, 16 bytes of nibbles (low nibble of byte i is weight i, high nibble weight i + 16): w = d*q + m.
// Q8_0: f16 d, 32 int8: w = d*q. Both are rounded as the CPU does: product, then sum. 20 and 34 bytes a block.
#pragma once

#include <cuda_fp16.h>

#include "lanes.cuh"

namespace aestus::cuda {

constexpr int kBlockWeights = 32;
constexpr int kQ41Bytes = 20;
constexpr int kQ80Bytes = 34;

/// Blocks are only 2-byte aligned, so an f16 is read as two bytes' worth of one unsigned short.
__device__ __forceinline__ float read_half(const unsigned char* bytes) {
    return __half2float(*reinterpret_cast<const __half*>(bytes));
}

struct Q41 {
    static constexpr int kBytes = kQ41Bytes;
    __device__ static float weight(const unsigned char* block, int index) {
        const unsigned char packed = block[4 + index % 16];
        const int quant = index < 16 ? packed & 0x0f : packed >> 4;
        return multiply_add(read_half(block + 2), read_half(block), static_cast<float>(quant));
    }
};

struct Q80 {
    static constexpr int kBytes = kQ80Bytes;
    __device__ static float weight(const unsigned char* block, int index) {
        const auto quant = static_cast<signed char>(block[2 + index]);
        return __fmul_rn(read_half(block), static_cast<float>(quant));
    }
};

/// The weight at `index` of a row of blocks.
template <typename Format>
__device__ __forceinline__ float row_weight(const unsigned char* row, int64_t index) {
    return Format::weight(row + index / kBlockWeights * Format::kBytes, static_cast<int>(index % kBlockWeights));
}

/// y[m,n] = x[m,k] * W[n,k]^T; one group of eight threads per output, as in gemm.cuh.
template <typename Format>
__device__ void qmatmul(const unsigned char* w, const float* x, float* y, int64_t n, int64_t k, int64_t m) {
    const int lane = static_cast<int>(threadIdx.x % kLanes);
    const int64_t group = static_cast<int64_t>(blockIdx.x) * kGroups + threadIdx.x / kLanes;
    const int64_t stride = static_cast<int64_t>(gridDim.x) * kGroups;
    const int64_t rounds = (m * n + stride - 1) / stride;
    for (int64_t round = 0; round < rounds; ++round) {
        const int64_t output = group + round * stride;
        const bool inside = output < m * n;
        const unsigned char* weights = w + (inside ? output % n : 0) * (k / kBlockWeights) * Format::kBytes;
        const float* activations = x + (inside ? output / n : 0) * k;
        float accumulator = 0.0f;
        for (int64_t i = lane; inside && i < k; i += kLanes)
            accumulator = multiply_add(accumulator, row_weight<Format>(weights, i), activations[i]);
        const float sum = sum_lanes(accumulator);
        if (inside && lane == 0) y[output] = sum;
    }
}

template <typename Format>
__device__ void dequantize(const unsigned char* w, float* y, int64_t k) {
    const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
    for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < k; i += stride)
        y[i] = row_weight<Format>(w, i);
}

/// y[tokens,d] = rows `ids` of table[vocab,d]; the caller has checked every id against vocab.
template <typename Format>
__device__ void embedding(const unsigned char* table, const int32_t* ids, float* y, int64_t tokens, int64_t d) {
    const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
    for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < tokens * d; i += stride) {
        const unsigned char* row = table + ids[i / d] * (d / kBlockWeights) * Format::kBytes;
        y[i] = row_weight<Format>(row, i % d);
    }
}

}  // namespace aestus::cuda

extern "C" __global__ void aestus_qmatmul_q4_1_kernel(const unsigned char* w, const float* x, float* y, int64_t n,
                                                      int64_t k, int64_t m) {
    aestus::cuda::qmatmul<aestus::cuda::Q41>(w, x, y, n, k, m);
}

extern "C" __global__ void aestus_qmatmul_q8_0_kernel(const unsigned char* w, const float* x, float* y, int64_t n,
                                                      int64_t k, int64_t m) {
    aestus::cuda::qmatmul<aestus::cuda::Q80>(w, x, y, n, k, m);
}

extern "C" __global__ void aestus_dequantize_q4_1_kernel(const unsigned char* w, float* y, int64_t k) {
    aestus::cuda::dequantize<aestus::cuda::Q41>(w, y, k);
}

extern "C" __global__ void aestus_dequantize_q8_0_kernel(const unsigned char* w, float* y, int64_t k) {
    aestus::cuda::dequantize<aestus::cuda::Q80>(w, y, k);
}

extern "C" __global__ void aestus_embedding_q8_0_kernel(const unsigned char* table, const int32_t* ids, float* y,
                                                        int64_t tokens, int64_t d) {
    aestus::cuda::embedding<aestus::cuda::Q80>(table, ids, y, tokens, d);
}

extern "C" __global__ void aestus_embedding_q4_1_kernel(const unsigned char* table, const int32_t* ids, float* y,
                                                        int64_t tokens, int64_t d) {
    aestus::cuda::embedding<aestus::cuda::Q41>(table, ids, y, tokens, d);
}

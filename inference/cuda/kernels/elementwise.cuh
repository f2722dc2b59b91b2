// RoPE, SwiGLU and the f32 embedding: every thread its own elements, no sums.
#pragma once

#include "exponential.cuh"
#include "lanes.cuh"

// Rotates the pairs (2i, 2i+1) of x[tokens,heads,head_dim]; cosine and sine are [tokens,head_dim/2], made by the CPU.
// Bytes per pair: reads 16, writes 8.
extern "C" __global__ void aestus_rope_f32_kernel(const float* x, float* y, const float* cosine, const float* sine,
                                                  int64_t tokens, int64_t heads, int64_t head_dim) {
    const int64_t pairs = head_dim / 2;
    const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
    for (int64_t unit = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; unit < tokens * heads * pairs;
         unit += stride) {
        const int64_t pair = unit % pairs;
        const int64_t token = unit / pairs / heads;
        const float even = x[2 * unit];
        const float odd = x[2 * unit + 1];
        const float c = cosine[token * pairs + pair];
        const float s = sine[token * pairs + pair];
        y[2 * unit] = __fsub_rn(__fmul_rn(even, c), __fmul_rn(odd, s));
        y[2 * unit + 1] = __fadd_rn(__fmul_rn(even, s), __fmul_rn(odd, c));
    }
}

// y[i] = gate[i] / (1 + exp(-gate[i])) * up[i]; bytes per element: reads 8, writes 4.
extern "C" __global__ void aestus_swiglu_f32_kernel(const float* gate, const float* up, float* y, int64_t n) {
    const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
    for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += stride) {
        const double g = static_cast<double>(gate[i]);
        y[i] = __fmul_rn(static_cast<float>(g / (1.0 + aestus::cuda::exp64(-g))), up[i]);
    }
}

// y[tokens,d] = rows `ids` of table[vocab,d]; the caller has checked every id. Bytes per element: reads 4, writes 4.
extern "C" __global__ void aestus_embedding_f32_kernel(const float* table, const int32_t* ids, float* y, int64_t tokens,
                                                       int64_t d) {
    const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
    for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < tokens * d; i += stride)
        y[i] = table[static_cast<int64_t>(ids[i / d]) * d + i % d];
}

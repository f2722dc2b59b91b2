// C[m,n] = A[m,k] * B[n,k]^T, row-major f32, in the 8-lane order.
//
// Grid: one group of eight threads per output, outputs numbered row-major over C. No shared memory.
// Bytes: reads 8*k per output (A and B rows, coalesced 32 B per group step), writes 4: memory-bound without tiling. The
// order of the sum is fixed by contract, so tiling may reuse loads but never split k; that is left to the speed work.
#pragma once

#include "lanes.cuh"

extern "C" __global__ void aestus_gemm_f32_kernel(const float* a, const float* b, float* c, int64_t m, int64_t n,
                                                  int64_t k) {
    using namespace aestus::cuda;
    const int lane = static_cast<int>(threadIdx.x % kLanes);
    const int64_t group = static_cast<int64_t>(blockIdx.x) * kGroups + threadIdx.x / kLanes;
    const int64_t stride = static_cast<int64_t>(gridDim.x) * kGroups;
    // Every group of a warp makes the same number of rounds: the exchanges need all 32 threads.
    const int64_t rounds = (m * n + stride - 1) / stride;
    for (int64_t round = 0; round < rounds; ++round) {
        const int64_t output = group + round * stride;
        const bool inside = output < m * n;
        const float* row = a + (inside ? output / n : 0) * k;
        const float* column = b + (inside ? output % n : 0) * k;
        float accumulator = 0.0f;
        for (int64_t i = lane; inside && i < k; i += kLanes) accumulator = multiply_add(accumulator, row[i], column[i]);
        const float sum = sum_lanes(accumulator);
        if (inside && lane == 0) c[output] = sum;
    }
}

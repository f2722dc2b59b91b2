// RMSNorm and softmax: one group of eight threads per row, sums in the 8-lane order.
//
// Bytes per row of d values: RMSNorm reads 12*d (the row twice, the weight) and writes 4*d; softmax reads 8*d and
// writes 8*d. Memory-bound: the share of peak bandwidth is the figure to watch. Double only inside exp.
#pragma once

#include "exponential.cuh"
#include "lanes.cuh"

namespace aestus::cuda {

/// Softmax of one row by the eight threads of a group; `active` is false for groups that only keep the warp whole.
__device__ __forceinline__ void softmax_row(const float* x, float* y, int64_t d, int lane, bool active) {
    float largest = -__int_as_float(0x7f800000);
    for (int64_t i = lane; active && i < d; i += kLanes) largest = x[i] > largest ? x[i] : largest;
    largest = max_lanes(largest);
    float accumulator = 0.0f;
    for (int64_t i = lane; active && i < d; i += kLanes) {
        const float power = static_cast<float>(exp64(static_cast<double>(__fsub_rn(x[i], largest))));
        y[i] = power;
        accumulator = __fadd_rn(accumulator, power);
    }
    const float sum = sum_lanes(accumulator);
    // Each lane divides what it wrote itself, so no fence is needed.
    for (int64_t i = lane; active && i < d; i += kLanes) y[i] = __fdiv_rn(y[i], sum);
}

}  // namespace aestus::cuda

extern "C" __global__ void aestus_rmsnorm_f32_kernel(const float* x, const float* weight, float* y, int64_t rows,
                                                     int64_t d, float eps) {
    using namespace aestus::cuda;
    const int lane = static_cast<int>(threadIdx.x % kLanes);
    const int64_t group = static_cast<int64_t>(blockIdx.x) * kGroups + threadIdx.x / kLanes;
    const int64_t stride = static_cast<int64_t>(gridDim.x) * kGroups;
    const int64_t rounds = (rows + stride - 1) / stride;
    for (int64_t round = 0; round < rounds; ++round) {
        const int64_t row = group + round * stride;
        const bool inside = row < rows;
        const float* in = x + (inside ? row : 0) * d;
        float accumulator = 0.0f;
        for (int64_t i = lane; inside && i < d; i += kLanes) accumulator = multiply_add(accumulator, in[i], in[i]);
        const float mean = __fdiv_rn(sum_lanes(accumulator), static_cast<float>(d));
        const float scale = __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(mean, eps)));
        for (int64_t i = lane; inside && i < d; i += kLanes)
            y[row * d + i] = __fmul_rn(__fmul_rn(in[i], scale), weight[i]);
    }
}

extern "C" __global__ void aestus_softmax_f32_kernel(const float* x, float* y, int64_t rows, int64_t d) {
    using namespace aestus::cuda;
    const int lane = static_cast<int>(threadIdx.x % kLanes);
    const int64_t group = static_cast<int64_t>(blockIdx.x) * kGroups + threadIdx.x / kLanes;
    const int64_t stride = static_cast<int64_t>(gridDim.x) * kGroups;
    const int64_t rounds = (rows + stride - 1) / stride;
    for (int64_t round = 0; round < rounds; ++round) {
        const int64_t row = group + round * stride;
        const int64_t offset = (row < rows ? row : 0) * d;
        softmax_row(x + offset, y + offset, d, lane, row < rows);
    }
}

// The 8-lane order of Aestus on a GPU: eight threads of a warp are the eight lanes of the CPU kernels.
//
// A CPU kernel keeps acc[0..7], adds element k into acc[k % 8] and ends with
// ((a0+a4)+(a2+a6)) + ((a1+a5)+(a3+a7)). Here lane j of a group of eight threads holds acc[j]; three
// butterfly exchanges with distance 4, 2, 1 add in exactly that order, and addition commutes, so every lane ends with
// the same bits as the CPU. Products and sums are rounded apart (__fmul_rn, __fadd_rn are never contracted).
#pragma once

#include <cstdint>

namespace aestus::cuda {

constexpr int kLanes = 8;                     // accumulators of one output
constexpr int kBlockThreads = 256;            // threads of a block in every kernel of this folder
constexpr int kGroups = kBlockThreads / kLanes;  // outputs one block works on at a time
constexpr unsigned kFullWarp = 0xffffffffu;   // every thread of a warp takes part in an exchange

/// Adds the eight lanes of a group; all 32 threads of the warp must call it.
__device__ __forceinline__ float sum_lanes(float value) {
    value = __fadd_rn(value, __shfl_xor_sync(kFullWarp, value, 4));
    value = __fadd_rn(value, __shfl_xor_sync(kFullWarp, value, 2));
    return __fadd_rn(value, __shfl_xor_sync(kFullWarp, value, 1));
}

/// Largest value of the eight lanes, as `candidate > best` picks it; all 32 threads of the warp must call it.
__device__ __forceinline__ float max_lanes(float value) {
    for (int distance = kLanes / 2; distance > 0; distance /= 2) {
        const float other = __shfl_xor_sync(kFullWarp, value, distance);
        value = other > value ? other : value;
    }
    return value;
}

/// acc + a*b, both rounded: what the scalar kernels do without contraction.
__device__ __forceinline__ float multiply_add(float accumulator, float a, float b) {
    return __fadd_rn(accumulator, __fmul_rn(a, b));
}

}  // namespace aestus::cuda

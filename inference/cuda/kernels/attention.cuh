// Causal attention with grouped queries: q[tokens,heads,hd], k and v [past+tokens,kv_heads,hd], y as q.
//
// One group of eight threads per (token, head): scores in the 8-lane order into scratch[tokens*heads, past+tokens],
// softmax in place, then each lane sums its own output elements over ascending positions, as the CPU does.
// Bytes per (token, head): reads 8*hd*positions of k and v, writes and reads 16*positions of scratch.
#pragma once

#include "lanes.cuh"
#include "rowwise.cuh"

extern "C" __global__ void aestus_attention_f32_kernel(const float* q, const float* k, const float* v, float* y,
                                                       float* scratch, int64_t tokens, int64_t past, int64_t heads,
                                                       int64_t kv_heads, int64_t head_dim) {
    using namespace aestus::cuda;
    const int lane = static_cast<int>(threadIdx.x % kLanes);
    const int64_t group = static_cast<int64_t>(blockIdx.x) * kGroups + threadIdx.x / kLanes;
    const int64_t stride = static_cast<int64_t>(gridDim.x) * kGroups;
    const int64_t units = tokens * heads;
    const int64_t row_stride = kv_heads * head_dim;
    const float scale = __fdiv_rn(1.0f, __fsqrt_rn(static_cast<float>(head_dim)));
    const int64_t rounds = (units + stride - 1) / stride;
    for (int64_t round = 0; round < rounds; ++round) {
        const int64_t unit = group + round * stride;
        const bool inside = unit < units;
        const int64_t token = inside ? unit / heads : 0;
        const int64_t kv_head = (inside ? unit % heads : 0) / (heads / kv_heads);
        const int64_t positions = past + token + 1;
        const float* query = q + (inside ? unit : 0) * head_dim;
        float* scores = scratch + (inside ? unit : 0) * (past + tokens);
        // All groups of a warp take part in each exchange, so they all walk the longest row.
        for (int64_t t = 0; t < past + tokens; ++t) {
            const bool visible = inside && t < positions;
            const float* key = k + t * row_stride + kv_head * head_dim;
            float accumulator = 0.0f;
            for (int64_t i = lane; visible && i < head_dim; i += kLanes)
                accumulator = multiply_add(accumulator, query[i], key[i]);
            const float score = __fmul_rn(sum_lanes(accumulator), scale);
            if (visible && lane == static_cast<int>(t % kLanes)) scores[t] = score;
        }
        __syncwarp();
        softmax_row(scores, scores, positions, lane, inside);
        __syncwarp();
        for (int64_t i = lane; inside && i < head_dim; i += kLanes) {
            float accumulator = 0.0f;
            for (int64_t t = 0; t < positions; ++t)
                accumulator = multiply_add(accumulator, scores[t], v[t * row_stride + kv_head * head_dim + i]);
            y[unit * head_dim + i] = accumulator;
        }
    }
}

// The implementation in NEON intrinsics for aarch64: two registers hold the eight lanes of one output.
//
// Bitwise equal to scalar.cpp: products and sums are rounded separately. In dequantisation d*q is exact in f32
// (11 + 8 bits), so there fma(m, d, q) rounds exactly like fl(fl(d*q) + m).
#include "kernels/table.h"

#if defined(__aarch64__)

#include <arm_neon.h>

#include <cstring>

#include "math/elementary.h"
#include "math/half.h"

#define AESTUS_IMPL_NAME "neon"
#define AESTUS_IMPL_ISA "armv8-a"

namespace aestus::kernels {
namespace {

struct Lanes {
    float32x4_t low;   // lanes 0-3
    float32x4_t high;  // lanes 4-7
};

inline Lanes zero_lanes() { return {vdupq_n_f32(0.0f), vdupq_n_f32(0.0f)}; }
inline Lanes load_lanes(const float* x) { return {vld1q_f32(x), vld1q_f32(x + 4)}; }

inline void add_product(Lanes& acc, const Lanes& a, const Lanes& b) {
    acc.low = vaddq_f32(acc.low, vmulq_f32(a.low, b.low));
    acc.high = vaddq_f32(acc.high, vmulq_f32(a.high, b.high));
}

// ((a0+a4)+(a2+a6)) + ((a1+a5)+(a3+a7))
inline float reduce(const Lanes& acc) {
    const float32x4_t half = vaddq_f32(acc.low, acc.high);
    const float32x2_t pair = vadd_f32(vget_low_f32(half), vget_high_f32(half));
    return vget_lane_f32(pair, 0) + vget_lane_f32(pair, 1);
}

// The first `count` values, then zeros: their product adds +0, which changes no accumulator.
inline Lanes load_tail(const float* x, int64_t count) {
    float values[8] = {};
    std::memcpy(values, x, static_cast<size_t>(count) * sizeof(float));
    return load_lanes(values);
}

template <int MR, int NR>
void dot_tile(const float* a, int64_t lda, const float* b, int64_t ldb, int64_t k, float* out, int64_t ldo) {
    Lanes acc[MR][NR];
    for (int i = 0; i < MR; ++i) {
        for (int j = 0; j < NR; ++j) acc[i][j] = zero_lanes();
    }
    int64_t t = 0;
    for (; t + 8 <= k; t += 8) {
        Lanes left[MR];
        for (int i = 0; i < MR; ++i) left[i] = load_lanes(a + i * lda + t);
        for (int j = 0; j < NR; ++j) {
            const Lanes right = load_lanes(b + j * ldb + t);
            for (int i = 0; i < MR; ++i) add_product(acc[i][j], left[i], right);
        }
    }
    for (int i = 0; i < MR; ++i) {
        for (int j = 0; j < NR; ++j) {
            if (t < k) add_product(acc[i][j], load_tail(a + i * lda + t, k - t), load_tail(b + j * ldb + t, k - t));
            out[i * ldo + j] = reduce(acc[i][j]);
        }
    }
}

// Eight codes as floats.
inline Lanes floats_of(uint8x8_t codes) {
    const uint16x8_t wide = vmovl_u8(codes);
    return {vcvtq_f32_u32(vmovl_u16(vget_low_u16(wide))), vcvtq_f32_u32(vmovl_u16(vget_high_u16(wide)))};
}

inline Lanes floats_of(int8x8_t codes) {
    const int16x8_t wide = vmovl_s8(codes);
    return {vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(wide)))};
}

// The 32 values of one block, eight per part, in element order.
struct BlockValues {
    Lanes part[4];
};

template <QType type>
inline BlockValues block_values(const uint8_t* w);

template <>
inline BlockValues block_values<QType::q4_1>(const uint8_t* w) {
    const float32x4_t d = vdupq_n_f32(math::half_to_float(math::load_half(w)));
    const float32x4_t m = vdupq_n_f32(math::half_to_float(math::load_half(w + 2)));
    const uint8x16_t packed = vld1q_u8(w + 4);
    const uint8x16_t low = vandq_u8(packed, vdupq_n_u8(15));
    const uint8x16_t high = vshrq_n_u8(packed, 4);
    BlockValues values = {{floats_of(vget_low_u8(low)), floats_of(vget_high_u8(low)), floats_of(vget_low_u8(high)),
                           floats_of(vget_high_u8(high))}};
    for (Lanes& part : values.part) part = {vfmaq_f32(m, part.low, d), vfmaq_f32(m, part.high, d)};
    return values;
}

template <>
inline BlockValues block_values<QType::q8_0>(const uint8_t* w) {
    const float32x4_t d = vdupq_n_f32(math::half_to_float(math::load_half(w)));
    BlockValues values;
    for (int i = 0; i < 4; ++i) {
        const Lanes codes = floats_of(vreinterpret_s8_u8(vld1_u8(w + 2 + 8 * i)));
        values.part[i] = {vmulq_f32(codes.low, d), vmulq_f32(codes.high, d)};
    }
    return values;
}

template <QType type>
inline void dequantize_blocks(const uint8_t* w, float* y, int64_t k) {
    constexpr int64_t kBytes = type == QType::q4_1 ? kQ4_1Bytes : kQ8_0Bytes;
    for (int64_t block = 0; block < k / kQuantBlock; ++block) {
        const BlockValues values = block_values<type>(w + block * kBytes);
        for (int i = 0; i < 4; ++i) {
            vst1q_f32(y + block * kQuantBlock + 8 * i, values.part[i].low);
            vst1q_f32(y + block * kQuantBlock + 8 * i + 4, values.part[i].high);
        }
    }
}

void dequantize_q4_1(const uint8_t* w, float* y, int64_t k) { dequantize_blocks<QType::q4_1>(w, y, k); }
void dequantize_q8_0(const uint8_t* w, float* y, int64_t k) { dequantize_blocks<QType::q8_0>(w, y, k); }

template <QType type, int NR>
void dot_quantized(const uint8_t* w, int64_t stride, const float* x, int64_t k, float* out) {
    constexpr int64_t kBytes = type == QType::q4_1 ? kQ4_1Bytes : kQ8_0Bytes;
    Lanes acc[NR];
    for (int j = 0; j < NR; ++j) acc[j] = zero_lanes();
    for (int64_t block = 0; block < k / kQuantBlock; ++block) {
        const float* in = x + block * kQuantBlock;
        for (int j = 0; j < NR; ++j) {
            const BlockValues values = block_values<type>(w + j * stride + block * kBytes);
            for (int i = 0; i < 4; ++i) add_product(acc[j], values.part[i], load_lanes(in + 8 * i));
        }
    }
    for (int j = 0; j < NR; ++j) out[j] = reduce(acc[j]);
}

void weighted_sum(const float* p, const float* v, int64_t stride, int64_t n, int64_t d, float* y) {
    int64_t i = 0;
    for (; i + 8 <= d; i += 8) {
        Lanes acc = zero_lanes();
        for (int64_t t = 0; t < n; ++t) {
            const float32x4_t weight = vdupq_n_f32(p[t]);
            add_product(acc, {weight, weight}, load_lanes(v + t * stride + i));
        }
        vst1q_f32(y + i, acc.low);
        vst1q_f32(y + i + 4, acc.high);
    }
    for (; i < d; ++i) {
        float acc = 0.0f;
        for (int64_t t = 0; t < n; ++t) acc += p[t] * v[t * stride + i];
        y[i] = acc;
    }
}

#include "kernels/body.inl"

}  // namespace

const Table* neon_table() { return &kTable; }

}  // namespace aestus::kernels

#else

namespace aestus::kernels {

const Table* neon_table() { return nullptr; }

}  // namespace aestus::kernels

#endif

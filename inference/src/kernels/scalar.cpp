// The implementation in plain C++, on every platform: the one the others must equal bit for bit.
#include <cstring>

#include "kernels/table.h"
#include "math/elementary.h"
#include "math/half.h"

#define AESTUS_IMPL_NAME "scalar"
#if defined(__x86_64__)
#define AESTUS_IMPL_ISA "x86-64"
#elif defined(__aarch64__)
#define AESTUS_IMPL_ISA "armv8-a"
#else
#define AESTUS_IMPL_ISA "generic"
#endif

namespace aestus::kernels {
namespace {

float reduce(const float* acc) {
    return ((acc[0] + acc[4]) + (acc[2] + acc[6])) + ((acc[1] + acc[5]) + (acc[3] + acc[7]));
}

// acc[i][j] is one output's eight lanes; the loops over 8 are what compilers vectorise.
template <int MR, int NR>
void dot_tile(const float* a, int64_t lda, const float* b, int64_t ldb, int64_t k, float* out, int64_t ldo) {
    float acc[MR][NR][8] = {};
    const int64_t whole = k / 8 * 8;
    for (int64_t t = 0; t < whole; t += 8) {
        for (int i = 0; i < MR; ++i) {
            for (int j = 0; j < NR; ++j) {
                for (int lane = 0; lane < 8; ++lane) {
                    acc[i][j][lane] += a[i * lda + t + lane] * b[j * ldb + t + lane];
                }
            }
        }
    }
    for (int i = 0; i < MR; ++i) {
        for (int j = 0; j < NR; ++j) {
            for (int64_t t = whole; t < k; ++t) acc[i][j][t - whole] += a[i * lda + t] * b[j * ldb + t];
            out[i * ldo + j] = reduce(acc[i][j]);
        }
    }
}

void dequantize_block_q4_1(const uint8_t* w, float* y) {
    const float d = math::half_to_float(math::load_half(w));
    const float m = math::half_to_float(math::load_half(w + 2));
    for (int64_t i = 0; i < kQuantBlock / 2; ++i) {
        y[i] = d * static_cast<float>(w[4 + i] & 15) + m;
        y[i + kQuantBlock / 2] = d * static_cast<float>(w[4 + i] >> 4) + m;
    }
}

void dequantize_block_q8_0(const uint8_t* w, float* y) {
    const float d = math::half_to_float(math::load_half(w));
    for (int64_t i = 0; i < kQuantBlock; ++i) y[i] = d * static_cast<float>(static_cast<int8_t>(w[2 + i]));
}

void dequantize_q4_1(const uint8_t* w, float* y, int64_t k) {
    for (int64_t i = 0; i < k / kQuantBlock; ++i) dequantize_block_q4_1(w + i * kQ4_1Bytes, y + i * kQuantBlock);
}

void dequantize_q8_0(const uint8_t* w, float* y, int64_t k) {
    for (int64_t i = 0; i < k / kQuantBlock; ++i) dequantize_block_q8_0(w + i * kQ8_0Bytes, y + i * kQuantBlock);
}

template <QType type, int NR>
void dot_quantized(const uint8_t* w, int64_t stride, const float* x, int64_t k, float* out) {
    constexpr int64_t kBytes = type == QType::q4_1 ? kQ4_1Bytes : kQ8_0Bytes;
    float acc[NR][8] = {};
    for (int64_t block = 0; block < k / kQuantBlock; ++block) {
        const float* in = x + block * kQuantBlock;
        for (int j = 0; j < NR; ++j) {
            float values[kQuantBlock];
            const uint8_t* bytes = w + j * stride + block * kBytes;
            if (type == QType::q4_1) dequantize_block_q4_1(bytes, values);
            if (type == QType::q8_0) dequantize_block_q8_0(bytes, values);
            for (int64_t t = 0; t < kQuantBlock; t += 8) {
                for (int lane = 0; lane < 8; ++lane) acc[j][lane] += values[t + lane] * in[t + lane];
            }
        }
    }
    for (int j = 0; j < NR; ++j) out[j] = reduce(acc[j]);
}

void weighted_sum(const float* p, const float* v, int64_t stride, int64_t n, int64_t d, float* y) {
    constexpr int64_t kBlock = 16;
    int64_t i = 0;
    for (; i + kBlock <= d; i += kBlock) {
        float acc[kBlock] = {};
        for (int64_t t = 0; t < n; ++t) {
            for (int64_t lane = 0; lane < kBlock; ++lane) acc[lane] += p[t] * v[t * stride + i + lane];
        }
        for (int64_t lane = 0; lane < kBlock; ++lane) y[i + lane] = acc[lane];
    }
    for (; i < d; ++i) {
        float acc = 0.0f;
        for (int64_t t = 0; t < n; ++t) acc += p[t] * v[t * stride + i];
        y[i] = acc;
    }
}

#include "kernels/body.inl"

}  // namespace

const Table* scalar_table() { return &kTable; }

}  // namespace aestus::kernels

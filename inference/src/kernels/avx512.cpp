// The implementation in AVX-512: a register holds the eight lanes of two outputs, so the same sums take half the
// instructions. Everything that is not a dot product is that of lanes_256.inl.
#include "kernels/table.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

#include "math/elementary.h"
#include "math/half.h"

#define AESTUS_IMPL_NAME "avx512"
#define AESTUS_IMPL_ISA "x86-64-v4"

namespace aestus::kernels {
namespace {

#include "kernels/lanes_256.inl"

inline __m256 lower_half(__m512 x) { return _mm512_castps512_ps256(x); }
inline __m256 upper_half(__m512 x) { return _mm512_extractf32x8_ps(x, 1); }
inline __m512 twice(const float* x) { return _mm512_broadcast_f32x8(_mm256_loadu_ps(x)); }
inline __m512 joined(const float* lower, const float* upper) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(lower)), _mm256_loadu_ps(upper), 1);
}

// Outputs (i, 2j) and (i, 2j+1) share a register; an odd column and a tail of k go the 256-bit way.
template <int MR, int NR>
void dot_tile_512(const float* a, int64_t lda, const float* b, int64_t ldb, int64_t k, float* out, int64_t ldo) {
    static_assert(NR % 2 == 0, "columns come in pairs");
    __m512 acc[MR][NR / 2];
    for (int i = 0; i < MR; ++i) {
        for (int j = 0; j < NR / 2; ++j) acc[i][j] = _mm512_setzero_ps();
    }
    int64_t t = 0;
    for (; t + 8 <= k; t += 8) {
        __m512 left[MR];
        for (int i = 0; i < MR; ++i) left[i] = twice(a + i * lda + t);
        for (int j = 0; j < NR / 2; ++j) {
            const __m512 right = joined(b + 2 * j * ldb + t, b + (2 * j + 1) * ldb + t);
            for (int i = 0; i < MR; ++i) acc[i][j] = _mm512_add_ps(acc[i][j], _mm512_mul_ps(left[i], right));
        }
    }
    __m256 single[MR][NR];
    for (int i = 0; i < MR; ++i) {
        for (int j = 0; j < NR / 2; ++j) {
            single[i][2 * j] = lower_half(acc[i][j]);
            single[i][2 * j + 1] = upper_half(acc[i][j]);
        }
    }
    if (t < k) dot_tail<MR, NR>(a + t, lda, b + t, ldb, k - t, single);
    for (int i = 0; i < MR; ++i) {
        for (int j = 0; j < NR; ++j) out[i * ldo + j] = reduce(single[i][j]);
    }
}

template <int MR, int NR>
void dot_tile(const float* a, int64_t lda, const float* b, int64_t ldb, int64_t k, float* out, int64_t ldo) {
    if constexpr (NR % 2 == 0) {
        dot_tile_512<MR, NR>(a, lda, b, ldb, k, out, ldo);
    } else {
        dot_tile_256<MR, NR>(a, lda, b, ldb, k, out, ldo);
    }
}

// The 32 values of one block in element order.
struct BlockHalves {
    __m512 first;
    __m512 second;
};

template <QType type>
inline BlockHalves block_halves(const uint8_t* w);

// A block of Q4_1 has 16 different values: they are computed once and looked up by code (the look-up reads the low
// four bits of an index, so the low nibbles need no mask).
template <>
inline BlockHalves block_halves<QType::q4_1>(const uint8_t* w) {
    int32_t halves;
    std::memcpy(&halves, w, sizeof halves);
    const __m128 scales = _mm_cvtph_ps(_mm_cvtsi32_si128(halves));
    const __m512 codes = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512 values =
        _mm512_fmadd_ps(codes, _mm512_broadcastss_ps(scales), _mm512_broadcastss_ps(_mm_movehdup_ps(scales)));
    const __m512i packed = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(w + 4)));
    return {_mm512_permutexvar_ps(packed, values), _mm512_permutexvar_ps(_mm512_srli_epi32(packed, 4), values)};
}

template <>
inline BlockHalves block_halves<QType::q8_0>(const uint8_t* w) {
    const __m512 d = _mm512_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(math::load_half(w))));
    const __m512i first = _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(w + 2)));
    const __m512i second = _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(w + 18)));
    return {_mm512_mul_ps(_mm512_cvtepi32_ps(first), d), _mm512_mul_ps(_mm512_cvtepi32_ps(second), d)};
}

// Adds products 0-7, then 8-15, of two rows to their lanes.
inline __m512 add_products(__m512 acc, __m512 row, __m512 next) {
    acc = _mm512_add_ps(acc, _mm512_shuffle_f32x4(row, next, 0x44));
    return _mm512_add_ps(acc, _mm512_shuffle_f32x4(row, next, 0xee));
}

template <QType type>
void dot_four_rows(const uint8_t* w, int64_t stride, const float* x, int64_t k, float* out) {
    constexpr int64_t kBytes = type == QType::q4_1 ? kQ4_1Bytes : kQ8_0Bytes;
    __m512 acc[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    for (int64_t block = 0; block < k / kQuantBlock; ++block) {
        const __m512 first = _mm512_loadu_ps(x + block * kQuantBlock);
        const __m512 second = _mm512_loadu_ps(x + block * kQuantBlock + 16);
        for (int j = 0; j < 2; ++j) {
            const uint8_t* bytes = w + 2 * j * stride + block * kBytes;
            // The rows after next: rows of some 600 bytes are too short for the hardware prefetcher.
            _mm_prefetch(reinterpret_cast<const char*>(bytes + 8 * stride), _MM_HINT_T0);
            _mm_prefetch(reinterpret_cast<const char*>(bytes + 9 * stride), _MM_HINT_T0);
            const BlockHalves row = block_halves<type>(bytes);
            const BlockHalves next = block_halves<type>(bytes + stride);
            acc[j] = add_products(acc[j], _mm512_mul_ps(row.first, first), _mm512_mul_ps(next.first, first));
            acc[j] = add_products(acc[j], _mm512_mul_ps(row.second, second), _mm512_mul_ps(next.second, second));
        }
    }
    for (int j = 0; j < 2; ++j) {
        out[2 * j] = reduce(lower_half(acc[j]));
        out[2 * j + 1] = reduce(upper_half(acc[j]));
    }
}

template <QType type, int NR>
void dot_quantized(const uint8_t* w, int64_t stride, const float* x, int64_t k, float* out) {
    if constexpr (NR == 4) {
        dot_four_rows<type>(w, stride, x, k, out);
    } else {
        dot_quantized_256<type, NR>(w, stride, x, k, out);
    }
}

#include "kernels/body.inl"

}  // namespace

const Table* avx512_table() {
    static const bool runs = avx2_table() != nullptr && __builtin_cpu_supports("avx512f") != 0 &&
                             __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
                             __builtin_cpu_supports("avx512vl") != 0;
    return runs ? &kTable : nullptr;
}

}  // namespace aestus::kernels

#else

namespace aestus::kernels {

const Table* avx512_table() { return nullptr; }

}  // namespace aestus::kernels

#endif

// The implementation for AVX-512: still one 256-bit register per output, but 32 of them (no spills in a tile of 3 x 4)
// and a look-up over two registers. Two outputs per 512-bit register were measured, too: slower on Zen 4, which
// executes such operations in two halves (GEMV 21.9 against 25.2 GFLOP/s, GEMM 62 against 84).
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

template <int MR, int NR>
void dot_tile(const float* a, int64_t lda, const float* b, int64_t ldb, int64_t k, float* out, int64_t ldo) {
    dot_tile_256<MR, NR>(a, lda, b, ldb, k, out, ldo);
}

// A block of Q4_1 has 16 different values: they are computed once and looked up by code. The look-up reads the low
// four bits of an index, so the low nibbles need no mask.
inline BlockValues looked_up(const uint8_t* w) {
    int32_t halves;
    std::memcpy(&halves, w, sizeof halves);
    const __m128 scales = _mm_cvtph_ps(_mm_cvtsi32_si128(halves));
    const __m256 d = _mm256_broadcastss_ps(scales);
    const __m256 m = _mm256_broadcastss_ps(_mm_movehdup_ps(scales));
    const __m256 low = _mm256_fmadd_ps(_mm256_setr_ps(0, 1, 2, 3, 4, 5, 6, 7), d, m);
    const __m256 high = _mm256_fmadd_ps(_mm256_setr_ps(8, 9, 10, 11, 12, 13, 14, 15), d, m);
    const __m256i first = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(w + 4)));
    const __m256i second = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(w + 12)));
    return {{_mm256_permutex2var_ps(low, first, high), _mm256_permutex2var_ps(low, second, high),
             _mm256_permutex2var_ps(low, _mm256_srli_epi32(first, 4), high),
             _mm256_permutex2var_ps(low, _mm256_srli_epi32(second, 4), high)}};
}

// Four rows of Q4_1 at once.
void dot_looked_up(const uint8_t* w, int64_t stride, const float* x, int64_t k, float* out) {
    __m256 acc[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
    for (int64_t block = 0; block < k / kQuantBlock; ++block) {
        const float* in = x + block * kQuantBlock;
        for (int j = 0; j < 4; ++j) {
            const uint8_t* bytes = w + j * stride + block * kQ4_1Bytes;
            _mm_prefetch(reinterpret_cast<const char*>(bytes + 8 * stride), _MM_HINT_T0);
            const BlockValues values = looked_up(bytes);
            for (int i = 0; i < 4; ++i) {
                acc[j] = _mm256_add_ps(acc[j], _mm256_mul_ps(values.part[i], _mm256_loadu_ps(in + 8 * i)));
            }
        }
    }
    for (int j = 0; j < 4; ++j) out[j] = reduce(acc[j]);
}

template <QType type, int NR>
void dot_quantized(const uint8_t* w, int64_t stride, const float* x, int64_t k, float* out) {
    if constexpr (type == QType::q4_1 && NR == 4) {
        dot_looked_up(w, stride, x, k, out);
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

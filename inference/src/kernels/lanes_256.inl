// Lane primitives in 256-bit registers: one register holds the eight lanes of one output. For avx2.cpp and avx512.cpp.
//
// Bitwise equal to scalar.cpp: products and sums are rounded separately (no fused multiply-add in a dot product). In
// dequantisation d*q is exact in f32 (11 + 8 bits), so there fma(d, q, m) rounds exactly like fl(fl(d*q) + m).

// ((a0+a4)+(a2+a6)) + ((a1+a5)+(a3+a7))
inline float reduce(__m256 acc) {
    const __m128 half = _mm_add_ps(_mm256_castps256_ps128(acc), _mm256_extractf128_ps(acc, 1));
    const __m128 pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
}

// All ones in the first `count` lanes.
inline __m256i tail_mask(int64_t count) {
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lanes);
}

// Masked lanes add 0*0 = +0, which changes no accumulator: one that starts at +0 never becomes -0.
template <int MR, int NR>
inline void dot_tail(const float* a, int64_t lda, const float* b, int64_t ldb, int64_t count, __m256 (&acc)[MR][NR]) {
    const __m256i mask = tail_mask(count);
    for (int i = 0; i < MR; ++i) {
        const __m256 left = _mm256_maskload_ps(a + i * lda, mask);
        for (int j = 0; j < NR; ++j) {
            acc[i][j] = _mm256_add_ps(acc[i][j], _mm256_mul_ps(left, _mm256_maskload_ps(b + j * ldb, mask)));
        }
    }
}

// One register per output.
template <int MR, int NR>
void dot_tile_256(const float* a, int64_t lda, const float* b, int64_t ldb, int64_t k, float* out, int64_t ldo) {
    __m256 acc[MR][NR];
    for (int i = 0; i < MR; ++i) {
        for (int j = 0; j < NR; ++j) acc[i][j] = _mm256_setzero_ps();
    }
    int64_t t = 0;
    for (; t + 8 <= k; t += 8) {
        __m256 left[MR];
        for (int i = 0; i < MR; ++i) left[i] = _mm256_loadu_ps(a + i * lda + t);
        for (int j = 0; j < NR; ++j) {
            __m256 right = _mm256_loadu_ps(b + j * ldb + t);
            asm("" : "+x"(right));  // keep: GCC would load it again for each product, and loads are the bottleneck
            for (int i = 0; i < MR; ++i) acc[i][j] = _mm256_add_ps(acc[i][j], _mm256_mul_ps(left[i], right));
        }
    }
    if (t < k) dot_tail<MR, NR>(a + t, lda, b + t, ldb, k - t, acc);
    for (int i = 0; i < MR; ++i) {
        for (int j = 0; j < NR; ++j) out[i * ldo + j] = reduce(acc[i][j]);
    }
}

// The 32 values of one block, eight per vector, in element order.
struct BlockValues {
    __m256 part[4];
};

template <QType type>
inline BlockValues block_values(const uint8_t* w);

template <>
inline BlockValues block_values<QType::q4_1>(const uint8_t* w) {
    int32_t halves;
    std::memcpy(&halves, w, sizeof halves);
    const __m128 scales = _mm_cvtph_ps(_mm_cvtsi32_si128(halves));
    const __m256 d = _mm256_broadcastss_ps(scales);
    const __m256 m = _mm256_broadcastss_ps(_mm_movehdup_ps(scales));
    const __m256i low = _mm256_set1_epi32(15);
    const __m256i first = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(w + 4)));
    const __m256i second = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(w + 12)));
    const __m256i codes[4] = {_mm256_and_si256(first, low), _mm256_and_si256(second, low),
                              _mm256_srli_epi32(first, 4), _mm256_srli_epi32(second, 4)};
    BlockValues values;
    for (int i = 0; i < 4; ++i) values.part[i] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(codes[i]), d, m);
    return values;
}

template <>
inline BlockValues block_values<QType::q8_0>(const uint8_t* w) {
    const __m256 d = _mm256_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(math::load_half(w))));
    BlockValues values;
    for (int i = 0; i < 4; ++i) {
        const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(w + 2 + 8 * i));
        values.part[i] = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)), d);
    }
    return values;
}

template <QType type>
inline void dequantize_blocks(const uint8_t* w, float* y, int64_t k) {
    constexpr int64_t kBytes = type == QType::q4_1 ? kQ4_1Bytes : kQ8_0Bytes;
    for (int64_t block = 0; block < k / kQuantBlock; ++block) {
        const BlockValues values = block_values<type>(w + block * kBytes);
        for (int i = 0; i < 4; ++i) _mm256_storeu_ps(y + block * kQuantBlock + 8 * i, values.part[i]);
    }
}

void dequantize_q4_1(const uint8_t* w, float* y, int64_t k) { dequantize_blocks<QType::q4_1>(w, y, k); }
void dequantize_q8_0(const uint8_t* w, float* y, int64_t k) { dequantize_blocks<QType::q8_0>(w, y, k); }

// One register per row.
template <QType type, int NR>
void dot_quantized_256(const uint8_t* w, int64_t stride, const float* x, int64_t k, float* out) {
    constexpr int64_t kBytes = type == QType::q4_1 ? kQ4_1Bytes : kQ8_0Bytes;
    __m256 acc[NR];
    for (int j = 0; j < NR; ++j) acc[j] = _mm256_setzero_ps();
    for (int64_t block = 0; block < k / kQuantBlock; ++block) {
        const float* in = x + block * kQuantBlock;
        for (int j = 0; j < NR; ++j) {
            const uint8_t* bytes = w + j * stride + block * kBytes;
            _mm_prefetch(reinterpret_cast<const char*>(bytes + 2 * NR * stride), _MM_HINT_T0);
            const BlockValues values = block_values<type>(bytes);
            for (int i = 0; i < 4; ++i) {
                acc[j] = _mm256_add_ps(acc[j], _mm256_mul_ps(values.part[i], _mm256_loadu_ps(in + 8 * i)));
            }
        }
    }
    for (int j = 0; j < NR; ++j) out[j] = reduce(acc[j]);
}

// Columns i … i + 8*V of y, kept in V registers while t runs.
template <int V>
inline void weighted_columns(const float* p, const float* v, int64_t stride, int64_t n, float* y) {
    __m256 acc[V];
    for (int i = 0; i < V; ++i) acc[i] = _mm256_setzero_ps();
    for (int64_t t = 0; t < n; ++t) {
        const __m256 weight = _mm256_broadcast_ss(p + t);
        for (int i = 0; i < V; ++i) {
            acc[i] = _mm256_add_ps(acc[i], _mm256_mul_ps(weight, _mm256_loadu_ps(v + t * stride + 8 * i)));
        }
    }
    for (int i = 0; i < V; ++i) _mm256_storeu_ps(y + 8 * i, acc[i]);
}

void weighted_sum(const float* p, const float* v, int64_t stride, int64_t n, int64_t d, float* y) {
    int64_t i = 0;
    for (; i + 64 <= d; i += 64) weighted_columns<8>(p, v + i, stride, n, y + i);
    for (; i + 8 <= d; i += 8) weighted_columns<1>(p, v + i, stride, n, y + i);
    for (; i < d; ++i) {
        float acc = 0.0f;
        for (int64_t t = 0; t < n; ++t) acc += p[t] * v[t * stride + i];
        y[i] = acc;
    }
}

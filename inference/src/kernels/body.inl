// The kernels over the lane primitives of one implementation. Included once by scalar.cpp, avx2.cpp, avx512.cpp and
// neon.cpp, inside their own anonymous namespace, after they have defined
//
//   template <int MR, int NR> void dot_tile(a, lda, b, ldb, k, out, ldo)   out[i*ldo+j] = dot(a+i*lda, b+j*ldb), 8-lane
//   template <int NR> void dot_quantized<type>(w, stride, x, k, out)       the same with quantised rows
//   void dequantize_q4_1(w, y, k), dequantize_q8_0(w, y, k)
//   void weighted_sum(p, v, stride, n, d, y)                               y[i] = sum of p[t]*v[t*stride+i], t ascending
//
// so that the compiler sees everything with the instruction set of that file. No standard library templates here:
// their code could be shared with files compiled for less.

constexpr int kTileA = 3;  // 3 x 4 accumulators, one vector each, leave 4 of 16 registers for operands
constexpr int kTileB = 4;

float dot(const float* a, const float* b, int64_t k) {
    float out;
    dot_tile<1, 1>(a, 0, b, 0, k, &out, 0);
    return out;
}

template <int MR>
void tile_row(const float* a, int64_t lda, const float* b, int64_t ldb, int64_t k, float* out, int64_t ldo,
              int64_t nr) {
    int64_t j = 0;
    for (; j + kTileB <= nr; j += kTileB) dot_tile<MR, kTileB>(a, lda, b + j * ldb, ldb, k, out + j, ldo);
    switch (nr - j) {
        case 3: dot_tile<MR, 3>(a, lda, b + j * ldb, ldb, k, out + j, ldo); break;
        case 2: dot_tile<MR, 2>(a, lda, b + j * ldb, ldb, k, out + j, ldo); break;
        case 1: dot_tile<MR, 1>(a, lda, b + j * ldb, ldb, k, out + j, ldo); break;
        default: break;
    }
}

// out[i*ldo+j] for i < mr, j < nr
void tiles(const float* a, int64_t lda, const float* b, int64_t ldb, int64_t k, float* out, int64_t ldo, int64_t mr,
           int64_t nr) {
    int64_t i = 0;
    for (; i + kTileA <= mr; i += kTileA) tile_row<kTileA>(a + i * lda, lda, b, ldb, k, out + i * ldo, ldo, nr);
    switch (mr - i) {
        case 2: tile_row<2>(a + i * lda, lda, b, ldb, k, out + i * ldo, ldo, nr); break;
        case 1: tile_row<1>(a + i * lda, lda, b, ldb, k, out + i * ldo, ldo, nr); break;
        default: break;
    }
}

void gemm(const float* a, const float* b, float* c, int64_t m, int64_t n, int64_t k, Range rows) {
    for (int64_t j = rows.begin; j < rows.end; j += kRowBlock) {
        const int64_t nr = rows.end - j < kRowBlock ? rows.end - j : kRowBlock;
        tiles(a, k, b + j * k, k, k, c + j, n, m, nr);
    }
#ifdef AESTUS_FAULT_WRONG_INDEX
    if (rows.begin == 0 && rows.end > 0 && k > 0) {
        for (int64_t i = 0; i < m; ++i) c[i * n] = dot(a + i * k, b, k - 1) + a[i * k + k - 1] * b[k];
    }
#endif
}

void dequantize(QType type, const uint8_t* w, float* y, int64_t k) {
    switch (type) {
        case QType::q4_1: dequantize_q4_1(w, y, k); break;
        case QType::q8_0: dequantize_q8_0(w, y, k); break;
        case QType::f32: std::memcpy(y, w, static_cast<size_t>(k) * sizeof(float)); break;
    }
}

#ifdef AESTUS_FAULT_BF16_ACCUMULATE
float rounded_to_bf16(float value) {
    const uint32_t bits = math::bits_of(value);
    return math::float_from_bits((bits + 0x7fffu + ((bits >> 16) & 1u)) & 0xffff0000u);
}

float dot_bf16(const float* a, const float* b, int64_t k) {
    float acc[8] = {};
    for (int64_t i = 0; i < k; ++i) acc[i % 8] = rounded_to_bf16(acc[i % 8] + a[i] * b[i]);
    return ((acc[0] + acc[4]) + (acc[2] + acc[6])) + ((acc[1] + acc[5]) + (acc[3] + acc[7]));
}
#endif

// One token: every weight is used once, so it is dequantised in registers.
template <QType type>
void quantized_gemv(const uint8_t* w, int64_t stride, const float* x, float* y, int64_t k, Range rows) {
    int64_t j = rows.begin;
    for (; j + kTileB <= rows.end; j += kTileB) dot_quantized<type, kTileB>(w + j * stride, stride, x, k, y + j);
    for (; j < rows.end; ++j) dot_quantized<type, 1>(w + j * stride, stride, x, k, y + j);
}

// Below this many tokens the weights are dequantised per token: cheaper than a trip through memory.
constexpr int64_t kFewTokens = 2;

void qmatmul(QType type, const uint8_t* w, const float* x, float* y, int64_t n, int64_t k, int64_t m, float* scratch,
             Range rows) {
    if (type == QType::f32) {
        const float* weights = reinterpret_cast<const float*>(w);
        for (int64_t j = rows.begin; j < rows.end; j += kRowBlock) {
            const int64_t nr = rows.end - j < kRowBlock ? rows.end - j : kRowBlock;
            tiles(x, k, weights + j * k, k, k, y + j, n, m, nr);
        }
        return;
    }
    const int64_t stride = k / kQuantBlock * (type == QType::q4_1 ? kQ4_1Bytes : kQ8_0Bytes);
#ifdef AESTUS_FAULT_BF16_ACCUMULATE
    if (type == QType::q4_1) {
        for (int64_t j = rows.begin; j < rows.end; ++j) {
            dequantize_q4_1(w + j * stride, scratch, k);
            for (int64_t i = 0; i < m; ++i) y[i * n + j] = dot_bf16(scratch, x + i * k, k);
        }
        return;
    }
#endif
    if (m < kFewTokens) {
        for (int64_t i = 0; i < m; ++i) {
            if (type == QType::q4_1) quantized_gemv<QType::q4_1>(w, stride, x + i * k, y + i * n, k, rows);
            if (type == QType::q8_0) quantized_gemv<QType::q8_0>(w, stride, x + i * k, y + i * n, k, rows);
        }
        return;
    }
    for (int64_t j = rows.begin; j < rows.end; j += kRowBlock) {
        const int64_t nr = rows.end - j < kRowBlock ? rows.end - j : kRowBlock;
        for (int64_t r = 0; r < nr; ++r) dequantize(type, w + (j + r) * stride, scratch + r * k, k);
        tiles(x, k, scratch, k, k, y + j, n, m, nr);
    }
}

#include "kernels/quantizer.inl"
#include "kernels/rowwise.inl"

const Table kTable = {AESTUS_IMPL_NAME, AESTUS_IMPL_ISA, dot, gemm, qmatmul, dequantize, quantize,
                      rmsnorm, softmax, rotate, attention, swiglu};

// The kernels as plain C++ functions: the whole operation, and a range of it for one thread of several.
//
// Every output element is computed by one thread in one fixed order ("8-lane order", docs/numerics.md), so neither the
// partition into ranges nor the implementation changes a bit. Arguments are not checked here: the C ABI does that.
#pragma once

#include <cstdint>
#include <string>

namespace aestus::kernels {

enum class QType : int32_t { f32 = 0, q4_1 = 3, q8_0 = 8 };

constexpr int64_t kQuantBlock = 32;   // values per block of Q4_1 and Q8_0
constexpr int64_t kQ4_1Bytes = 20;    // f16 d, f16 m, 16 bytes: value j in the low nibble of byte j, j+16 in the high
constexpr int64_t kQ8_0Bytes = 34;    // f16 d, 32 int8

// Throws Error(unsupported) for a number that is none of QType.
QType qtype_of(int32_t number);

// Bytes of one stored row; -1 when k does not fit the type.
int64_t row_bytes(QType type, int64_t k);

// Half-open range of the work units that a function names.
struct Range {
    int64_t begin;
    int64_t end;
};

// ---- implementation in force -----------------------------------------------------------------------------------
// "scalar" | "avx2" | "avx512" | "neon". The first use reads AESTUS_FORCE_IMPL; throws Error when it cannot be obeyed.
const char* implementation();
// The instruction set its code was compiled for: "x86-64", "x86-64-v3", "x86-64-v4", "armv8-a".
const char* instruction_set();
// "auto" or a name. Not while kernels run on other threads.
void set_implementation(const std::string& name);
// What AESTUS_FORCE_IMPL asks for; "auto" when it says nothing.
std::string requested_implementation();
// The implementation whose code the last kernel on this thread executed; "" before the first. For assertions.
const char* implementation_that_ran();
void forget_implementation_that_ran();

// ---- kernels; shapes as in aestus.h ----------------------------------------------------------------------------
// units: rows of b = columns of c
void gemm_f32(const float* a, const float* b, float* c, int64_t m, int64_t n, int64_t k, Range rows_of_b);
// units: rows of w = columns of y. Good for m = 1 (reads w once) and for prefill (dequantises a row block once).
void qmatmul(QType type, const void* w, const float* x, float* y, int64_t n, int64_t k, int64_t m, Range rows_of_w);
void dequantize_row(QType type, const void* w, float* y, int64_t k);
void quantize_row(QType type, const float* x, void* w, int64_t k);
// units: rows
void rmsnorm_f32(const float* x, const float* weight, float* y, int64_t d, float eps, Range rows);
void softmax_f32(const float* x, float* y, int64_t d, Range rows);

// Rotation angles, computed once per call of the model and reused by all layers: cosine and sine are
// [tokens, head_dim/2].
void rope_angles(float* cosine, float* sine, int64_t tokens, int64_t head_dim, int64_t first_position, float base);
// units: tokens. x == y is allowed.
void rope_rotate(const float* x, float* y, const float* cosine, const float* sine, int64_t heads, int64_t head_dim,
                 Range tokens);

// units: pairs (token, kv head), u = token * kv_heads + kv_head. `scratch` holds attention_scratch() floats, one per
// thread.
int64_t attention_scratch(int64_t tokens, int64_t past, int64_t heads, int64_t kv_heads);
void attention_f32(const float* q, const float* k, const float* v, float* y, int64_t tokens, int64_t past,
                   int64_t heads, int64_t kv_heads, int64_t head_dim, float* scratch, Range units);
// units: elements
void swiglu_f32(const float* gate, const float* up, float* y, Range elements);
// units: tokens; ids must lie in the table
void embedding(QType type, const void* table, const int32_t* ids, float* y, int64_t d, Range tokens);

// Sum of a[i]*b[i] in the 8-lane order.
float dot_f32(const float* a, const float* b, int64_t k);

}  // namespace aestus::kernels

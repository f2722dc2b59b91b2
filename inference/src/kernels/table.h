// One implementation of all kernels: what scalar.cpp, avx2.cpp, avx512.cpp and neon.cpp each provide.
#pragma once

#include "kernels/kernels.h"

namespace aestus::kernels {

// Rows of w that qmatmul dequantises at once; its scratch holds kRowBlock * k floats.
// 8 rows of 576 floats are 18 KiB: they stay in a 32 KiB L1 while all tokens pass by.
constexpr int64_t kRowBlock = 8;

struct Table {
    const char* name;
    const char* instruction_set;
    float (*dot)(const float* a, const float* b, int64_t k);
    void (*gemm)(const float* a, const float* b, float* c, int64_t m, int64_t n, int64_t k, Range rows);
    void (*qmatmul)(QType type, const uint8_t* w, const float* x, float* y, int64_t n, int64_t k, int64_t m,
                    float* scratch, Range rows);
    void (*dequantize)(QType type, const uint8_t* w, float* y, int64_t k);
    void (*quantize)(QType type, const float* x, uint8_t* w, int64_t k);
    void (*rmsnorm)(const float* x, const float* weight, float* y, int64_t d, float eps, Range rows);
    void (*softmax)(const float* x, float* y, int64_t d, Range rows);
    void (*rotate)(const float* x, float* y, const float* cosine, const float* sine, int64_t heads, int64_t head_dim,
                   Range tokens);
    void (*attention)(const float* q, const float* k, const float* v, float* y, int64_t tokens, int64_t past,
                      int64_t heads, int64_t kv_heads, int64_t head_dim, float* scratch, Range units);
    void (*swiglu)(const float* gate, const float* up, float* y, Range elements);
};

// Each returns nullptr where the build or the machine lacks it.
const Table* scalar_table();
const Table* avx2_table();
const Table* avx512_table();
const Table* neon_table();

}  // namespace aestus::kernels

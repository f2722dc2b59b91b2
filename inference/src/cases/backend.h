// The functions under test as one table: the C ABI of aestus.h on this processor, or its twins of aestus_cuda.h on a
// GPU.
#pragma once

#include <string>

#include "aestus/aestus.h"

namespace aestus::cases {

struct Backend {
    const char* (*name)();      // the implementation in force: scalar, avx2, …, cuda
    const char* (*isa)();       // "x86-64-v3", "sm_90"
    const char* (*that_ran)();  // whose code ran since forget(); "" when none did
    void (*forget)();
    bool survives_errors;       // false: after an internal error only a new process gets right answers

    decltype(&aestus_gemm_f32) gemm_f32;
    decltype(&aestus_qmatmul) qmatmul;
    decltype(&aestus_dequantize_row) dequantize_row;
    decltype(&aestus_rmsnorm_f32) rmsnorm_f32;
    decltype(&aestus_softmax_f32) softmax_f32;
    decltype(&aestus_rope_f32) rope_f32;
    decltype(&aestus_attention_f32) attention_f32;
    decltype(&aestus_swiglu_f32) swiglu_f32;
    decltype(&aestus_embedding) embedding;
};

// The table in force; the processor's until use_backend() says otherwise.
const Backend& backend();

// "cuda" opens the first device with the kernels of AESTUS_CUDA_FATBIN; any other name goes to aestus_set_impl; "" is
// what AESTUS_FORCE_IMPL says. Throws Error when that cannot run here; nothing falls back to another implementation.
void use_backend(const std::string& impl);

}  // namespace aestus::cases

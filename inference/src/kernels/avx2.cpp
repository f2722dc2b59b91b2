// The implementation in AVX2: lane primitives of lanes_256.inl, entered only where the processor has it.
#include "kernels/table.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

#include "math/elementary.h"
#include "math/half.h"

#define AESTUS_IMPL_NAME "avx2"
#define AESTUS_IMPL_ISA "x86-64-v3"

namespace aestus::kernels {
namespace {

#include "kernels/lanes_256.inl"

template <int MR, int NR>
void dot_tile(const float* a, int64_t lda, const float* b, int64_t ldb, int64_t k, float* out, int64_t ldo) {
    dot_tile_256<MR, NR>(a, lda, b, ldb, k, out, ldo);
}

template <QType type, int NR>
void dot_quantized(const uint8_t* w, int64_t stride, const float* x, int64_t k, float* out) {
    dot_quantized_256<type, NR>(w, stride, x, k, out);
}

#include "kernels/body.inl"

}  // namespace

const Table* avx2_table() {
    // The compiler's check asks the operating system, too, whether it saves the wide registers.
    static const bool runs = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 &&
                             __builtin_cpu_supports("f16c") != 0;
    return runs ? &kTable : nullptr;
}

}  // namespace aestus::kernels

#else

namespace aestus::kernels {

const Table* avx2_table() { return nullptr; }

}  // namespace aestus::kernels

#endif

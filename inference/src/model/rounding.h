// llama.cpp's roundings, so that the two libraries can be compared like with like.
//
// Aestus multiplies quantised weights with f32 activations. llama.cpp first rounds the activations of every quantised
// product to 8 bits in blocks of 32 and keeps keys and values in half precision; on the bundled model that moves the
// perplexity by 0.9 %, more than any implementation error. Off by default.
#pragma once

#include <cstdint>

namespace aestus {

enum class Rounding { None, LikeLlama };

/// y = d * rint(x / d) per block of 32, d = f16(max|x| / 127): what ggml's Q8_1 and Q8_0 activations mean.
/// `count` is a multiple of 32; ties round away from zero, as roundf does.
void round_activations(const float* x, float* y, int64_t count);

/// To half precision and back, in place.
void round_to_half(float* x, int64_t count);

}  // namespace aestus

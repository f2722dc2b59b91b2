#include "model/rounding.h"

#include "math/half.h"

namespace aestus {
namespace {

constexpr int64_t kBlock = 32;
#ifdef AESTUS_FAULT_COARSE_ACTIVATIONS
constexpr float kSteps = 7.0f;  // planted: 4 bits
#else
constexpr float kSteps = 127.0f;
#endif

float rounded_away(float value) {
  const float magnitude = value < 0 ? -value : value;
  const auto whole = static_cast<float>(static_cast<int32_t>(magnitude + 0.5f));
  return value < 0 ? -whole : whole;
}

}  // namespace

void round_activations(const float* x, float* y, int64_t count) {
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    float largest = 0.0f;
    for (int64_t i = begin; i < begin + kBlock; ++i) {
      const float magnitude = x[i] < 0 ? -x[i] : x[i];
      largest = magnitude > largest ? magnitude : largest;
    }
    // The quotient is taken with the f32 scale, the product with the stored f16 one, as ggml does.
    const float scale = largest / kSteps;
    const float inverse = scale > 0.0f ? 1.0f / scale : 0.0f;
    const float stored = math::half_to_float(math::float_to_half(scale));
    for (int64_t i = begin; i < begin + kBlock; ++i) y[i] = stored * rounded_away(x[i] * inverse);
  }
}

void round_to_half(float* x, int64_t count) {
  for (int64_t i = 0; i < count; ++i) x[i] = math::half_to_float(math::float_to_half(x[i]));
}

}  // namespace aestus

// llama.cpp's roundings: what a block of 32 becomes, worked out by hand.
#include <gtest/gtest.h>

#include <vector>

#include "model/rounding.h"

namespace aestus {
namespace {

TEST(Rounding, KeepsMultiplesOfTheScale) {
  // max|x| = 127 * 0.5 makes the scale 0.5, which half precision holds exactly.
  std::vector<float> x(32, 0.0f);
  for (int i = 0; i < 31; ++i) x[static_cast<size_t>(i)] = 0.5f * static_cast<float>(i - 15);
  x[31] = -63.5f;
  std::vector<float> y(32);
  round_activations(x.data(), y.data(), 32);
  EXPECT_EQ(x, y);
}

TEST(Rounding, RoundsTiesAwayFromZero) {
  std::vector<float> x(32, 0.0f);
  x[0] = 127.0f;  // scale 1
  x[1] = 0.5f;
  x[2] = -0.5f;
  x[3] = 1.49f;
  x[4] = -2.51f;
  std::vector<float> y(32);
  round_activations(x.data(), y.data(), 32);
  EXPECT_EQ(std::vector<float>(y.begin(), y.begin() + 5),
            (std::vector<float>{127.0f, 1.0f, -1.0f, 1.0f, -3.0f}));
}

TEST(Rounding, ScalesEveryBlockByItself) {
  std::vector<float> x(64, 0.0f);
  x[0] = 127.0f;
  x[1] = 0.25f;   // below half a step of the first block
  x[32] = 1.0f;   // scale 1/127, rounded to half precision
  x[33] = 0.25f;  // 31.75 steps: 32
  std::vector<float> y(64);
  round_activations(x.data(), y.data(), 64);
  EXPECT_EQ(y[1], 0.0f);
  EXPECT_NEAR(y[33], 32.0 / 127.0, 1e-4);
  EXPECT_NE(y[33], 0.25f);
}

TEST(Rounding, LeavesZerosZero) {
  const std::vector<float> x(32, 0.0f);
  std::vector<float> y(32, 1.0f);
  round_activations(x.data(), y.data(), 32);
  EXPECT_EQ(x, y);
}

TEST(Rounding, HalvesKeepElevenBits) {
  std::vector<float> x{1.0f, 1.0f + 0x1p-12f, 1.0f + 0x1p-10f, -65504.0f};
  round_to_half(x.data(), 4);
  EXPECT_EQ(x, (std::vector<float>{1.0f, 1.0f, 1.0f + 0x1p-10f, -65504.0f}));
}

}  // namespace
}  // namespace aestus

// Our exp, log, pow, sine and cosine against the C library, and against fixed bits that no platform may change.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "math/elementary.h"
#include "math/half.h"

namespace math = aestus::math;

TEST(Elementary, ExpIsAccurateToTheStatedError) {
    for (double x = -700.0; x < 700.0; x += 0.37) EXPECT_NEAR(math::exp64(x) / std::exp(x), 1.0, 1e-11) << x;
    for (double x = -600.0; x < 600.0; x += 0.37) EXPECT_NEAR(math::exp64_accurate(x) / std::exp(x), 1.0, 1e-15) << x;
}

TEST(Elementary, ExpSaturatesAndKeepsNaN) {
    for (const double far : {-709.0, -1e38, -std::numeric_limits<double>::infinity()}) {
        EXPECT_EQ(static_cast<float>(math::exp64(far)), 0.0f);
        EXPECT_GE(math::exp64(far), 0.0);
    }
    for (const double far : {710.0, 1e38, std::numeric_limits<double>::infinity()}) {
        EXPECT_EQ(static_cast<float>(math::exp64(far)), std::numeric_limits<float>::infinity());
    }
    EXPECT_EQ(math::exp64(std::numeric_limits<double>::infinity()), std::numeric_limits<double>::infinity());
    EXPECT_EQ(math::exp64(0.0), 1.0);
    EXPECT_TRUE(std::isnan(math::exp64(std::numeric_limits<double>::quiet_NaN())));
}

TEST(Elementary, PowServesRotaryFrequencies) {
    for (int i = 0; i < 64; ++i) {
        const double exponent = -2.0 * i / 128.0;
        EXPECT_NEAR(math::pow64(1e5, exponent) / std::pow(1e5, exponent), 1.0, 1e-14);
    }
    EXPECT_NEAR(math::log64(1e-3), std::log(1e-3), 1e-14);
}

TEST(Elementary, SineAndCosineHoldUpToLongContexts) {
    for (double x = 0.0; x < 140000.0; x += 13.7) {
        EXPECT_NEAR(math::sincos64(x).sine, std::sin(x), 2e-15 * (1.0 + x / 1000.0)) << x;
        EXPECT_NEAR(math::sincos64(x).cosine, std::cos(x), 2e-15 * (1.0 + x / 1000.0)) << x;
    }
}

TEST(Elementary, HasTheSameBitsEverywhere) {
    uint64_t hash = 0;
    for (int i = -5000; i < 5000; ++i) {
        const double x = i * 0.0173;
        const auto angle = math::sincos64(i * 1.37);
        for (const double value : {math::exp64(x), math::exp64_accurate(x), math::log64(1.0 + i * i), angle.sine,
                                   angle.cosine}) {
            hash = hash * 0x100000001b3u ^ math::bits_of(value);
        }
    }
    EXPECT_EQ(hash, uint64_t{0x761f78948ed93dbb});
}

TEST(Half, ConvertsEveryHalfThereAndBack) {
    for (uint32_t half = 0; half < 0x10000u; ++half) {
        const float value = math::half_to_float(static_cast<uint16_t>(half));
        if (std::isnan(value)) {
            EXPECT_TRUE(std::isnan(math::half_to_float(math::float_to_half(value))));
        } else {
            EXPECT_EQ(math::float_to_half(value), half);
        }
    }
}

TEST(Half, RoundsToNearestEven) {
    EXPECT_EQ(math::float_to_half(1.0f + 0x1p-11f), 0x3c00);          // tie to even, down
    EXPECT_EQ(math::float_to_half(1.0f + 3 * 0x1p-11f), 0x3c02);      // tie to even, up
    EXPECT_EQ(math::float_to_half(1.0f + 0x1p-11f + 0x1p-20f), 0x3c01);
    EXPECT_EQ(math::float_to_half(65519.0f), 0x7bff);
    EXPECT_EQ(math::float_to_half(65520.0f), 0x7c00);
    EXPECT_EQ(math::float_to_half(0x1p-25f), 0x0000);                 // tie to even at the smallest subnormal
    EXPECT_EQ(math::float_to_half(0x1.8p-25f), 0x0001);
    EXPECT_EQ(math::float_to_half(-0.0f), 0x8000);
}

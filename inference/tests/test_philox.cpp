// Philox against the known answers of Random123, and the regimes against docs/philox.md.
#include <gtest/gtest.h>

#include <cmath>

#include "base/status.h"
#include "cases/philox.h"
#include "cases/regimes.h"
#include "cases/verdict.h"

using namespace aestus::cases;
using aestus::kernels::QType;

TEST(Philox, GivesTheKnownAnswersOfRandom123) {
    EXPECT_EQ(philox4x32_10({0, 0, 0, 0}, 0, 0), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
    EXPECT_EQ(philox4x32_10({~0u, ~0u, ~0u, ~0u}, ~0u, ~0u), (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
    EXPECT_EQ(philox4x32_10({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0xa4093822, 0x299f31d0),
              (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, UsesAllBitsOfSeedAndIndex) {
    EXPECT_EQ(element_words((uint64_t{2} << 32) | 1, (uint64_t{4} << 32) | 3, 5), philox4x32_10({3, 4, 5, 0}, 1, 2));
}

TEST(Regimes, StayInTheirRange) {
    for (uint64_t i = 0; i < 2000; ++i) {
        const float exact = element(Regime::exact, 7, i, 0);
        EXPECT_TRUE(exact == std::trunc(exact) && std::fabs(exact) <= 2.0f);
        EXPECT_TRUE(std::fabs(element(Regime::uniform, 7, i, 0)) <= 1.0f);
        EXPECT_TRUE(element(Regime::positive, 7, i, 0) >= 0.0f && element(Regime::positive, 7, i, 0) < 1.0f);
        const float wide = std::fabs(element(Regime::wide, 7, i, 0));
        EXPECT_TRUE(wide >= 0x1p-12f && wide < 0x1p13f);
        EXPECT_TRUE(std::isfinite(element(Regime::edge, 7, i, 0)));
        EXPECT_EQ(std::isfinite(element(Regime::nonfinite, 7, i, 0)), i % 97 != 7);
    }
}

TEST(Regimes, KeepTheirBitsForever) {
    // Also in docs/philox.md, and asserted by the Python oracle.
    struct Row {
        Regime regime;
        const char* digest;
    };
    constexpr Row kRows[] = {
        {Regime::exact, "8d0fdf22d373b728"},
        {Regime::uniform, "ad081f2594f8ff95"},
        {Regime::positive, "03f8e771a812e6e5"},
        {Regime::normal, "959ca83a5eed6ad6"},
        {Regime::wide, "89d9d21150755965"},
        {Regime::edge, "ee87756bf9738ffc"},
        {Regime::nonfinite, "1d19fbde183e8b30"},
    };
    for (const Row& row : kRows) {
        const auto values = tensor_of(row.regime, 42, 1, 1000);
        EXPECT_EQ(digest_of(values.data(), 1000), row.digest) << static_cast<int>(row.regime);
    }
}

TEST(Regimes, StoreSmallIntegersExactlyInQuantisedBlocks) {
    const auto values = tensor_of(Regime::exact, 3, 0, 128);
    for (const QType type : {QType::q4_1, QType::q8_0}) {
        const auto bytes = weights_of(type, Regime::exact, 3, 0, 2, 64);
        std::vector<float> back(128);
        aestus::kernels::dequantize_row(type, bytes.data(), back.data(), 128);
        EXPECT_EQ(back, values);
    }
}

TEST(Regimes, RefuseAnUnknownName) { EXPECT_THROW(regime_named("gaussian"), aestus::Error); }

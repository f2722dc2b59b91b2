// Properties of the kernels that need no reference: ranges, implementations, orders, metamorphic relations.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/status.h"
#include "cases/regimes.h"
#include "cases/verdict.h"
#include "kernels/kernels.h"

using namespace aestus::kernels;
using aestus::cases::Regime;
using aestus::cases::tensor_of;

namespace {

std::vector<std::string> implementations() {
    std::vector<std::string> names;
    for (const char* name : {"scalar", "avx2", "avx512", "neon"}) {
        try {
            set_implementation(name);
            names.emplace_back(name);
        } catch (const aestus::Error&) {
        }
    }
    set_implementation("auto");
    return names;
}

// Sum in the documented order, written once more without blocks or tiles.
float dot_by_definition(const float* a, const float* b, int64_t k) {
    float acc[8] = {};
    for (int64_t i = 0; i < k; ++i) {
        volatile float product = a[i] * b[i];
        acc[i % 8] = acc[i % 8] + product;
    }
    return ((acc[0] + acc[4]) + (acc[2] + acc[6])) + ((acc[1] + acc[5]) + (acc[3] + acc[7]));
}

class Kernels : public testing::Test {
   protected:
    void TearDown() override { set_implementation("auto"); }
};

}  // namespace

TEST_F(Kernels, DotFollowsTheEightLaneOrderForEveryTail) {
    const auto a = tensor_of(Regime::normal, 1, 0, 700);
    const auto b = tensor_of(Regime::normal, 1, 1, 700);
    for (const std::string& name : implementations()) {
        set_implementation(name);
        for (int64_t k = 0; k <= 70; ++k) EXPECT_EQ(dot_f32(&a[1], &b[2], k), dot_by_definition(&a[1], &b[2], k)) << k;
        EXPECT_EQ(dot_f32(a.data(), b.data(), 699), dot_by_definition(a.data(), b.data(), 699));
        EXPECT_EQ(implementation_that_ran(), name);
    }
}

TEST_F(Kernels, GemmGivesTheSameBitsForEveryTileAndRange) {
    const auto a = tensor_of(Regime::normal, 2, 0, 8 * 45);
    const auto b = tensor_of(Regime::normal, 2, 1, 37 * 45);
    for (const std::string& name : implementations()) {
        set_implementation(name);
        for (int64_t m = 1; m <= 8; ++m) {
            std::vector<float> c(static_cast<size_t>(m * 37));
            for (const Range part : {Range{0, 5}, Range{5, 6}, Range{6, 30}, Range{30, 37}}) {
                gemm_f32(a.data(), b.data(), c.data(), m, 37, 45, part);
            }
            for (int64_t i = 0; i < m * 37; ++i) {
                ASSERT_EQ(c[static_cast<size_t>(i)], dot_by_definition(&a[static_cast<size_t>(i / 37 * 45)],
                                                                       &b[static_cast<size_t>(i % 37 * 45)], 45));
            }
        }
    }
}

TEST_F(Kernels, QuantisedProductsEqualDequantiseThenDot) {
    constexpr int64_t n = 21, k = 96;
    const auto x = tensor_of(Regime::normal, 3, 1, 5 * k);
    for (const QType type : {QType::q4_1, QType::q8_0}) {
        const auto w = aestus::cases::weights_of(type, Regime::normal, 3, 0, n, k);
        std::vector<float> plain(n * k);
        set_implementation("scalar");
        dequantize_row(type, w.data(), plain.data(), n * k);
        for (const std::string& name : implementations()) {
            set_implementation(name);
            for (int64_t m : {1, 2, 3, 4, 5}) {
                std::vector<float> y(static_cast<size_t>(m * n));
                qmatmul(type, w.data(), x.data(), y.data(), n, k, m, {0, 10});
                qmatmul(type, w.data(), x.data(), y.data(), n, k, m, {10, n});
                for (int64_t i = 0; i < m * n; ++i) {
                    ASSERT_EQ(y[static_cast<size_t>(i)],
                              dot_by_definition(&x[static_cast<size_t>(i / n * k)], &plain[static_cast<size_t>(i % n * k)], k))
                        << name << " m=" << m << " element " << i;
                }
            }
        }
    }
}

TEST_F(Kernels, AllImplementationsDequantiseToTheSameBits) {
    for (const QType type : {QType::q4_1, QType::q8_0}) {
        // Every byte value as a code, scales from subnormal to large.
        std::vector<uint8_t> w(static_cast<size_t>(64 * row_bytes(type, 32)));
        for (size_t i = 0; i < w.size(); ++i) w[i] = static_cast<uint8_t>(i * 37 + i / 256);
        for (int64_t b = 0; b < 64; ++b) {
            uint8_t* block = &w[static_cast<size_t>(b * row_bytes(type, 32))];
            block[1] &= 0x7b;  // finite scale
            if (type == QType::q4_1) block[3] &= 0xfb;
        }
        std::vector<float> expected(64 * 32);
        set_implementation("scalar");
        dequantize_row(type, w.data(), expected.data(), 64 * 32);
        for (const std::string& name : implementations()) {
            set_implementation(name);
            std::vector<float> y(64 * 32);
            dequantize_row(type, w.data(), y.data(), 64 * 32);
            EXPECT_EQ(y, expected) << name;
        }
    }
}

TEST_F(Kernels, RangesOfRowwiseKernelsJoinToTheWhole) {
    constexpr int64_t rows = 7, d = 33;
    const auto x = tensor_of(Regime::normal, 4, 0, rows * d);
    const auto w = tensor_of(Regime::normal, 4, 1, rows * d);
    std::vector<float> whole(rows * d), parts(rows * d);
    rmsnorm_f32(x.data(), w.data(), whole.data(), d, 1e-5f, {0, rows});
    for (int64_t r = 0; r < rows; ++r) rmsnorm_f32(x.data(), w.data(), parts.data(), d, 1e-5f, {r, r + 1});
    EXPECT_EQ(whole, parts);
    softmax_f32(x.data(), whole.data(), d, {0, rows});
    for (int64_t r = 0; r < rows; ++r) softmax_f32(x.data(), parts.data(), d, {r, r + 1});
    EXPECT_EQ(whole, parts);
    swiglu_f32(x.data(), w.data(), whole.data(), {0, rows * d});
    for (int64_t i = 0; i < rows * d; i += 11) swiglu_f32(x.data(), w.data(), parts.data(), {i, std::min(i + 11, rows * d)});
    EXPECT_EQ(whole, parts);
}

TEST_F(Kernels, AttentionOfChunksEqualsAttentionInOneGo) {
    constexpr int64_t tokens = 9, heads = 6, kv = 2, hd = 20;
    const auto q = tensor_of(Regime::normal, 5, 0, tokens * heads * hd);
    const auto k = tensor_of(Regime::normal, 5, 1, tokens * kv * hd);
    const auto v = tensor_of(Regime::normal, 5, 2, tokens * kv * hd);
    std::vector<float> scratch(static_cast<size_t>(attention_scratch(tokens, 0, heads, kv)));
    std::vector<float> whole(q.size()), chunked(q.size());
    attention_f32(q.data(), k.data(), v.data(), whole.data(), tokens, 0, heads, kv, hd, scratch.data(), {0, tokens * kv});
    for (int64_t past = 0; past < tokens; past += 3) {
        const size_t first = static_cast<size_t>(past * heads * hd);
        attention_f32(&q[first], k.data(), v.data(), &chunked[first], 3, past, heads, kv, hd, scratch.data(), {0, 3 * kv});
    }
    EXPECT_EQ(whole, chunked);
}

TEST_F(Kernels, SoftmaxSumsToOneAndKeepsTies) {
    const std::vector<float> x = {1.0f, 1.0f, 1.0f, -INFINITY};
    std::vector<float> y(4);
    softmax_f32(x.data(), y.data(), 4, {0, 1});
    EXPECT_EQ(y[0], y[1]);
    EXPECT_NEAR(y[0] + y[1] + y[2], 1.0f, 1e-6f);
    EXPECT_EQ(y[3], 0.0f);
}

TEST_F(Kernels, RopeAtPositionZeroIsTheIdentityAndMayWorkInPlace) {
    auto x = tensor_of(Regime::normal, 6, 0, 2 * 3 * 8);
    float cosine[8], sine[8];
    rope_angles(cosine, sine, 2, 8, 0, 1e5f);
    auto y = x;
    rope_rotate(x.data(), y.data(), cosine, sine, 3, 8, {0, 2});
    EXPECT_TRUE(std::equal(x.begin(), x.begin() + 24, y.begin()));
    EXPECT_FALSE(std::equal(x.begin() + 24, x.end(), y.begin() + 24));
    rope_rotate(x.data(), x.data(), cosine, sine, 3, 8, {0, 2});
    EXPECT_EQ(x, y);
}

TEST_F(Kernels, QuantisersFollowGgml) {
    std::vector<float> x(32);
    for (int i = 0; i < 32; ++i) x[static_cast<size_t>(i)] = static_cast<float>(i - 16);
    uint8_t q8[34];
    quantize_row(QType::q8_0, x.data(), q8, 32);
    EXPECT_EQ(q8[0] | q8[1] << 8, 0x3008);  // 16/127 in half precision
    EXPECT_EQ(static_cast<int8_t>(q8[2]), -127);
    EXPECT_EQ(static_cast<int8_t>(q8[2 + 31]), 119);  // 15 * 127/16 = 119.06
    uint8_t q4[20];
    quantize_row(QType::q4_1, x.data(), q4, 32);
    EXPECT_EQ(q4[2] | q4[3] << 8, 0xcc00);  // -16
    EXPECT_EQ(q4[4], 0x80);                 // element 0 is code 0, element 16 (value 0) is code trunc(16/2.0667 + .5) = 8
    EXPECT_EQ(q4[4 + 15] >> 4, 15);
    const std::vector<float> zeros(32);
    quantize_row(QType::q8_0, zeros.data(), q8, 32);
    EXPECT_TRUE(std::all_of(q8, q8 + 34, [](uint8_t byte) { return byte == 0; }));
}

TEST(Dispatch, RefusesUnknownAndForeignImplementations) {
    EXPECT_THROW(set_implementation("sse"), aestus::Error);
    EXPECT_EQ(aestus_set_impl("sse"), AESTUS_ERR_ARGUMENT);
#if defined(__aarch64__)
    EXPECT_EQ(aestus_set_impl("avx2"), AESTUS_ERR_UNSUPPORTED);
    EXPECT_EQ(aestus_set_impl("neon"), AESTUS_OK);
    EXPECT_STREQ(aestus_impl(), "neon");
#else
    EXPECT_EQ(aestus_set_impl("neon"), AESTUS_ERR_UNSUPPORTED);
#endif
    EXPECT_EQ(aestus_set_impl("scalar"), AESTUS_OK);
    EXPECT_STREQ(aestus_impl(), "scalar");
    EXPECT_EQ(aestus_set_impl("auto"), AESTUS_OK);
}

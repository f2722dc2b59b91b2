// Errors at the C boundary: every broken precondition has its status and a text, and nothing is written.
#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "aestus/aestus.h"
#include "base/status.h"

namespace {

const std::vector<float> kOnes(64, 1.0f);
std::vector<float> output(64);

}  // namespace

TEST(Status, RefusesNullAndNegativeSizes) {
    const float* x = kOnes.data();
    float* y = output.data();
    EXPECT_EQ(aestus_gemm_f32(nullptr, x, y, 1, 1, 1), AESTUS_ERR_ARGUMENT);
    EXPECT_STREQ(aestus_last_error(), "a is null");
    EXPECT_EQ(aestus_gemm_f32(x, x, y, -1, 1, 1), AESTUS_ERR_ARGUMENT);
    EXPECT_EQ(aestus_gemm_f32(x, x, y, int64_t{1} << 40, int64_t{1} << 40, 2), AESTUS_ERR_ARGUMENT);
    EXPECT_EQ(aestus_qmatmul(AESTUS_Q4_1, x, x, y, 1, 31, 1), AESTUS_ERR_ARGUMENT);
    EXPECT_EQ(aestus_rmsnorm_f32(x, x, y, 1, 4, -1.0f), AESTUS_ERR_ARGUMENT);
    EXPECT_EQ(aestus_softmax_f32(x, nullptr, 1, 4), AESTUS_ERR_ARGUMENT);
    EXPECT_EQ(aestus_rope_f32(x, y, 1, 1, 3, 0, 1e5f), AESTUS_ERR_ARGUMENT);
    EXPECT_EQ(aestus_rope_f32(x, y, 1, 1, 4, -1, 1e5f), AESTUS_ERR_ARGUMENT);
    EXPECT_EQ(aestus_rope_f32(x, y, 1, 1, 4, 0, 0.0f), AESTUS_ERR_ARGUMENT);
    EXPECT_EQ(aestus_attention_f32(x, x, x, y, 1, 0, 3, 2, 4), AESTUS_ERR_ARGUMENT);
    EXPECT_EQ(aestus_attention_f32(x, x, x, y, 1, -1, 2, 2, 4), AESTUS_ERR_ARGUMENT);
    EXPECT_EQ(aestus_swiglu_f32(x, x, y, -1), AESTUS_ERR_ARGUMENT);
    EXPECT_EQ(aestus_set_impl(nullptr), AESTUS_ERR_ARGUMENT);
}

TEST(Status, RefusesAnUnknownWeightType) {
    EXPECT_EQ(aestus_dequantize_row(2, kOnes.data(), output.data(), 32), AESTUS_ERR_UNSUPPORTED);
    EXPECT_EQ(aestus_quantize_row(99, kOnes.data(), output.data(), 32), AESTUS_ERR_UNSUPPORTED);
    EXPECT_EQ(aestus_row_bytes(2, 32), -1);
    EXPECT_EQ(aestus_row_bytes(AESTUS_Q4_1, 64), 40);
    EXPECT_EQ(aestus_row_bytes(AESTUS_Q8_0, 64), 68);
    EXPECT_EQ(aestus_row_bytes(AESTUS_F32, 3), 12);
    EXPECT_EQ(aestus_row_bytes(AESTUS_Q8_0, 63), -1);
}

TEST(Status, RefusesATokenOutsideTheVocabulary) {
    const int32_t ids[2] = {1, 4};
    EXPECT_EQ(aestus_embedding(AESTUS_F32, kOnes.data(), ids, output.data(), 2, 4, 8), AESTUS_ERR_ARGUMENT);
    EXPECT_STREQ(aestus_last_error(), "a token id is outside the vocabulary");
}

TEST(Status, KeepsTheTextPerThread) {
    aestus_swiglu_f32(nullptr, nullptr, nullptr, 1);
    std::string other = "unset";
    std::thread([&] { other = aestus_last_error(); }).join();
    EXPECT_EQ(other, "");
    EXPECT_STREQ(aestus_last_error(), "gate is null");
}

TEST(Status, TurnsEveryExceptionIntoAStatus) {
    EXPECT_EQ(aestus::guarded([] { throw std::bad_alloc(); }), AESTUS_ERR_MEMORY);
    EXPECT_EQ(aestus::guarded([] { throw std::runtime_error("odd"); }), AESTUS_ERR_INTERNAL);
    EXPECT_STREQ(aestus_last_error(), "odd");
    EXPECT_EQ(aestus::guarded([] { throw 1; }), AESTUS_ERR_INTERNAL);
    EXPECT_EQ(aestus::guarded([] {}), AESTUS_OK);
}

TEST(Status, CutsALongTextInsteadOfOverflowing) {
    aestus::report(AESTUS_ERR_IO, std::string(5000, 'x').c_str());
    EXPECT_EQ(std::strlen(aestus_last_error()), 1023u);
}

TEST(Status, AcceptsEmptyTensorsWithNullPointers) {
    EXPECT_EQ(aestus_gemm_f32(nullptr, nullptr, nullptr, 0, 0, 0), AESTUS_OK);
    EXPECT_EQ(aestus_softmax_f32(nullptr, nullptr, 0, 5), AESTUS_OK);
    EXPECT_EQ(aestus_rope_f32(nullptr, nullptr, 0, 1, 4, 0, 1e5f), AESTUS_OK);
    EXPECT_EQ(aestus_attention_f32(nullptr, nullptr, nullptr, nullptr, 0, 0, 1, 1, 4), AESTUS_OK);
}

TEST(Status, NamesItsVersion) { EXPECT_STREQ(aestus_version(), AESTUS_VERSION); }

// The judge itself: it must see the faults it was built for.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "cases/events.h"
#include "cases/guarded_output.h"
#include "cases/verdict.h"

using namespace aestus::cases;

namespace {

// Error over bound of the outputs of `line` after `damage` was done to them; infinite for a wrong class.
template <class Damage>
double damaged_ratio(const char* line, Damage damage) {
    const Problem problem = make_problem(parse_case(line));
    GuardedOutput output(problem.outputs);
    problem.run(output.data());
    damage(output.data());
    double worst = 0.0;
    for (int64_t i = 0; i < problem.outputs; ++i) {
        const Expected expected = problem.expect(i);
        const double error = std::fabs(static_cast<double>(output.data()[i]) - expected.value);
        if (std::isnan(error)) return std::numeric_limits<double>::infinity();
        worst = std::fmax(worst, error / expected.bound);
    }
    return worst;
}

constexpr const char* kGemm = "gemm.f32:m=4,n=6,k=576,data=positive,seed=1";

}  // namespace

TEST(Verdict, PassesWhatIsRightAndCountsIt) {
    const Verdict verdict = judge(parse_case(kGemm));
    EXPECT_TRUE(verdict.passed) << verdict.message;
    EXPECT_EQ(verdict.n, 24);
    EXPECT_GT(verdict.error_over_bound, 0.0);
    EXPECT_LT(verdict.error_over_bound, 1.0);
    EXPECT_EQ(verdict.digest.size(), 16u);
    EXPECT_FALSE(verdict.impl.empty());
}

TEST(Verdict, BoundSeesOneElementThatIsOffByATenthOfAPercent) {
    EXPECT_LT(damaged_ratio(kGemm, [](float*) {}), 1.0);
    EXPECT_GT(damaged_ratio(kGemm, [](float* y) { y[7] *= 1.001f; }), 1.0);
    EXPECT_GT(damaged_ratio("rmsnorm.f32:rows=3,d=33,data=uniform,seed=1", [](float* y) { y[40] *= 1.001f; }), 1.0);
    EXPECT_GT(damaged_ratio("softmax.f32:rows=3,d=33,data=uniform,seed=1", [](float* y) { y[40] *= 1.001f; }), 1.0);
    EXPECT_GT(damaged_ratio("swiglu.f32:n=33,data=uniform,seed=1", [](float* y) { y[4] *= 1.001f; }), 1.0);
    EXPECT_GT(damaged_ratio("rope.f32:tokens=2,heads=2,hd=8,pos=5,data=uniform,seed=1", [](float* y) { y[4] *= 1.01f; }), 1.0);
    EXPECT_GT(damaged_ratio("attention.f32:tokens=3,past=4,heads=2,kv=1,hd=16,data=uniform,seed=1",
                            [](float* y) { y[9] *= 1.001f; }), 1.0);
}

TEST(Verdict, BoundSeesAnElementNeverWritten) {
    EXPECT_GT(damaged_ratio(kGemm, [](float* y) { y[3] = std::numeric_limits<float>::quiet_NaN(); }), 1.0);
}

TEST(Verdict, GuardBandsShowAWriteOutside) {
    GuardedOutput output(3);
    EXPECT_TRUE(output.is_intact());
    output.data()[3] = 0.0f;
    EXPECT_FALSE(output.is_intact());
    GuardedOutput other(0);
    other.data()[-1] = 0.0f;
    EXPECT_FALSE(other.is_intact());
}

TEST(Verdict, InputsAreSurroundedByNaN) {
    const MarginedInput<float> input(std::vector<float>{1.0f});
    EXPECT_EQ(input.data()[0], 1.0f);
    EXPECT_TRUE(std::isnan(input.data()[1]));
    EXPECT_TRUE(std::isnan(input.data()[-1]));
}

TEST(Verdict, DigestIgnoresNaNPayloadsOnly) {
    const float a[2] = {std::numeric_limits<float>::quiet_NaN(), 1.0f};
    const float b[2] = {-std::numeric_limits<float>::quiet_NaN(), 1.0f};
    const float c[2] = {std::numeric_limits<float>::quiet_NaN(), -1.0f};
    EXPECT_EQ(digest_of(a, 2), digest_of(b, 2));
    EXPECT_NE(digest_of(a, 2), digest_of(c, 2));
    EXPECT_EQ(digest_of(a, 0), "cbf29ce484222325");
}

TEST(Verdict, EventsAreJsonWhateverTheText) {
    EXPECT_EQ(json_string("a\"b\\c\n\x7f"), "\"a\\\"b\\\\c\\u000a\\u007f\"");
    Verdict verdict;
    verdict.error_over_bound = std::numeric_limits<double>::infinity();
    EXPECT_NE(metrics_json(verdict).find("\"error_over_bound\":\"inf\""), std::string::npos);
}

// Case lines: parse and print are inverse, everything not canonical is refused.
#include <gtest/gtest.h>

#include "base/status.h"
#include "cases/case_line.h"
#include "cases/problem.h"

using namespace aestus::cases;

TEST(CaseLine, PrintsWhatItParsed) {
    for (const char* line : {"gemm.f32:m=3,n=5,k=17,data=uniform,seed=7", "a.b:seed=0",
                             "rope.f32:tokens=1,heads=2,hd=4,pos=0,data=edge,seed=9223372036854775807"}) {
        EXPECT_EQ(print_case(parse_case(line)), line);
    }
}

TEST(CaseLine, RefusesWhatIsNotCanonical) {
    for (const char* line : {"", "gemm.f32", "gemm:m=1,seed=1", "gemm.f32:", "gemm.f32:m=01,seed=1", "gemm.f32:m=1",
                             "gemm.f32:m=1,m=1,seed=1", "gemm.f32:m=-1,seed=1", "gemm.f32:m = 1,seed=1",
                             "gemm.f32:seed=1,m=1", "gemm.f32:m=1,seed=x", "gemm.f32:m=1,seed=1,",
                             "GEMM.f32:seed=1", "gemm.f32:m=9223372036854775808,seed=1", "gemm.f.32:seed=1"}) {
        EXPECT_THROW(parse_case(line), aestus::Error) << line;
    }
}

TEST(CaseLine, TakesTheKeysOfItsOperatorInOrderOnly) {
    EXPECT_NO_THROW(make_problem(parse_case("softmax.f32:rows=1,d=3,data=uniform,seed=1")));
    for (const char* line : {"softmax.f32:d=3,rows=1,data=uniform,seed=1", "softmax.f32:rows=1,data=uniform,seed=1",
                             "softmax.f16:rows=1,d=3,data=uniform,seed=1", "conv.f32:rows=1,data=uniform,seed=1",
                             "softmax.f32:rows=1,d=3,data=odd,seed=1", "softmax.f32:rows=x,d=3,data=uniform,seed=1",
                             "softmax.f32:rows=1,d=99999999,data=uniform,seed=1"}) {
        EXPECT_THROW(make_problem(parse_case(line)), aestus::Error) << line;
    }
}

// A case ready to run: its inputs, the call under test and the reference in double with an error bound per element.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cases/case_line.h"

namespace aestus::cases {

// Unit roundoff of f32 and the spacing of its subnormals.
constexpr double kUnitRoundoff = 0x1p-24;
constexpr double kTiny = 0x1p-149;

// |computed - value| <= bound, or computed == value (as f32) when the problem is exact.
struct Expected {
    double value;
    double bound;
};

struct Problem {
    int64_t outputs = 0;
    bool is_exact = false;
    std::function<void(float* y)> run;          // the function under test, of backend()
    std::function<Expected(int64_t i)> expect;  // element i, row-major
};

// Throws Error(argument) when the operator is unknown or a value does not fit it.
Problem make_problem(const CaseLine& line);

// Relative error, in |A||B|, of an f32 sum of `count` rounded products in the 8-lane order; n = ceil(count/8).
//   rigorous:      a term passes one product, n - 1 additions of its lane (the first, to +0, is exact) and 3 of the
//                  tree: (n + 3) u (Higham 2002, Accuracy and Stability, 3.1)
//   probabilistic: errors of independent sign grow with the root of the number of operations: 6 sqrt(n + 8) u, failing
//                  with 3e-8 per element (Higham & Mary 2019, SIAM J. Sci. Comput. 41(5), thm 2.4)
// The smaller one holds; the Python oracle has the same formula.
double lane_sum_error(int64_t count);

}  // namespace aestus::cases

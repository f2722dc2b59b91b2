// gemm and qmatmul: reference in double on the very inputs the kernel sees.
//
// |C - R| <= 6 sqrt(K/8 + 8) u (|A||B|) + u |R| + K tiny   (inference notes: lane_sum_error in problem.h)
// The last term covers products that underflow. Quantised weights are first rounded to f32, as their format defines
// them, so the same bound holds without an addition for quantisation.
#include <cmath>

#include "cases/backend.h"
#include "cases/op_inputs.h"

namespace aestus::cases {
namespace {

template <class Left, class Right>
Expected dot_reference(int64_t k, Left left, Right right) {
    double sum = 0.0;
    double magnitude = 0.0;
    for (int64_t t = 0; t < k; ++t) {
        const double product = left(t) * right(t);
        sum += product;
        magnitude += std::fabs(product);
    }
    const double bound = lane_sum_error(k) * magnitude + kUnitRoundoff * std::fabs(sum) +
                         static_cast<double>(k + 1) * kTiny;
    return {sum, bound};
}

}  // namespace

Problem make_gemm(const CaseLine& line) {
    const int64_t m = size_of(line, "m");
    const int64_t n = size_of(line, "n");
    const int64_t k = size_of(line, "k");
    const Shared<float> a = floats(line, 0, m * k);
    const Shared<float> b = floats(line, 1, n * k);
    Problem problem;
    problem.outputs = m * n;
    problem.is_exact = is_exact(line);
    problem.run = [=](float* y) { check(backend().gemm_f32(a->data(), b->data(), y, m, n, k)); };
    problem.expect = [=](int64_t i) {
        const int64_t row = i / n * k;
        const int64_t column = i % n * k;
        return dot_reference(
            k, [&](int64_t t) { return (*a)[row + t]; }, [&](int64_t t) { return (*b)[column + t]; });
    };
    return problem;
}

Problem make_qmatmul(const CaseLine& line) {
    const int64_t m = size_of(line, "m");
    const int64_t n = size_of(line, "n");
    const int64_t k = size_of(line, "k");
    const auto w = weights(line, 0, n, k);
    const Shared<float> x = floats(line, 1, m * k);
    Problem problem;
    problem.outputs = m * n;
    problem.is_exact = is_exact(line);
    problem.run = [=](float* y) {
        check(backend().qmatmul(static_cast<int32_t>(w->type), w->bytes.data(), x->data(), y, n, k, m));
    };
    problem.expect = [=](int64_t i) {
        const int64_t row = i / n * k;
        const double* column = w->values.data() + i % n * k;
        return dot_reference(
            k, [&](int64_t t) { return (*x)[row + t]; },
            [&](int64_t t) { return static_cast<double>(static_cast<float>(column[t])); });
    };
    return problem;
}

}  // namespace aestus::cases

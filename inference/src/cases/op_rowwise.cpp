// rmsnorm, softmax, rope and swiglu.
#include <cmath>

#include "cases/backend.h"
#include "cases/op_inputs.h"

namespace aestus::cases {

// With S = sum of squares: S carries a relative error g = lane_sum_error(d) (all terms positive), the square root
// halves it; mean, + eps, root, reciprocal add 3 u, the two products 2 u: (g/2 + 6u)|R|. A subnormal x*scale adds
// tiny * |weight|.
Problem make_rmsnorm(const CaseLine& line) {
    constexpr float kEps = 1e-5f;
    const int64_t rows = size_of(line, "rows");
    const int64_t d = size_of(line, "d");
    const Shared<float> x = floats(line, 0, rows * d);
    const Shared<float> weight = floats(line, 1, d);
    Problem problem;
    problem.outputs = rows * d;
    problem.run = [=](float* y) { check(backend().rmsnorm_f32(x->data(), weight->data(), y, rows, d, kEps)); };
    auto scales = std::make_shared<std::vector<double>>();
    for (int64_t row = 0; row < rows; ++row) {
        double squares = 0.0;
        for (int64_t i = 0; i < d; ++i) squares += (*x)[row * d + i] * (*x)[row * d + i];
        scales->push_back(1.0 / std::sqrt(squares / static_cast<double>(d) + static_cast<double>(kEps)));
    }
    problem.expect = [=](int64_t i) {
        const double w = (*weight)[i % d];
        const double value = (*x)[i] * (*scales)[static_cast<size_t>(i / d)] * w;
        const double relative = 0.5 * lane_sum_error(d) + 6.0 * kUnitRoundoff;
        return Expected{value, relative * std::fabs(value) + kTiny * (1.0 + std::fabs(w))};
    };
    return problem;
}

// s_i = x_i - max is rounded (u |s_i| in the exponent), exp is rounded (u), the sum carries lane_sum_error(d) and the
// errors of its terms weighted by p, the division u:
// |y - R| <= R (u |s_i| + sum_t p_t u |s_t| + lane_sum_error(d) + 4u) + 2 tiny
Problem make_softmax(const CaseLine& line) {
    const int64_t rows = size_of(line, "rows");
    const int64_t d = size_of(line, "d");
    const Shared<float> x = floats(line, 0, rows * d);
    Problem problem;
    problem.outputs = rows * d;
    problem.run = [=](float* y) { check(backend().softmax_f32(x->data(), y, rows, d)); };
    struct Row {
        double largest, sum, mean_distance;
    };
    auto table = std::make_shared<std::vector<Row>>();
    for (int64_t row = 0; row < rows; ++row) {
        Row r{-INFINITY, 0.0, 0.0};
        for (int64_t i = 0; i < d; ++i) r.largest = (*x)[row * d + i] > r.largest ? (*x)[row * d + i] : r.largest;
        for (int64_t i = 0; i < d; ++i) {
            const double s = (*x)[row * d + i] - r.largest;
            r.sum += std::exp(s);
            r.mean_distance += s < -200.0 ? 0.0 : std::exp(s) * -s;
        }
        r.mean_distance /= r.sum;
        table->push_back(r);
    }
    problem.expect = [=](int64_t i) {
        const Row& r = (*table)[static_cast<size_t>(i / d)];
        const double s = (*x)[i] - r.largest;
        const double value = std::exp(s) / r.sum;
        const double relative = kUnitRoundoff * (std::fabs(s) + r.mean_distance + 4.0) + lane_sum_error(d);
        return Expected{value, (s < -200.0 ? 0.0 : relative * value) + 2.0 * kTiny};
    };
    return problem;
}

// Each product carries the rounding of cos or sin and its own (2u), the sum u: 3u (|x0 c| + |x1 s|); 3.1 leaves room
// for the error of the angle itself (1e-11 at position 10^4).
Problem make_rope(const CaseLine& line) {
    constexpr float kBase = 1e5f;
    const int64_t tokens = size_of(line, "tokens");
    const int64_t heads = size_of(line, "heads");
    const int64_t hd = size_of(line, "hd");
    const int64_t position = size_of(line, "pos");
    const Shared<float> x = floats(line, 0, tokens * heads * hd);
    Problem problem;
    problem.outputs = tokens * heads * hd;
    problem.run = [=](float* y) { check(backend().rope_f32(x->data(), y, tokens, heads, hd, position, kBase)); };
    problem.expect = [=](int64_t i) {
        const int64_t in_head = i % hd;
        const double pair = static_cast<double>(in_head / 2);
        const double theta = static_cast<double>(position + i / (heads * hd)) *
                             std::pow(static_cast<double>(kBase), -2.0 * pair / static_cast<double>(hd));
        const double even = (*x)[i - in_head % 2];
        const double odd = (*x)[i - in_head % 2 + 1];
        const double first = in_head % 2 == 0 ? even * std::cos(theta) : even * std::sin(theta);
        const double second = in_head % 2 == 0 ? -odd * std::sin(theta) : odd * std::cos(theta);
        const double bound = 3.1 * kUnitRoundoff * (std::fabs(first) + std::fabs(second)) + 3.0 * kTiny;
        return Expected{first + second, bound};
    };
    return problem;
}

// silu(g) in double, rounded once (u), times up (u); a subnormal silu adds tiny * |up|.
Problem make_swiglu(const CaseLine& line) {
    const int64_t n = size_of(line, "n");
    const Shared<float> gate = floats(line, 0, n);
    const Shared<float> up = floats(line, 1, n);
    Problem problem;
    problem.outputs = n;
    problem.run = [=](float* y) { check(backend().swiglu_f32(gate->data(), up->data(), y, n)); };
    problem.expect = [=](int64_t i) {
        const double g = (*gate)[i];
        const double value = g / (1.0 + std::exp(-g)) * (*up)[i];
        const double bound = 2.1 * kUnitRoundoff * std::fabs(value) + kTiny * (1.0 + std::fabs((*up)[i]));
        return Expected{value, bound};
    };
    return problem;
}

}  // namespace aestus::cases

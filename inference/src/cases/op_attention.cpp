// attention: reference in double and a bound that follows the errors of the scores through the softmax.
//
// score t:   |ds_t| <= (lane_sum_error(hd) sum|q||k| + 4u|s_t| + u max|s|) =: delta_t
//            (dot; rounded scale and product; distance to the maximum)
// weight t:  relative error eta_t = exp(delta_t) - 1; its average H = sum p_t eta_t falls on the denominator, too
// output:    |dy| <= (sum p_t eta_t |v_t| + H sum p_t |v_t|) / (1 - H)
//                    + (lane_sum_error(T) + 6 sqrt(T + 8) u + 4u) sum p_t |v_t| + (T + 1) tiny (1 + max|v|)
//            the second line: sum of the weights in lanes, sum over t in ascending order, exp, division, product
// When H is not small the output is still a weighted mean, so 2 max|v| always holds.
#include <algorithm>
#include <cmath>

#include "cases/backend.h"
#include "cases/op_inputs.h"

namespace aestus::cases {
namespace {

struct Shape {
    int64_t tokens, past, heads, kv, hd;
};

struct Operands {
    Shape shape;
    Shared<float> q, k, v;
};

// Softmax weights of one (token, head) and the relative error each may carry.
struct HeadWeights {
    std::vector<double> p, eta;
    double mean_eta = 0.0;
};

HeadWeights head_weights(const Operands& in, int64_t token, int64_t head) {
    const Shape& s = in.shape;
    const int64_t positions = s.past + token + 1;
    const double scale = 1.0 / std::sqrt(static_cast<double>(s.hd));
    HeadWeights out;
    std::vector<double> error;
    double largest = -INFINITY;
    double largest_magnitude = 0.0;
    for (int64_t t = 0; t < positions; ++t) {
        const int64_t q = (token * s.heads + head) * s.hd;
        const int64_t k = (t * s.kv + head / (s.heads / s.kv)) * s.hd;
        double score = 0.0;
        double magnitude = 0.0;
        for (int64_t i = 0; i < s.hd; ++i) {
            const double product = (*in.q)[q + i] * (*in.k)[k + i];
            score += product;
            magnitude += std::fabs(product);
        }
        out.p.push_back(score * scale);
        error.push_back(lane_sum_error(s.hd) * magnitude * scale + 4.0 * kUnitRoundoff * std::fabs(score * scale));
        largest = score * scale > largest ? score * scale : largest;
        largest_magnitude = std::max(largest_magnitude, std::fabs(score * scale));
    }
    double sum = 0.0;
    for (double& p : out.p) sum += p = std::exp(p - largest);
    for (size_t t = 0; t < out.p.size(); ++t) {
        out.p[t] /= sum;
        out.eta.push_back(std::expm1(std::min(error[t] + kUnitRoundoff * largest_magnitude, 50.0)));
        out.mean_eta += out.p[t] * out.eta[t];
    }
    return out;
}

Expected weighted_mean(const Operands& in, const HeadWeights& w, int64_t kv_head, int64_t i) {
    const Shape& s = in.shape;
    const double positions = static_cast<double>(w.p.size());
    double value = 0.0;
    double magnitude = 0.0;
    double score_error = 0.0;
    double largest = 0.0;
    for (size_t t = 0; t < w.p.size(); ++t) {
        const double v = (*in.v)[(static_cast<int64_t>(t) * s.kv + kv_head) * s.hd + i];
        value += w.p[t] * v;
        magnitude += w.p[t] * std::fabs(v);
        score_error += w.p[t] * w.eta[t] * std::fabs(v);
        largest = std::max(largest, std::fabs(v));
    }
    const double sums = lane_sum_error(static_cast<int64_t>(positions)) +
                        (6.0 * std::sqrt(positions + 8.0) + 4.0) * kUnitRoundoff;
    const double tail = sums * magnitude + (positions + 1.0) * kTiny * (1.0 + largest);
    if (!(w.mean_eta < 0.5)) return {value, 2.0 * largest + tail};
    const double through_scores = (score_error + w.mean_eta * magnitude) / (1.0 - w.mean_eta);
    return {value, std::min(through_scores, 2.0 * largest) + tail};
}

}  // namespace

Problem make_attention(const CaseLine& line) {
    const Shape s{size_of(line, "tokens"), size_of(line, "past"), size_of(line, "heads"), size_of(line, "kv"),
                  size_of(line, "hd")};
    if (s.kv == 0 || s.heads % s.kv != 0) throw Error(AESTUS_ERR_ARGUMENT, "heads is not a multiple of kv");
    const int64_t cached = (s.past + s.tokens) * s.kv * s.hd;
    const Operands in{s, floats(line, 0, s.tokens * s.heads * s.hd), floats(line, 1, cached), floats(line, 2, cached)};
    Problem problem;
    problem.outputs = s.tokens * s.heads * s.hd;
    problem.run = [=](float* y) {
        check(backend().attention_f32(in.q->data(), in.k->data(), in.v->data(), y, s.tokens, s.past, s.heads, s.kv,
                                      s.hd));
    };
    auto unit = std::make_shared<int64_t>(-1);  // elements come in order: one softmax per head is enough
    auto kept = std::make_shared<HeadWeights>();
    problem.expect = [=](int64_t i) {
        const int64_t head = i / s.hd % s.heads;
        if (*unit != i / s.hd) {
            *kept = head_weights(in, i / s.hd / s.heads, head);
            *unit = i / s.hd;
        }
        return weighted_mean(in, *kept, head / (s.heads / s.kv), i % s.hd);
    };
    return problem;
}

}  // namespace aestus::cases

// dequantize and embedding: one rounding, so |y - R| <= u |R| + tiny against the unrounded d*q + m.
#include <cmath>

#include "cases/backend.h"
#include "cases/op_inputs.h"

namespace aestus::cases {
namespace {

Expected rounded_once(double value) { return {value, kUnitRoundoff * std::fabs(value) + kTiny}; }

}  // namespace

Problem make_dequantize(const CaseLine& line) {
    const int64_t rows = size_of(line, "rows");
    const int64_t k = size_of(line, "k");
    const auto w = weights(line, 0, rows, k);
    Problem problem;
    problem.outputs = rows * k;
    problem.is_exact = is_exact(line);
    problem.run = [=](float* y) {
        const int32_t type = static_cast<int32_t>(w->type);
        const int64_t stride = aestus_row_bytes(type, k);
        for (int64_t row = 0; row < rows; ++row) {
            check(backend().dequantize_row(type, w->bytes.data() + row * stride, y + row * k, k));
        }
    };
    problem.expect = [=](int64_t i) { return rounded_once(w->values[static_cast<size_t>(i)]); };
    return problem;
}

Problem make_embedding(const CaseLine& line) {
    const int64_t vocab = size_of(line, "vocab");
    const int64_t d = size_of(line, "d");
    const int64_t tokens = size_of(line, "tokens");
    if (vocab == 0 && tokens > 0) throw Error(AESTUS_ERR_ARGUMENT, "tokens from an empty vocabulary");
    const auto table = weights(line, 0, vocab, d);
    const auto ids = std::make_shared<const Input<int32_t>>(ids_of(line.seed(), 1, tokens, vocab));
    Problem problem;
    problem.outputs = tokens * d;
    problem.is_exact = is_exact(line) || table->type == kernels::QType::f32;
    problem.run = [=](float* y) {
        const int32_t type = static_cast<int32_t>(table->type);
        check(backend().embedding(type, table->bytes.data(), ids->data(), y, tokens, vocab, d));
    };
    problem.expect = [=](int64_t i) {
        const int64_t id = ids->values[static_cast<size_t>(i / d)];
        return rounded_once(table->values[static_cast<size_t>(id * d + i % d)]);
    };
    return problem;
}

}  // namespace aestus::cases

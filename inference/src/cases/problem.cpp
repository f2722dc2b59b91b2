// The list of operators, and how their stored weights read in double.
#include "cases/problem.h"

#include <cmath>
#include <utility>

#include "cases/op_inputs.h"
#include "math/half.h"

namespace aestus::cases {
namespace {

using Maker = Problem (*)(const CaseLine&);

struct Operator {
    const char* name;
    const char* dtypes;  // space-separated
    const char* keys;    // in the order of the line
    Maker make;
};

constexpr Operator kOperators[] = {
    {"gemm", "f32", "m n k data seed", make_gemm},
    {"qmatmul", "q4_1 q8_0 f32", "m n k data seed", make_qmatmul},
    {"dequantize", "q4_1 q8_0", "rows k data seed", make_dequantize},
    {"rmsnorm", "f32", "rows d data seed", make_rmsnorm},
    {"softmax", "f32", "rows d data seed", make_softmax},
    {"rope", "f32", "tokens heads hd pos data seed", make_rope},
    {"attention", "f32", "tokens past heads kv hd data seed", make_attention},
    {"swiglu", "f32", "n data seed", make_swiglu},
    {"embedding", "q4_1 q8_0 f32", "vocab d tokens data seed", make_embedding},
};

bool has_word(const std::string& words, const std::string& word) {
    return (" " + words + " ").find(" " + word + " ") != std::string::npos;
}

// d*q + m of value i of a stored row, in double.
double stored_value(kernels::QType type, const uint8_t* row, int64_t i) {
    const int64_t block = i / kernels::kQuantBlock;
    const int64_t j = i % kernels::kQuantBlock;
    if (type == kernels::QType::q8_0) {
        const uint8_t* w = row + block * kernels::kQ8_0Bytes;
        return static_cast<double>(math::half_to_float(math::load_half(w))) * static_cast<int8_t>(w[2 + j]);
    }
    const uint8_t* w = row + block * kernels::kQ4_1Bytes;
    const double d = static_cast<double>(math::half_to_float(math::load_half(w)));
    const double m = static_cast<double>(math::half_to_float(math::load_half(w + 2)));
    return d * (j < 16 ? w[4 + j] & 15 : w[4 + j - 16] >> 4) + m;
}

}  // namespace

Problem make_problem(const CaseLine& line) {
    for (const Operator& op : kOperators) {
        if (line.op != op.name || !has_word(op.dtypes, line.dtype)) continue;
        std::string keys;
        for (const auto& [key, value] : line.values) keys += (keys.empty() ? "" : " ") + key;
        if (keys != op.keys) {
            throw Error(AESTUS_ERR_ARGUMENT, "case line '" + print_case(line) + "': the keys must be: " + op.keys);
        }
        return op.make(line);
    }
    throw Error(AESTUS_ERR_ARGUMENT, "unknown operator " + line.op + "." + line.dtype);
}

double lane_sum_error(int64_t count) {
    constexpr double kDeviations = 6.0;
    constexpr double kLanes = 8.0;
    const double additions = std::ceil(static_cast<double>(count) / kLanes);
    return std::fmin(additions + 3.0, kDeviations * std::sqrt(additions + kLanes)) * kUnitRoundoff;
}

int64_t size_of(const CaseLine& line, const char* key) {
    constexpr int64_t kLargest = int64_t{1} << 24;
    const int64_t size = line.integer(key);
    if (size > kLargest) throw Error(AESTUS_ERR_ARGUMENT, std::string(key) + " is above 2^24: too large for a case");
    return size;
}

kernels::QType qtype_of_case(const CaseLine& line) {
    if (line.dtype == "q4_1") return kernels::QType::q4_1;
    if (line.dtype == "q8_0") return kernels::QType::q8_0;
    return kernels::QType::f32;
}

std::shared_ptr<const Weights> weights(const CaseLine& line, uint32_t tensor, int64_t rows, int64_t k) {
    const kernels::QType type = qtype_of_case(line);
    std::vector<uint8_t> bytes = weights_of(type, regime_named(line.text("data")), line.seed(), tensor, rows, k);
    std::vector<double> values(static_cast<size_t>(rows * k));
    const int64_t stride = kernels::row_bytes(type, k);
    for (size_t i = 0; i < values.size(); ++i) {
        const int64_t row = static_cast<int64_t>(i) / k;
        const int64_t column = static_cast<int64_t>(i) % k;
        if (type == kernels::QType::f32) {
            float value;
            std::memcpy(&value, bytes.data() + i * sizeof value, sizeof value);
            values[i] = static_cast<double>(value);
        } else {
            values[i] = stored_value(type, bytes.data() + row * stride, column);
        }
    }
    return std::make_shared<const Weights>(Weights{type, Input<uint8_t>(std::move(bytes)), std::move(values)});
}

}  // namespace aestus::cases

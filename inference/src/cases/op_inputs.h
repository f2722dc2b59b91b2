// What all operators of this folder need: a failing status becomes an exception, inputs come with margins.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "base/status.h"
#include "cases/guarded_output.h"
#include "cases/problem.h"
#include "cases/regimes.h"

namespace aestus::cases {

// One function per operator, in op_<name>.cpp.
Problem make_gemm(const CaseLine& line);
Problem make_qmatmul(const CaseLine& line);
Problem make_dequantize(const CaseLine& line);
Problem make_embedding(const CaseLine& line);
Problem make_rmsnorm(const CaseLine& line);
Problem make_softmax(const CaseLine& line);
Problem make_rope(const CaseLine& line);
Problem make_attention(const CaseLine& line);
Problem make_swiglu(const CaseLine& line);

inline void check(aestus_status status) {
    if (status != AESTUS_OK) throw Error(status, aestus_last_error());
}

// Values generated once, and the copy with margins that the kernel sees.
template <class T>
struct Input {
    explicit Input(std::vector<T> generated) : values(std::move(generated)), guarded(values) {}
    const T* data() const { return guarded.data(); }
    double operator[](int64_t i) const { return static_cast<double>(values[static_cast<size_t>(i)]); }
    std::vector<T> values;
    MarginedInput<T> guarded;
};

template <class T>
using Shared = std::shared_ptr<const Input<T>>;

inline Shared<float> floats(const CaseLine& line, uint32_t tensor, int64_t count) {
    return std::make_shared<const Input<float>>(
        tensor_of(regime_named(line.text("data")), line.seed(), tensor, count));
}

kernels::QType qtype_of_case(const CaseLine& line);

// Stored weights [rows, k] and what they mean in double, rounded to f32 as the format defines it.
struct Weights {
    kernels::QType type;
    Input<uint8_t> bytes;
    std::vector<double> values;  // d*q + m in double, unrounded
};

std::shared_ptr<const Weights> weights(const CaseLine& line, uint32_t tensor, int64_t rows, int64_t k);

// Throws when a size is beyond what a test case may ask for (a typing error would eat the machine's memory).
int64_t size_of(const CaseLine& line, const char* key);

inline bool is_exact(const CaseLine& line) { return line.text("data") == "exact"; }

}  // namespace aestus::cases

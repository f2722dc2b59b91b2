// Values of the data regimes; every result is exact in f32, so all languages agree bit for bit.
#include "cases/regimes.h"

#include <cmath>
#include <limits>
#include <utility>

#include "base/status.h"
#include "cases/philox.h"
#include "math/half.h"

namespace aestus::cases {
namespace {

double unit_interval(uint32_t word) { return (word >> 8) * 0x1p-24; }

float small_integer(const Words& r) {
    if (r[1] % 4 == 0) return 0.0f;
    return static_cast<float>(static_cast<int>(r[0] % 5) - 2);
}

float symmetric(const Words& r) { return static_cast<float>(2.0 * unit_interval(r[0]) - 1.0); }

// Sum of four uniforms, centred and scaled to variance 1.
float nearly_normal(const Words& r) {
    const double sum = (unit_interval(r[0]) + unit_interval(r[1])) + (unit_interval(r[2]) + unit_interval(r[3]));
    return static_cast<float>((sum - 2.0) * 1.7320508075688772);
}

float wide_range(const Words& r) {
    const double magnitude = 1.0 + (r[0] >> 9) * 0x1p-23;
    const double value = std::ldexp(magnitude, static_cast<int>(r[2] % 25) - 12);
    return static_cast<float>((r[1] & 1) != 0 ? -value : value);
}

float edge_value(const Words& r) {
    constexpr float kPicks[6] = {0.0f, -0.0f, 1e-40f, 65504.0f, -65504.0f, 1.0f};
    return r[3] % 8 == 0 ? kPicks[r[2] % 6] : symmetric(r);
}

float non_finite(const Words& r, uint64_t index, uint64_t seed) {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    constexpr float kPicks[3] = {std::numeric_limits<float>::quiet_NaN(), kInfinity, -kInfinity};
    return index % 97 == seed % 97 ? kPicks[r[2] % 3] : symmetric(r);
}

constexpr std::pair<const char*, Regime> kNames[] = {
    {"exact", Regime::exact}, {"uniform", Regime::uniform}, {"positive", Regime::positive},
    {"normal", Regime::normal}, {"wide", Regime::wide}, {"edge", Regime::edge}, {"nonfinite", Regime::nonfinite}};

// One block of small integers -2 … 2 without loss.
void write_exact_block(kernels::QType type, const float* x, uint8_t* w) {
    constexpr uint16_t kOne = 0x3c00;
    constexpr uint16_t kMinusTwo = 0xc000;
    std::memcpy(w, &kOne, sizeof kOne);
    if (type == kernels::QType::q8_0) {
        for (int i = 0; i < 32; ++i) w[2 + i] = static_cast<uint8_t>(static_cast<int8_t>(x[i]));
        return;
    }
    std::memcpy(w + 2, &kMinusTwo, sizeof kMinusTwo);
    for (int i = 0; i < 16; ++i) {
        w[4 + i] = static_cast<uint8_t>(static_cast<int>(x[i] + 2.0f) | static_cast<int>(x[i + 16] + 2.0f) << 4);
    }
}

}  // namespace

Regime regime_named(const std::string& name) {
    for (const auto& [known, regime] : kNames) {
        if (name == known) return regime;
    }
    throw Error(AESTUS_ERR_ARGUMENT, "unknown data regime '" + name + "'");
}

float element(Regime regime, uint64_t seed, uint64_t index, uint32_t tensor) {
    const Words r = element_words(seed, index, tensor);
    switch (regime) {
        case Regime::exact: return small_integer(r);
        case Regime::uniform: return symmetric(r);
        case Regime::positive: return static_cast<float>(unit_interval(r[0]));
        case Regime::normal: return nearly_normal(r);
        case Regime::wide: return wide_range(r);
        case Regime::edge: return edge_value(r);
        case Regime::nonfinite: return non_finite(r, index, seed);
    }
    return 0.0f;
}

std::vector<float> tensor_of(Regime regime, uint64_t seed, uint32_t tensor, int64_t count) {
    std::vector<float> values(static_cast<size_t>(count));
    for (size_t i = 0; i < values.size(); ++i) values[i] = element(regime, seed, i, tensor);
    return values;
}

std::vector<uint8_t> weights_of(kernels::QType type, Regime regime, uint64_t seed, uint32_t tensor, int64_t rows,
                                int64_t k) {
    const bool finite = type != kernels::QType::f32 && regime == Regime::nonfinite;
    const std::vector<float> values = tensor_of(finite ? Regime::uniform : regime, seed, tensor, rows * k);
    const int64_t stride = kernels::row_bytes(type, k);
    if (stride < 0) throw Error(AESTUS_ERR_ARGUMENT, "k is not a multiple of 32");
    std::vector<uint8_t> bytes(static_cast<size_t>(rows * stride));
    for (int64_t row = 0; row < rows; ++row) {
        const float* x = values.data() + row * k;
        uint8_t* w = bytes.data() + row * stride;
        if (regime != Regime::exact || type == kernels::QType::f32) {
            kernels::quantize_row(type, x, w, k);
            continue;
        }
        const int64_t block = kernels::row_bytes(type, kernels::kQuantBlock);
        for (int64_t i = 0; i < k / kernels::kQuantBlock; ++i) {
            write_exact_block(type, x + i * kernels::kQuantBlock, w + i * block);
        }
    }
    return bytes;
}

std::vector<int32_t> ids_of(uint64_t seed, uint32_t tensor, int64_t count, int64_t vocab) {
    std::vector<int32_t> ids(static_cast<size_t>(count));
    for (size_t i = 0; i < ids.size(); ++i) {
        ids[i] = static_cast<int32_t>(element_words(seed, i, tensor)[0] % static_cast<uint64_t>(vocab));
    }
    return ids;
}

}  // namespace aestus::cases

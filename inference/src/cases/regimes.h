// Data regimes: how the words of an element become its value. The table with the reasons is in docs/philox.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace aestus::cases {

enum class Regime { exact, uniform, positive, normal, wide, edge, nonfinite };

// Throws Error(argument) for an unknown name.
Regime regime_named(const std::string& name);

float element(Regime regime, uint64_t seed, uint64_t index, uint32_t tensor);
std::vector<float> tensor_of(Regime regime, uint64_t seed, uint32_t tensor, int64_t count);

// Weights [rows, k] stored as `type`. In `exact` the blocks are written with d = 1 (and m = -2), so that they hold the
// small integers exactly; in `nonfinite` they stay finite (`uniform`), the activations carry the non-finite values.
std::vector<uint8_t> weights_of(kernels::QType type, Regime regime, uint64_t seed, uint32_t tensor, int64_t rows,
                                int64_t k);

// id = word 0 modulo vocab
std::vector<int32_t> ids_of(uint64_t seed, uint32_t tensor, int64_t count, int64_t vocab);

}  // namespace aestus::cases

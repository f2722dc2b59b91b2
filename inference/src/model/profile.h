// Time per operator of a session, for whoever asks; for others an operator costs one comparison.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace aestus {

/// What a decoded token is made of. `GateUp` holds the two products and silu(gate) * up, which run
/// in one loop; products that end in the residual stream hold that addition.
enum class Operator : int32_t {
  Embedding,
  RmsNorm,
  QueryKeyValue,
  Rope,
  Attention,
  AttentionOutput,
  GateUp,
  Down,
  Logits,
};

constexpr std::array<const char*, 9> kOperatorNames = {
    "embedding", "rmsnorm", "query_key_value", "rope", "attention", "attention_output",
    "gate_up",   "down",    "logits"};

/// Wall time by operator, as the calling thread sees it: with a pool, its waiting counts.
class Profile {
 public:
  using Clock = std::chrono::steady_clock;

  double seconds(size_t which) const {
    return std::chrono::duration<double>(spent_[which]).count();
  }
  void add(Operator which, Clock::duration spent) { spent_[static_cast<size_t>(which)] += spent; }

 private:
  std::array<Clock::duration, kOperatorNames.size()> spent_ = {};
};

/// Adds the time of its scope to a profile, if there is one.
class Timed {
 public:
  Timed(Profile* profile, Operator which) : profile_(profile), which_(which) {
    if (profile_ != nullptr) begin_ = Profile::Clock::now();
  }
  ~Timed() {
    if (profile_ != nullptr) profile_->add(which_, Profile::Clock::now() - begin_);
  }
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  Profile* profile_;
  Operator which_;
  Profile::Clock::time_point begin_;
};

}  // namespace aestus

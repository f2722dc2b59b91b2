// One sequence: the Llama decoder with its key/value cache.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "model/model.h"
#include "model/pool.h"
#include "model/profile.h"
#include "model/rounding.h"

namespace aestus {

class Session {
 public:
  /// `context` tokens at most; throws Error (ARGUMENT) when the model was trained for fewer.
  Session(const Model& model, int64_t context, int32_t threads);

  void reset() { position_ = 0; }
  /// Takes effect from the next token; meant for a fresh sequence.
  void set_rounding(Rounding rounding) { rounding_ = rounding; }
  /// From now on add the time of every operator to `profile`, which must live as long as it is
  /// set; null, the default, takes no time at all. Changes no result.
  void set_profile(Profile* profile) { profile_ = profile; }
  int64_t position() const { return position_; }
  int64_t context() const { return context_; }

  /// Append `n` tokens; logits is [n, vocab] when `all`, else [vocab] of the last one; may be
  /// null. All arguments are checked before anything changes. The result depends neither on
  /// the number of threads nor on how a sequence is cut into calls.
  void eval(const int32_t* ids, int64_t n, float* logits, bool all);

 private:
  void eval_batch(const int32_t* ids, int64_t n);
  void attend(const Layer& layer, int64_t index, int64_t n);
  void feed_forward(const Layer& layer, int64_t n);
  void write_logits(int64_t first, int64_t n, float* logits);
  void normalise(const float* weight, int64_t first, int64_t n);
  void project(const Matrix& matrix, const float* x, float* y, int64_t n);
  const float* operand(const Matrix& matrix, const float* x, int64_t n);
  void add_projection(const Matrix& matrix, const float* x, int64_t n);

  const Model& model_;
  const Config& config_;
  int64_t context_;
  int64_t batch_;  // tokens per pass through the layers
  int64_t position_ = 0;
  Rounding rounding_ = Rounding::None;
  Profile* profile_ = nullptr;
  Pool pool_;
  // [layers, context, kv_width]; not touched before use, so a long context costs no memory yet.
  std::unique_ptr<float[]> keys_;
  std::unique_ptr<float[]> values_;
  // Activations of one batch: stream and normed [batch, width], query and mixed
  // [batch, query_width], gate and up [batch, hidden], projected [batch, width].
  std::vector<float> stream_, normed_, query_, mixed_, gate_, up_, projected_;
  std::vector<float> cosine_, sine_;  // [batch, head_dim / 2]
  std::vector<float> scratch_;        // of attention, one part per thread
  std::vector<float> rounded_;        // activations as rounding_ wants them
};

/// The index of the largest value, the lowest of equals; NaN never wins against a number.
int32_t argmax(const float* values, int64_t count);

}  // namespace aestus

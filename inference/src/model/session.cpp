// One sequence: the Llama decoder with its key/value cache.
//
// Per layer, on the residual stream x [n, width] (Touvron et al. 2023, section 2.2):
//   h = rmsnorm(x);  q, k, v = Wq h, Wk h, Wv h;  q, k rotated;  x += Wo attention(q, K, V)
//   h = rmsnorm(x);  x += Wdown (silu(Wgate h) * (Wup h))
// and logits = Wlogits rmsnorm(x).
#include "model/session.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/status.h"

namespace aestus {
namespace {

constexpr int64_t kBatch = 256;      // activations of this many tokens stay in a 4 MiB cache
constexpr int64_t kRowGrain = 16;    // rows of a matrix per unit of work, whole kernel tiles
constexpr int32_t kMaxThreads = 256;

size_t as_size(int64_t value) { return static_cast<size_t>(value); }

int64_t checked_context(const Config& config, int64_t context) {
  if (context < 1 || context > config.context)
    throw Error(AESTUS_ERR_ARGUMENT, "context is " + std::to_string(context) +
                                         ", allowed are 1 to " + std::to_string(config.context));
  return context;
}

int32_t checked_threads(int32_t threads) {
  if (threads < 1 || threads > kMaxThreads)
    throw Error(AESTUS_ERR_ARGUMENT, "threads is " + std::to_string(threads) +
                                         ", allowed are 1 to " + std::to_string(kMaxThreads));
  return threads;
}

}  // namespace

Session::Session(const Model& model, int64_t context, int32_t threads)
    : model_(model),
      config_(model.config()),
      context_(checked_context(config_, context)),
      batch_(std::min(kBatch, context_)),
      pool_(checked_threads(threads)) {
  const int64_t cache = config_.layers * context_ * config_.kv_width();  // < 2^10+24+20
  keys_.reset(new float[as_size(cache)]);
  values_.reset(new float[as_size(cache)]);
  for (std::vector<float>* buffer : {&stream_, &normed_, &projected_})
    buffer->resize(as_size(batch_ * config_.width));
  for (std::vector<float>* buffer : {&query_, &mixed_})
    buffer->resize(as_size(batch_ * config_.query_width()));
  for (std::vector<float>* buffer : {&gate_, &up_})
    buffer->resize(as_size(batch_ * config_.hidden));
  for (std::vector<float>* buffer : {&cosine_, &sine_})
    buffer->resize(as_size(batch_ * config_.head_dim / 2));
}

void Session::eval(const int32_t* ids, int64_t n, float* logits, bool all) {
  if (n < 1 || n > context_ - position_)
    throw Error(AESTUS_ERR_ARGUMENT,
                std::to_string(n) + " tokens do not fit: " + std::to_string(position_) + " of " +
                    std::to_string(context_) + " positions are taken");
  for (int64_t i = 0; i < n; ++i) {
    if (ids[i] < 0 || ids[i] >= config_.vocab)
      throw Error(AESTUS_ERR_ARGUMENT, "token " + std::to_string(i) + " is " +
                                           std::to_string(ids[i]) + ", outside 0 to " +
                                           std::to_string(config_.vocab - 1));
  }
  for (int64_t done = 0; done < n; done += batch_) {
    const int64_t count = std::min(batch_, n - done);
    eval_batch(ids + done, count);
    position_ += count;
    if (logits == nullptr) continue;
    if (all) {
      write_logits(0, count, logits + done * config_.vocab);
    } else if (done + count == n) {
      write_logits(count - 1, 1, logits);
    }
  }
}

void Session::eval_batch(const int32_t* ids, int64_t n) {
  const Matrix& table = model_.weights().embedding;
  {
    const Timed timed(profile_, Operator::Embedding);
    kernels::embedding(table.type, table.data, ids, stream_.data(), config_.width, {0, n});
  }
  {
    const Timed timed(profile_, Operator::Rope);
    kernels::rope_angles(cosine_.data(), sine_.data(), n, config_.head_dim, position_,
                         config_.rope_base);
  }
  int64_t index = 0;
  for (const Layer& layer : model_.weights().layers) {
    attend(layer, index++, n);
    feed_forward(layer, n);
  }
}

void Session::attend(const Layer& layer, int64_t index, int64_t n) {
  const int64_t kv = config_.kv_width();
  float* const keys = keys_.get() + index * context_ * kv;
  float* const values = values_.get() + index * context_ * kv;
  float* const new_keys = keys + position_ * kv;
  normalise(layer.attention_norm, 0, n);
  {
    const Timed timed(profile_, Operator::QueryKeyValue);
    project(layer.query, normed_.data(), query_.data(), n);
    project(layer.key, normed_.data(), new_keys, n);
    project(layer.value, normed_.data(), values + position_ * kv, n);
  }
  {
    const Timed timed(profile_, Operator::Rope);
    kernels::rope_rotate(query_.data(), query_.data(), cosine_.data(), sine_.data(), config_.heads,
                         config_.head_dim, {0, n});
    kernels::rope_rotate(new_keys, new_keys, cosine_.data(), sine_.data(), config_.kv_heads,
                         config_.head_dim, {0, n});
  }
  if (rounding_ == Rounding::LikeLlama) {
    round_to_half(query_.data(), n * config_.query_width());
    round_to_half(new_keys, n * kv);
    round_to_half(values + position_ * kv, n * kv);
  }
  const int64_t part = kernels::attention_scratch(n, position_, config_.heads, config_.kv_heads);
  if (scratch_.size() < as_size(part * pool_.threads()))
    scratch_.resize(as_size(part * pool_.threads()));
  {
    const Timed timed(profile_, Operator::Attention);
    pool_.run(n * config_.kv_heads, 1, [&](int32_t thread, kernels::Range units) {
      kernels::attention_f32(query_.data(), keys, values, mixed_.data(), n, position_,
                             config_.heads, config_.kv_heads, config_.head_dim,
                             scratch_.data() + part * thread, units);
    });
  }
  const Timed timed(profile_, Operator::AttentionOutput);
  add_projection(layer.output, mixed_.data(), n);
}

void Session::feed_forward(const Layer& layer, int64_t n) {
  normalise(layer.hidden_norm, 0, n);
  {
    const Timed timed(profile_, Operator::GateUp);
    const float* const x = operand(layer.gate, normed_.data(), n);
    pool_.run(config_.hidden, kRowGrain, [&](int32_t, kernels::Range rows) {
      kernels::qmatmul(layer.gate.type, layer.gate.data, x, gate_.data(), layer.gate.rows,
                       layer.gate.columns, n, rows);
      kernels::qmatmul(layer.up.type, layer.up.data, x, up_.data(), layer.up.rows,
                       layer.up.columns, n, rows);
      for (int64_t token = 0; token < n; ++token) {
        float* const gate = gate_.data() + token * config_.hidden;
        kernels::swiglu_f32(gate, up_.data() + token * config_.hidden, gate, rows);
      }
    });
  }
  const Timed timed(profile_, Operator::Down);
  add_projection(layer.down, gate_.data(), n);
}

void Session::write_logits(int64_t first, int64_t n, float* logits) {
  normalise(model_.weights().final_norm, first, n);
  const Timed timed(profile_, Operator::Logits);
  project(model_.weights().logits, normed_.data(), logits, n);
}

/// normed[0..n) = rmsnorm(stream[first..first+n))
void Session::normalise(const float* weight, int64_t first, int64_t n) {
  const Timed timed(profile_, Operator::RmsNorm);
  kernels::rmsnorm_f32(stream_.data() + first * config_.width, weight, normed_.data(),
                       config_.width, config_.rms_epsilon, {0, n});
}

/// The activations a product with `matrix` sees: x itself, or x rounded into rounded_.
const float* Session::operand(const Matrix& matrix, const float* x, int64_t n) {
  if (rounding_ == Rounding::None || matrix.type == kernels::QType::f32) return x;
  const int64_t count = n * matrix.columns;
  if (rounded_.size() < as_size(count)) rounded_.resize(as_size(count));
  round_activations(x, rounded_.data(), count);
  return rounded_.data();
}

void Session::project(const Matrix& matrix, const float* x, float* y, int64_t n) {
  const float* const seen = operand(matrix, x, n);
  pool_.run(matrix.rows, kRowGrain, [&](int32_t, kernels::Range rows) {
    kernels::qmatmul(matrix.type, matrix.data, seen, y, matrix.rows, matrix.columns, n, rows);
  });
}

/// stream += matrix * x
void Session::add_projection(const Matrix& matrix, const float* x, int64_t n) {
  project(matrix, x, projected_.data(), n);
  const size_t count = as_size(n * config_.width);
  for (size_t i = 0; i < count; ++i) stream_[i] += projected_[i];
}

int32_t argmax(const float* values, int64_t count) {
  int64_t best = 0;
  for (int64_t i = 1; i < count; ++i)
    if (values[i] > values[best] || (std::isnan(values[best]) && !std::isnan(values[i]))) best = i;
  return static_cast<int32_t>(best);
}

}  // namespace aestus

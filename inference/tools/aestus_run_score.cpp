// What a model says about given tokens: log-probabilities, largest logits, digests.
#include "aestus_run_score.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "math/elementary.h"

namespace aestus::tools {
namespace {

constexpr int64_t kSlice = 64;  // positions whose logits are held at once: 12 MiB for 49,152 tokens

/// log(softmax(logits)[token]) in double; own exp and log, so the same on every platform.
double log_probability(const float* logits, int64_t vocab, int32_t token) {
  const auto peak = static_cast<double>(*std::max_element(logits, logits + vocab));
  double sum = 0;
  for (int64_t i = 0; i < vocab; ++i) sum += math::exp64(static_cast<double>(logits[i]) - peak);
  return static_cast<double>(logits[token]) - peak - math::log64(sum);
}

double gap_below(const float* logits, int64_t vocab, int32_t top) {
  float second = -std::numeric_limits<float>::infinity();
  for (int64_t i = 0; i < vocab; ++i)
    if (i != top && logits[i] > second) second = logits[i];
  return static_cast<double>(logits[top]) - static_cast<double>(second);
}

}  // namespace

std::string digest_of(const float* values, int64_t count) {
  uint64_t hash = 0xCBF29CE484222325ull;
  for (int64_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, values + i, sizeof bits);
    for (int shift = 0; shift < 32; shift += 8)
      hash = (hash ^ (bits >> shift & 0xFF)) * 0x100000001B3ull;
  }
  char text[17];
  std::snprintf(text, sizeof text, "%08x%08x", static_cast<unsigned>(hash >> 32),
                static_cast<unsigned>(hash & 0xFFFFFFFFu));
  return text;
}

void score(Session* session, const Config& config, const int32_t* ids, int64_t count,
           int64_t first_scored, int64_t offset, Scores* scores) {
  session->reset();
  if (first_scored > 0) session->eval(ids, first_scored, nullptr, false);
  std::vector<float> logits(static_cast<size_t>(kSlice * config.vocab));
  const int64_t end = count - 1;  // the last token has no known successor
  for (int64_t at = first_scored; at < end; at += kSlice) {
    const int64_t slice = std::min(kSlice, end - at);
    session->eval(ids + at, slice, logits.data(), true);
    for (int64_t i = 0; i < slice; ++i) {
      const float* const row = logits.data() + i * config.vocab;
      const int32_t top = argmax(row, config.vocab);
      scores->position.push_back(offset + at + i);
      scores->next.push_back(ids[at + i + 1]);
      scores->logprob.push_back(log_probability(row, config.vocab, ids[at + i + 1]));
      scores->top1.push_back(top);
      scores->gap.push_back(gap_below(row, config.vocab, top));
      scores->digest.push_back(digest_of(row, config.vocab));
    }
  }
}

}  // namespace aestus::tools

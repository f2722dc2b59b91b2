// What a model says about given tokens: log-probabilities, largest logits, digests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/session.h"

namespace aestus::tools {

/// Columns over the scored positions of a text. Position p predicts token p + 1.
struct Scores {
  std::vector<int64_t> position;    // in the text
  std::vector<int32_t> next;        // the token that follows
  std::vector<double> logprob;      // natural logarithm of its probability
  std::vector<int32_t> top1;        // the token of the largest logit
  std::vector<double> gap;          // largest minus second largest logit
  std::vector<std::string> digest;  // FNV-1a 64 of the bits of all logits, in hex
};

/// Feed `count` tokens to a fresh sequence and append the scores of the positions from
/// `first_scored` to `count` - 2. `offset` is the place of ids[0] in the text.
void score(Session* session, const Config& config, const int32_t* ids, int64_t count,
           int64_t first_scored, int64_t offset, Scores* scores);

std::string digest_of(const float* values, int64_t count);

}  // namespace aestus::tools

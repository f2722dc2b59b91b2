// The shape of a Llama model, read from GGUF metadata and checked.
#pragma once

#include <cstdint>

#include "gguf/document.h"

namespace aestus {

struct Config {
  int64_t layers;
  int64_t width;     // of the residual stream
  int64_t hidden;    // of the feed-forward network
  int64_t heads;
  int64_t kv_heads;  // divides heads
  int64_t head_dim;  // even
  int64_t context;   // the longest sequence the model was trained for
  int64_t vocab;
  float rms_epsilon;
  float rope_base;

  int64_t query_width() const { return heads * head_dim; }
  int64_t kv_width() const { return kv_heads * head_dim; }
};

/// Throws Error (FORMAT: out of range; UNSUPPORTED: another architecture or a variant of it).
Config read_config(const gguf::Document& document);

}  // namespace aestus

// The tensors of a Llama model by their role; views into the mapped file.
#pragma once

#include <cstdint>
#include <vector>

#include "gguf/document.h"
#include "kernels/kernels.h"
#include "model/config.h"

namespace aestus {

struct Matrix {  // [rows, columns], row-major, y = W x
  kernels::QType type;
  const uint8_t* data;
  int64_t rows;
  int64_t columns;
};

struct Layer {
  const float* attention_norm;  // [width]
  Matrix query;                 // [query_width, width]
  Matrix key;                   // [kv_width, width]
  Matrix value;                 // [kv_width, width]
  Matrix output;                // [width, query_width]
  const float* hidden_norm;     // [width]
  Matrix gate;                  // [hidden, width]
  Matrix up;                    // [hidden, width]
  Matrix down;                  // [width, hidden]
};

struct Weights {
  Matrix embedding;  // [vocab, width]
  Matrix logits;     // [vocab, width]; the embedding itself when the file ties them
  const float* final_norm;  // [width]
  std::vector<Layer> layers;
  int64_t bytes;  // of all tensors
};

/// Finds every tensor, checks its shape against `config` and sets config->vocab. Throws Error:
/// FORMAT for a missing or misshapen tensor, UNSUPPORTED for one this decoder would ignore.
Weights read_weights(const gguf::Document& document, Config* config);

}  // namespace aestus

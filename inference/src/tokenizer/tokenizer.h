// Text to token ids and back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/vocabulary.h"

namespace aestus {

/// Whether text such as "<|im_end|>" becomes the control token or plain characters. Data that
/// others wrote must not: it could end a turn.
enum class Specials { AsText, Parsed };

class Tokenizer {
 public:
  explicit Tokenizer(const gguf::Document& document) : vocabulary_(document) {}
  const Vocabulary& vocabulary() const { return vocabulary_; }

  /// Any bytes are accepted; bytes that are not UTF-8 are kept as symbols.
  std::vector<int32_t> encode(std::string_view text, Specials specials) const;
  /// Throws Error (ARGUMENT) on an id outside the vocabulary.
  std::string decode(const int32_t* ids, int64_t count) const;

 private:
  int32_t special_at(std::string_view text, size_t at) const;

  Vocabulary vocabulary_;
};

}  // namespace aestus

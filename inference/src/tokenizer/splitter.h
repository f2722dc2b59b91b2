// Cuts text into the words that byte-level BPE works on.
#pragma once

#include <cstddef>
#include <string_view>

namespace aestus {

/// The expression of GPT-2 applied to the text between digits:
///   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
/// With `split_digits` (pre = smollm) every number character is first cut out as a word of its
/// own, and what lies between two of them is matched as if it were the whole text.
/// A byte that is not UTF-8 counts as a symbol and stays what it is.
class Splitter {
 public:
  Splitter(std::string_view text, bool split_digits) : text_(text), split_digits_(split_digits) {}

  /// The next word, empty at the end.
  std::string_view next();

 private:
  size_t match(size_t at) const;
  size_t match_contraction(size_t at) const;
  size_t match_spaces(size_t at) const;
  void find_segment();

  std::string_view text_;
  bool split_digits_;
  size_t at_ = 0;
  size_t segment_end_ = 0;
};

}  // namespace aestus

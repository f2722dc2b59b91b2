// Byte-pair merging of one word.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenizer/vocabulary.h"

namespace aestus {

class Merger {
 public:
  explicit Merger(const Vocabulary& vocabulary) : vocabulary_(vocabulary) {}

  /// Append the tokens of `word` to `ids`: always merge the neighbours of lowest rank, the
  /// leftmost of equals. A byte without a token vanishes, as in the reference tokenizer.
  /// O(n log n) in the bytes of the word.
  void encode(std::string_view word, std::vector<int32_t>* ids);

 private:
  struct Symbol {
    int32_t id;  // kNoToken: merged into its left neighbour
    int32_t previous;
    int32_t next;
  };
  struct Candidate {
    uint32_t rank;
    int32_t left;  // index of a symbol
    int32_t left_id;
    int32_t right_id;  // with left_id: tells a candidate whose symbols have changed
    int32_t merged;
    bool operator<(const Candidate& other) const {  // the heap's top is the greatest
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };
  void consider(int32_t left);

  const Vocabulary& vocabulary_;
  std::vector<Symbol> symbols_;
  std::vector<Candidate> heap_;
};

}  // namespace aestus

// The tokens and merges of a GGUF, checked and indexed once when the model opens.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/document.h"

namespace aestus {

constexpr int32_t kNoToken = -1;

/// Numbers of GGUF's tokenizer.ggml.token_type.
enum class TokenKind : uint8_t { Normal = 1, Unknown, Control, UserDefined, Unused, Byte };

class Vocabulary {
 public:
  /// Reads tokenizer.ggml.*; views into the mapped file stay valid with `document`.
  /// Throws Error (FORMAT, UNSUPPORTED) naming the key, the index and the text.
  explicit Vocabulary(const gguf::Document& document);

  int64_t size() const { return static_cast<int64_t>(texts_.size()); }
  bool splits_digits() const { return splits_digits_; }
  bool adds_bos() const { return adds_bos_; }
  int32_t bos() const { return bos_; }
  int32_t eos() const { return eos_; }
  TokenKind kind(int32_t id) const { return kinds_[static_cast<size_t>(id)]; }
  /// The token that stands for one byte, kNoToken when the vocabulary has none.
  int32_t byte_token(uint8_t byte) const { return byte_tokens_[byte]; }
  /// The bytes a token stands for; the literal text of a special one.
  std::string_view bytes(int32_t id) const;
  /// Ids of control and user-defined tokens, longest text first.
  const std::vector<int32_t>& specials() const { return specials_; }

  struct Merge {
    uint32_t rank;  // the lower, the earlier
    int32_t merged;
  };
  /// The merge of two neighbours, null when there is none.
  const Merge* find_merge(int32_t left, int32_t right) const;

 private:
  struct MergeSlot {
    uint64_t key = 0;  // left << 32 | right, plus 1; 0 is an empty slot
    Merge merge{0, kNoToken};
  };

  void read_tokens(const gguf::Document& document);
  void read_kinds(const gguf::Document& document);
  void index_texts(const gguf::Document& document);
  void decode_texts(const gguf::Document& document);
  void read_merges(const gguf::Document& document);
  void read_specials(const gguf::Document& document);
  int32_t special_at(const gguf::Document& document, std::string_view key) const;
  int32_t find_text(std::string_view text) const;
  bool insert_merge(uint64_t key, Merge merge);

  std::vector<std::string_view> texts_;
  std::vector<TokenKind> kinds_;
  std::vector<int32_t> text_slots_;     // open addressing over texts_, a power of two
  std::vector<MergeSlot> merge_slots_;  // open addressing, a power of two
  std::string decoded_;                 // bytes of all tokens, one after the other
  std::vector<uint32_t> decoded_begin_; // size() + 1 offsets into decoded_
  std::array<int32_t, 256> byte_tokens_{};
  std::vector<int32_t> specials_;
  bool splits_digits_ = false;
  bool adds_bos_ = false;
  int32_t bos_ = kNoToken;
  int32_t eos_ = kNoToken;
};

}  // namespace aestus

// The tokens and merges of a GGUF, checked and indexed once when the model opens.
#include "tokenizer/vocabulary.h"

#include <algorithm>

#include "base/status.h"
#include "gguf/quoted.h"
#include "tokenizer/unicode.h"

namespace aestus {
namespace {

constexpr char kTokens[] = "tokenizer.ggml.tokens";
constexpr char kMerges[] = "tokenizer.ggml.merges";
constexpr char kKinds[] = "tokenizer.ggml.token_type";
constexpr uint64_t kMaxTokens = 1u << 22;
constexpr uint64_t kMaxTokenBytes = 1u << 12;

/// GPT-2's alphabet: printable bytes stand for themselves, the others for U+0100 onward.
struct Alphabet {
  static constexpr uint32_t kEnd = 0x144;
  std::array<int16_t, kEnd> byte_of;
  Alphabet() {
    byte_of.fill(-1);
    uint32_t next = 0x100;
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
      byte_of[printable ? byte : next++] = static_cast<int16_t>(byte);
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet instance;
  return instance;
}

size_t slot_count(size_t entries) {
  size_t slots = 16;
  while (slots < 2 * entries) slots *= 2;
  return slots;
}

uint64_t mixed(uint64_t key) {  // splitmix64's finaliser
  key = (key ^ (key >> 30)) * 0xBF58476D1CE4E5B9ull;
  key = (key ^ (key >> 27)) * 0x94D049BB133111EBull;
  return key ^ (key >> 31);
}

uint64_t hash_text(std::string_view text) {  // FNV-1a
  uint64_t hash = 0xCBF29CE484222325ull;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ull;
  return mixed(hash);
}

uint64_t merge_key(int32_t left, int32_t right) {
  return (static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 |
          static_cast<uint32_t>(right)) + 1;
}

std::string item(size_t index, std::string_view text) {
  return "item " + std::to_string(index) + " (" + quoted(text) + ") ";
}

}  // namespace

Vocabulary::Vocabulary(const gguf::Document& document) {
  const std::string_view model = document.text_at("tokenizer.ggml.model");
  const std::string_view pre = document.text_or("tokenizer.ggml.pre", "gpt-2");
  if (model != "gpt2" || (pre != "smollm" && pre != "gpt-2"))
    throw Error(AESTUS_ERR_UNSUPPORTED,
                document.name() + ": tokenizer model " + quoted(model) + " with pre " +
                    quoted(pre) + "; supported are 'gpt2' with 'smollm' or 'gpt-2'");
  splits_digits_ = pre == "smollm";
  read_tokens(document);
  read_kinds(document);
  index_texts(document);
  decode_texts(document);
  read_merges(document);
  read_specials(document);
}

void Vocabulary::read_tokens(const gguf::Document& document) {
  texts_ = document.texts_at(kTokens);
  if (texts_.empty() || texts_.size() > kMaxTokens)
    document.refuse_key(kTokens, "has " + std::to_string(texts_.size()) +
                                     " items, allowed are 1 to " + std::to_string(kMaxTokens));
  for (size_t i = 0; i < texts_.size(); ++i) {
    if (texts_[i].empty()) document.refuse_key(kTokens, item(i, texts_[i]) + "is empty");
    if (texts_[i].size() > kMaxTokenBytes)
      document.refuse_key(kTokens, item(i, texts_[i]) + "has more than " +
                                       std::to_string(kMaxTokenBytes) + " bytes");
  }
}

void Vocabulary::read_kinds(const gguf::Document& document) {
  kinds_.assign(texts_.size(), TokenKind::Normal);
  if (document.find(kKinds) == nullptr) return;
  const std::vector<int32_t> kinds = document.integers_at(kKinds);
  if (kinds.size() != texts_.size())
    document.refuse_key(kKinds, "has " + std::to_string(kinds.size()) + " items for " +
                                    std::to_string(texts_.size()) + " tokens");
  for (size_t i = 0; i < kinds.size(); ++i) {
    if (kinds[i] < static_cast<int32_t>(TokenKind::Normal) ||
        kinds[i] > static_cast<int32_t>(TokenKind::Byte))
      document.refuse_key(kKinds, item(i, texts_[i]) + "has the unknown token type " +
                                      std::to_string(kinds[i]));
    kinds_[i] = static_cast<TokenKind>(kinds[i]);
    if (kinds_[i] == TokenKind::Control || kinds_[i] == TokenKind::UserDefined)
      specials_.push_back(static_cast<int32_t>(i));
  }
  std::stable_sort(specials_.begin(), specials_.end(), [this](int32_t a, int32_t b) {
    return texts_[static_cast<size_t>(a)].size() > texts_[static_cast<size_t>(b)].size();
  });
}

void Vocabulary::index_texts(const gguf::Document& document) {
  text_slots_.assign(slot_count(texts_.size()), kNoToken);
  const size_t mask = text_slots_.size() - 1;
  for (size_t id = 0; id < texts_.size(); ++id) {
    size_t slot = hash_text(texts_[id]) & mask;
    while (text_slots_[slot] != kNoToken) {
      if (texts_[static_cast<size_t>(text_slots_[slot])] == texts_[id])
        document.refuse_key(kTokens, item(id, texts_[id]) + "repeats item " +
                                         std::to_string(text_slots_[slot]));
      slot = (slot + 1) & mask;
    }
    text_slots_[slot] = static_cast<int32_t>(id);
  }
}

int32_t Vocabulary::find_text(std::string_view text) const {
  const size_t mask = text_slots_.size() - 1;
  size_t slot = hash_text(text) & mask;
  while (text_slots_[slot] != kNoToken) {
    if (texts_[static_cast<size_t>(text_slots_[slot])] == text) return text_slots_[slot];
    slot = (slot + 1) & mask;
  }
  return kNoToken;
}

void Vocabulary::decode_texts(const gguf::Document& document) {
  byte_tokens_.fill(kNoToken);
  decoded_begin_.reserve(texts_.size() + 1);
  for (size_t id = 0; id < texts_.size(); ++id) {
    const size_t begin = decoded_.size();
    decoded_begin_.push_back(static_cast<uint32_t>(begin));  // 2^22 tokens of 2^12 bytes: < 2^34
    if (kinds_[id] != TokenKind::Normal) {
      decoded_ += texts_[id];
    } else {
      for (size_t at = 0; at < texts_[id].size();) {
        const Decoded c = decode_utf8(texts_[id], at);
        const bool known = c.is_valid && c.code_point < Alphabet::kEnd;
        const int byte = known ? alphabet().byte_of[c.code_point] : -1;
        if (byte < 0)
          document.refuse_key(kTokens, item(id, texts_[id]) + "is not written in the byte alphabet");
        decoded_.push_back(static_cast<char>(byte));
        at += c.length;
      }
      if (decoded_.size() == begin + 1)
        byte_tokens_[static_cast<unsigned char>(decoded_[begin])] = static_cast<int32_t>(id);
    }
    if (decoded_.size() > UINT32_MAX) document.refuse_key(kTokens, "holds more than 4 GiB of text");
  }
  decoded_begin_.push_back(static_cast<uint32_t>(decoded_.size()));
}

std::string_view Vocabulary::bytes(int32_t id) const {
  const uint32_t begin = decoded_begin_[static_cast<size_t>(id)];
  return std::string_view(decoded_).substr(begin,
                                           decoded_begin_[static_cast<size_t>(id) + 1] - begin);
}

void Vocabulary::read_merges(const gguf::Document& document) {
  const std::vector<std::string_view> lines = document.texts_at(kMerges);
  if (lines.size() > kMaxTokens)
    document.refuse_key(kMerges, "has " + std::to_string(lines.size()) + " items, more than " +
                                     std::to_string(kMaxTokens));
  merge_slots_.assign(slot_count(lines.size()), MergeSlot{});
  std::string joined;
  for (size_t rank = 0; rank < lines.size(); ++rank) {
    const std::string_view line = lines[rank];
    const size_t space = line.find(' ', 1);  // neither part is empty
    if (line.size() < 3 || space == std::string_view::npos || space + 1 == line.size())
      document.refuse_key(kMerges, item(rank, line) + "is not two tokens with a space between");
    joined.assign(line.substr(0, space)).append(line.substr(space + 1));
    const int32_t left = find_text(line.substr(0, space));
    const int32_t right = find_text(line.substr(space + 1));
    const int32_t merged = find_text(joined);
    if (left == kNoToken || right == kNoToken || merged == kNoToken)
      document.refuse_key(kMerges, item(rank, line) + "names a token that is not in " + kTokens);
    if (!insert_merge(merge_key(left, right), {static_cast<uint32_t>(rank), merged}))
      document.refuse_key(kMerges, item(rank, line) + "appears twice");
  }
}

bool Vocabulary::insert_merge(uint64_t key, Merge merge) {
  const size_t mask = merge_slots_.size() - 1;
  size_t slot = mixed(key) & mask;
  while (merge_slots_[slot].key != 0) {
    if (merge_slots_[slot].key == key) return false;
    slot = (slot + 1) & mask;
  }
  merge_slots_[slot] = {key, merge};
  return true;
}

const Vocabulary::Merge* Vocabulary::find_merge(int32_t left, int32_t right) const {
  const uint64_t key = merge_key(left, right);
  const size_t mask = merge_slots_.size() - 1;
  for (size_t slot = mixed(key) & mask; merge_slots_[slot].key != 0; slot = (slot + 1) & mask)
    if (merge_slots_[slot].key == key) return &merge_slots_[slot].merge;
  return nullptr;
}

int32_t Vocabulary::special_at(const gguf::Document& document, std::string_view key) const {
  if (document.find(key) == nullptr) return kNoToken;
  const uint64_t id = document.unsigned_at(key);
  if (id >= texts_.size())
    document.refuse_key(key, "is " + std::to_string(id) + ", the vocabulary has " +
                                 std::to_string(texts_.size()) + " tokens");
  return static_cast<int32_t>(id);
}

void Vocabulary::read_specials(const gguf::Document& document) {
  bos_ = special_at(document, "tokenizer.ggml.bos_token_id");
  eos_ = special_at(document, "tokenizer.ggml.eos_token_id");
  adds_bos_ = document.flag_or("tokenizer.ggml.add_bos_token", false);
  if (adds_bos_ && bos_ == kNoToken)
    document.refuse_key("tokenizer.ggml.add_bos_token", "is true, but there is no bos_token_id");
}

}  // namespace aestus

// Text to token ids and back.
#include "tokenizer/tokenizer.h"

#include "base/status.h"
#include "tokenizer/merger.h"
#include "tokenizer/splitter.h"

namespace aestus {

std::vector<int32_t> Tokenizer::encode(std::string_view text, Specials specials) const {
  std::vector<int32_t> ids;
  Merger merger(vocabulary_);
  const auto encode_plain = [&](std::string_view plain) {
    Splitter splitter(plain, vocabulary_.splits_digits());
    for (std::string_view word = splitter.next(); !word.empty(); word = splitter.next())
      merger.encode(word, &ids);
  };
  if (vocabulary_.adds_bos()) ids.push_back(vocabulary_.bos());
  size_t begin = 0;
  for (size_t at = 0; specials == Specials::Parsed && at < text.size();) {
    const int32_t id = special_at(text, at);
    if (id == kNoToken) {
      ++at;
      continue;
    }
    encode_plain(text.substr(begin, at - begin));
    ids.push_back(id);
    at += vocabulary_.bytes(id).size();
    begin = at;
  }
  encode_plain(text.substr(begin));
  return ids;
}

/// The longest special token that begins at `at`.
int32_t Tokenizer::special_at(std::string_view text, size_t at) const {
  for (const int32_t id : vocabulary_.specials()) {
    const std::string_view special = vocabulary_.bytes(id);
    if (text.compare(at, special.size(), special) == 0) return id;
  }
  return kNoToken;
}

std::string Tokenizer::decode(const int32_t* ids, int64_t count) const {
  std::string text;
  for (int64_t i = 0; i < count; ++i) {
    if (ids[i] < 0 || ids[i] >= vocabulary_.size())
      throw Error(AESTUS_ERR_ARGUMENT, "token " + std::to_string(i) + " is " +
                                           std::to_string(ids[i]) + ", outside 0 to " +
                                           std::to_string(vocabulary_.size() - 1));
    text += vocabulary_.bytes(ids[i]);
  }
  return text;
}

}  // namespace aestus

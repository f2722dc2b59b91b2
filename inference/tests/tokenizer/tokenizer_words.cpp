// Byte-level BPE against ids which Hugging Face `tokenizers` made from the same vocabulary.
#include <gtest/gtest.h>

#include "base/status.h"
#include "model/model.h"
#include "synthetic_gguf.h"
#include "tokenizer/splitter.h"
#include "tokenizer/unicode.h"

namespace {

using aestus::CharClass;
using aestus::Specials;

class Tokenizing : public testing::Test {
 protected:
  std::vector<int32_t> encode(const std::string& text, Specials specials = Specials::AsText) {
    return model_.tokenizer().encode(text, specials);
  }
  std::string decode(const std::vector<int32_t>& ids) {
    return model_.tokenizer().decode(ids.data(), static_cast<int64_t>(ids.size()));
  }

  const std::vector<uint8_t> file_ = aestus::tools::synthetic_gguf();
  const aestus::Model model_{"synthetic", file_.data(), file_.size()};
};

#include "tokenizer_goldens.inc"

TEST_F(Tokenizing, IdsAreThoseOfHuggingFace) {
  for (const TokenizerGolden& golden : kTokenizerGoldens)
    EXPECT_EQ(encode(golden.text), golden.ids) << golden.text;
}

TEST_F(Tokenizing, EveryByteComesBack) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(decode(encode(all)), all);
  EXPECT_EQ(decode(encode(all + all)), all + all);
}

TEST_F(Tokenizing, BrokenUtf8IsKept) {
  for (const char* text : {"\xC3", "a\xE2\x82z", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xC0\xAF x"})
    EXPECT_EQ(decode(encode(text)), text);
}

TEST_F(Tokenizing, SpecialsAreParsedOnlyOnRequest) {
  EXPECT_EQ(encode("a<|end|>b", Specials::Parsed), (std::vector<int32_t>{68 + 31, 0, 68 + 32}));
  EXPECT_EQ(encode("<|end|>").size(), 7u);
  EXPECT_EQ(decode({1, 0}), "<|start|><|end|>");
}

TEST_F(Tokenizing, IdOutsideTheVocabularyIsRefused) {
  EXPECT_THROW(decode({266}), aestus::Error);
  EXPECT_THROW(decode({-1}), aestus::Error);
}

std::vector<std::string> words_of(const std::string& text, bool split_digits) {
  std::vector<std::string> words;
  aestus::Splitter splitter(text, split_digits);
  for (std::string_view word = splitter.next(); !word.empty(); word = splitter.next())
    words.emplace_back(word);
  return words;
}

TEST(Splitter, FollowsTheExpression) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(words_of("it's  1,024 km", true),
            (Words{"it", "'s", "  ", "1", ",", "0", "2", "4", " km"}));
  EXPECT_EQ(words_of("it's  1,024 km", false), (Words{"it", "'s", " ", " 1", ",", "024", " km"}));
  EXPECT_EQ(words_of("a \n b\t", true), (Words{"a", " \n", " b", "\t"}));
  EXPECT_EQ(words_of("'S 'll", true), (Words{"'", "S", " '", "ll"}));
}

TEST(Unicode, ClassesAtTheEdgesOfTheTables) {
  EXPECT_EQ(aestus::char_class(0xAA), CharClass::Letter);
  EXPECT_EQ(aestus::char_class(0x3000), CharClass::Space);
  EXPECT_EQ(aestus::char_class(0xBD), CharClass::Number);
  EXPECT_EQ(aestus::char_class(0x10FFFF), CharClass::Other);
  EXPECT_EQ(aestus::char_class(0x0301), CharClass::Other);
  EXPECT_EQ(aestus::char_class(0x1C89), CharClass::Letter);  // new in Unicode 16
}

}  // namespace

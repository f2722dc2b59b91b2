// UTF-8 decoding and the character classes which the pre-tokenizer asks for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace aestus {

enum class CharClass : uint8_t { Other, Letter, Number, Space };

struct CodePointRange {
  uint32_t first;
  uint32_t last;  // inclusive
};
extern const CodePointRange kLetters[];
extern const size_t kLettersCount;
extern const CodePointRange kNumbers[];
extern const size_t kNumbersCount;
extern const CodePointRange kSpaces[];
extern const size_t kSpacesCount;

CharClass char_class(uint32_t code_point);

struct Decoded {
  uint32_t code_point;
  uint32_t length;  // bytes, 1 to 4
  bool is_valid;    // false: one byte that begins no well-formed sequence
};

/// The code point at `text[at]` by Unicode table 3-7 (no surrogates, no overlong forms).
Decoded decode_utf8(std::string_view text, size_t at);

void append_utf8(uint32_t code_point, std::string* out);

}  // namespace aestus

// UTF-8 decoding and the character classes which the pre-tokenizer asks for.
#include "tokenizer/unicode.h"

#include <algorithm>

namespace aestus {
namespace {

bool contains(const CodePointRange* ranges, size_t count, uint32_t code_point) {
  const CodePointRange* end = ranges + count;
  const CodePointRange* found =
      std::lower_bound(ranges, end, code_point,
                       [](const CodePointRange& range, uint32_t c) { return range.last < c; });
  return found != end && found->first <= code_point;
}

}  // namespace

CharClass char_class(uint32_t c) {
  if (c < 0x80) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return CharClass::Letter;
    if (c >= '0' && c <= '9') return CharClass::Number;
    return c == ' ' || (c >= '\t' && c <= '\r') ? CharClass::Space : CharClass::Other;
  }
  if (contains(kLetters, kLettersCount, c)) return CharClass::Letter;
  if (contains(kNumbers, kNumbersCount, c)) return CharClass::Number;
  return contains(kSpaces, kSpacesCount, c) ? CharClass::Space : CharClass::Other;
}

Decoded decode_utf8(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const uint32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const Decoded bad{0xFFFD, 1, false};
  const uint32_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || length > text.size() - at) return bad;
  uint32_t code_point = lead & (0x7Fu >> length);
  for (uint32_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return bad;
    code_point = code_point << 6 | (byte(i) & 0x3Fu);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code_point >= 0xD800 && code_point < 0xE000;
  if (code_point < kSmallest[length] || code_point > 0x10FFFF || surrogate) return bad;
  return {code_point, length, true};
}

void append_utf8(uint32_t c, std::string* out) {
  const auto put = [&](uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xC0 | c >> 6);
  } else {
    if (c < 0x10000) {
      put(0xE0 | c >> 12);
    } else {
      put(0xF0 | c >> 18);
      put(0x80 | (c >> 12 & 0x3F));
    }
    put(0x80 | (c >> 6 & 0x3F));
  }
  put(0x80 | (c & 0x3F));
}

}  // namespace aestus

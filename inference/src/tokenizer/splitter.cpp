// Cuts text into the words that byte-level BPE works on.
#include "tokenizer/splitter.h"

#include "tokenizer/unicode.h"

namespace aestus {
namespace {

struct Unit {
  CharClass kind;
  size_t length;
};

Unit unit_at(std::string_view text, size_t at) {
  const Decoded decoded = decode_utf8(text, at);
  if (!decoded.is_valid) return {CharClass::Other, 1};
  return {char_class(decoded.code_point), decoded.length};
}

/// End of the run of `kind` that begins at `at`.
size_t run_end(std::string_view text, size_t at, size_t end, CharClass kind) {
  while (at < end) {
    const Unit unit = unit_at(text, at);
    if (unit.kind != kind) break;
    at += unit.length;
  }
  return at;
}

}  // namespace

std::string_view Splitter::next() {
  if (at_ >= text_.size()) return {};
  if (at_ >= segment_end_) find_segment();
  const size_t begin = at_;
  at_ = match(begin);
  return text_.substr(begin, at_ - begin);
}

void Splitter::find_segment() {
  if (!split_digits_) {
    segment_end_ = text_.size();
    return;
  }
  const Unit first = unit_at(text_, at_);
  segment_end_ = at_ + first.length;
  if (first.kind == CharClass::Number) return;
  while (segment_end_ < text_.size()) {
    const Unit unit = unit_at(text_, segment_end_);
    if (unit.kind == CharClass::Number) return;
    segment_end_ += unit.length;
  }
}

size_t Splitter::match(size_t at) const {
  const size_t contraction = match_contraction(at);
  if (contraction != at) return contraction;
  // " ?" : one space, and only U+0020, may precede a run of letters, numbers or symbols.
  const size_t body = text_[at] == ' ' ? at + 1 : at;
  if (body < segment_end_) {
    const CharClass kind = unit_at(text_, body).kind;
    if (kind != CharClass::Space) return run_end(text_, body, segment_end_, kind);
  }
  return match_spaces(at);
}

size_t Splitter::match_contraction(size_t at) const {
  if (text_[at] != '\'') return at;
  const std::string_view rest = text_.substr(at + 1, segment_end_ - at - 1);
  for (const std::string_view suffix : {"s", "t", "re", "ve", "m", "ll", "d"})
    if (rest.substr(0, suffix.size()) == suffix) return at + 1 + suffix.size();
  return at;
}

size_t Splitter::match_spaces(size_t at) const {
  size_t last = at;  // begin of the last space of the run
  size_t end = at;
  while (end < segment_end_) {
    const Unit unit = unit_at(text_, end);
    if (unit.kind != CharClass::Space) break;
    last = end;
    end += unit.length;
  }
  // \s+(?!\S) leaves the last space to the word that follows; \s+ takes a single one.
  const bool followed = end < segment_end_;
  return followed && last > at ? last : end;
}

}  // namespace aestus

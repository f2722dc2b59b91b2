// A JSON writer for the results of the tools: shortest digits that read back as the same number.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/status.h"
#include "tokenizer/unicode.h"

namespace aestus::tools {

class Json {
 public:
  Json& begin_object() { return open('{'); }
  Json& end_object() { return close('}'); }
  Json& begin_array() { return open('['); }
  Json& end_array() { return close(']'); }

  Json& key(std::string_view name) {
    value(name);
    text_ += ':';
    needs_comma_ = false;
    return *this;
  }

  Json& value(std::string_view text) {
    separate();
    text_ += '"';
    for (size_t at = 0; at < text.size();) {
      const Decoded decoded = decode_utf8(text, at);
      append_escaped(decoded, text.substr(at, decoded.length));
      at += decoded.length;
    }
    text_ += '"';
    return *this;
  }
  Json& value(const char* text) { return value(std::string_view(text)); }
  Json& value(bool holds) {
    separate();
    text_ += holds ? "true" : "false";
    return *this;
  }
  template <typename Number, std::enable_if_t<std::is_arithmetic_v<Number>, int> = 0>
  Json& value(Number number) {
    if constexpr (std::is_floating_point_v<Number>) {
      // JSON has no number for these.
      if (std::isnan(number)) return value("NaN");
      if (std::isinf(number)) return value(number > 0 ? "Infinity" : "-Infinity");
    }
    separate();
    char digits[64];
    const std::to_chars_result end = std::to_chars(digits, digits + sizeof digits, number);
    text_.append(digits, end.ptr);
    return *this;
  }

  template <typename Value>
  Json& member(std::string_view name, const Value& item) {
    return key(name).value(item);
  }
  template <typename Sequence>
  Json& array(std::string_view name, const Sequence& items) {
    key(name).begin_array();
    for (const auto& item : items) value(item);
    return end_array();
  }

  /// Write to `path`, to standard output when it is empty.
  void write(const std::string& path) const {
    if (path.empty()) {
      std::fwrite(text_.data(), 1, text_.size(), stdout);
      std::fputc('\n', stdout);
      return;
    }
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << text_ << '\n';
    file.close();
    if (!file) throw Error(AESTUS_ERR_IO, path + ": cannot write");
  }

 private:
  Json& open(char bracket) {
    separate();
    text_ += bracket;
    needs_comma_ = false;
    return *this;
  }
  Json& close(char bracket) {
    text_ += bracket;
    needs_comma_ = true;
    return *this;
  }
  void separate() {
    if (needs_comma_) text_ += ',';
    needs_comma_ = true;
  }
  /// A byte that is not UTF-8 becomes U+FFFD, so that the output is JSON for any input.
  void append_escaped(const Decoded& decoded, std::string_view source) {
    constexpr char kHex[] = "0123456789abcdef";
    const uint32_t c = decoded.code_point;
    if (!decoded.is_valid) {
      text_ += "\\ufffd";
    } else if (c < 0x20 || c == 0x7f) {
      text_ += std::string("\\u00") + kHex[c >> 4] + kHex[c & 15];
    } else {
      if (c == '"' || c == '\\') text_ += '\\';
      text_ += source;
    }
  }

  std::string text_;
  bool needs_comma_ = false;
};

}  // namespace aestus::tools

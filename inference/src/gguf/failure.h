// The one exception of model loading: a status of the C ABI with a sentence for people.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "aestus/aestus.h"

namespace aestus {

class Failure : public std::runtime_error {
 public:
  Failure(aestus_status status, const std::string& text)
      : std::runtime_error(text), status_(status) {}
  aestus_status status() const { return status_; }

 private:
  aestus_status status_;
};

/// Text from a file as it may be shown: control and non-ASCII bytes escaped, long text cut.
inline std::string quoted(std::string_view text) {
  constexpr size_t kShown = 64;
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "'";
  for (size_t i = 0; i < text.size() && i < kShown; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x20 && byte < 0x7f) {
      out += text[i];
    } else {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out + (text.size() > kShown ? "…'" : "'");
}

}  // namespace aestus

// A bounds-checked little-endian reader over a block of bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/status.h"
#include "gguf/quoted.h"

namespace aestus::gguf {

class Cursor {
 public:
  Cursor(const std::string& file, const uint8_t* bytes, size_t size)
      : file_(file), bytes_(bytes), size_(size) {}

  uint64_t offset() const { return offset_; }
  uint64_t left() const { return size_ - offset_; }
  const uint8_t* here() const { return bytes_ + offset_; }
  const std::string& file() const { return file_; }

  /// Step over `count` bytes which belong to `what`; throws FORMAT when the file ends before.
  const uint8_t* take(uint64_t count, const std::string& what) {
    if (count > left())
      refuse(what + " needs " + std::to_string(count) + " bytes, the file has " +
             std::to_string(left()) + " more");
    const uint8_t* at = here();
    offset_ += count;
    return at;
  }

  uint32_t u32(const std::string& what) { return number<uint32_t>(what); }
  uint64_t u64(const std::string& what) { return number<uint64_t>(what); }

  std::string_view text(uint64_t cap, const std::string& what) {
    const uint64_t length = u64("length of " + what);
    if (length > cap)
      refuse("length of " + what + " is " + std::to_string(length) + ", more than " +
             std::to_string(cap));
    return {reinterpret_cast<const char*>(take(length, what)), static_cast<size_t>(length)};
  }

  [[noreturn]] void refuse(const std::string& problem,
                           aestus_status status = AESTUS_ERR_FORMAT) const {
    throw Error(status, file_ + ": at byte " + std::to_string(offset_) + ": " + problem);
  }

 private:
  template <typename T>
  T number(const std::string& what) {
    const uint8_t* at = take(sizeof(T), what);
    T value = 0;
    for (size_t i = 0; i < sizeof(T); ++i) value |= static_cast<T>(at[i]) << (8 * i);
    return value;
  }

  const std::string& file_;
  const uint8_t* bytes_;
  uint64_t size_;
  uint64_t offset_ = 0;
};

/// a·b, or false when it exceeds 64 bits.
inline bool multiply(uint64_t a, uint64_t b, uint64_t* product) {
  return !__builtin_mul_overflow(a, b, product);
}

}  // namespace aestus::gguf

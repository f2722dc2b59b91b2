// A whole file mapped read-only into memory, on POSIX and Windows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace aestus {

class Mapping {
 public:
  /// Map `path`; throws Error (IO) with the system's reason, also for an empty file.
  explicit Mapping(const std::string& path);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace aestus

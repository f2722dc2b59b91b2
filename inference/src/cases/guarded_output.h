// An output buffer that shows reads and writes outside of it, also where no sanitizer exists (Wine).
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

namespace aestus::cases {

constexpr size_t kGuardBytes = 64;
constexpr uint8_t kGuardByte = 0xA5;
constexpr uint8_t kUnwritten = 0xFF;  // as f32: a NaN, so an element that was never written fails the comparison

class GuardedOutput {
   public:
    explicit GuardedOutput(int64_t floats)
        : floats_(static_cast<size_t>(floats)), bytes_(floats_ * sizeof(float) + 2 * kGuardBytes, kGuardByte) {
        std::memset(bytes_.data() + kGuardBytes, kUnwritten, floats_ * sizeof(float));
    }
    float* data() { return reinterpret_cast<float*>(bytes_.data() + kGuardBytes); }
    const float* data() const { return reinterpret_cast<const float*>(bytes_.data() + kGuardBytes); }
    int64_t size() const { return static_cast<int64_t>(floats_); }
    bool is_intact() const {
        for (size_t i = 0; i < kGuardBytes; ++i) {
            if (bytes_[i] != kGuardByte || bytes_[bytes_.size() - 1 - i] != kGuardByte) return false;
        }
        return true;
    }

   private:
    size_t floats_;
    std::vector<uint8_t> bytes_;
};

constexpr size_t kMargin = 132;

// kMargin bytes of 0xFF, the bytes, kMargin bytes of 0xFF.
std::vector<uint8_t> with_margins(const void* bytes, size_t count);

// An input with NaN margins (0xFF bytes) on both sides: a read beyond it poisons the output. The start is 4 bytes off
// a 64-byte line, so kernels that assume alignment fail here and not at a customer.
template <class T>
class MarginedInput {
   public:
    explicit MarginedInput(const std::vector<T>& values)
        : bytes_(with_margins(values.data(), values.size() * sizeof(T))) {}
    const T* data() const { return reinterpret_cast<const T*>(bytes_.data() + kMargin); }

   private:
    std::vector<uint8_t> bytes_;
};

}  // namespace aestus::cases

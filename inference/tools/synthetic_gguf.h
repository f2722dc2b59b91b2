// A tiny Llama model as a GGUF file in memory, for tests and fuzzing.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace aestus::tools {

/// Writes GGUF version 3 piece by piece. Keys go first, tensors after.
class GgufWriter {
 public:
  void key_u32(const std::string& name, uint32_t value);
  void key_f32(const std::string& name, float value);
  void key_text(const std::string& name, const std::string& value);
  void key_texts(const std::string& name, const std::vector<std::string>& values);
  void key_integers(const std::string& name, const std::vector<int32_t>& values);
  /// A key of any type: `payload` is written as it is.
  void key_raw(const std::string& name, uint32_t type, const std::string& payload);
  /// dims: fastest first.
  void tensor(const std::string& name, const std::vector<uint64_t>& dims, uint32_t type,
              const std::vector<uint8_t>& data);
  std::vector<uint8_t> finish(uint32_t version = 3) const;

 private:
  std::string keys_, tensors_;
  uint64_t key_count_ = 0, tensor_count_ = 0;
  std::vector<uint8_t> data_;
};

/// Sizes of the synthetic model; small, and each different from the others where that can be.
struct SyntheticShape {
  uint32_t layers = 2, width = 64, hidden = 96, heads = 4, kv_heads = 2, context = 64;
};

/// All keys of the model, then `change` may add more, then all tensors with fixed weights.
std::vector<uint8_t> synthetic_gguf(const SyntheticShape& shape = {},
                                    const std::function<void(GgufWriter*)>& change = nullptr);

}  // namespace aestus::tools

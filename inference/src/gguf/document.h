// A parsed GGUF file (versions 2 and 3): typed metadata and tensor descriptions that are
// views into the mapped bytes. Everything reachable from a Document has been bounds-checked.
//
// Layout, little-endian: magic 'GGUF' · version u32 · tensor count u64 · key count u64 ·
// keys (string name, u32 type, value) · tensors (string name, u32 n_dims, u64 dims[],
// u32 type, u64 offset) · padding to general.alignment · tensor data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace aestus::gguf {

// Caps: far above any real model, low enough that a hostile count cannot exhaust memory.
constexpr uint64_t kMaxKeys = 1u << 16;
constexpr uint64_t kMaxTensors = 1u << 16;
constexpr uint64_t kMaxNameBytes = 1u << 10;
constexpr uint64_t kMaxStringBytes = 1u << 24;
constexpr uint64_t kMaxArrayElements = 1u << 26;
constexpr int kMaxArrayDepth = 3;
constexpr uint32_t kMaxDims = 4;
constexpr uint64_t kMaxAlignment = 1u << 16;

enum class ValueType : uint32_t {
  U8 = 0, I8, U16, I16, U32, I32, F32, Bool, String, Array, U64, I64, F64,
};
const char* value_type_name(ValueType type);

struct Value {
  ValueType type;
  ValueType element = ValueType::U8;  // of an array
  uint64_t count = 1;                 // elements of an array
  const uint8_t* bytes = nullptr;     // of the value, or of the first element
  uint64_t offset = 0;                // in the file, for messages
};

/// Numbers of ggml for the tensor types that this library computes with.
enum class TensorType : uint32_t { F32 = 0, Q4_1 = 3, Q8_0 = 8 };

struct Tensor {
  std::string_view name;
  TensorType type;
  uint32_t n_dims;
  int64_t dims[kMaxDims];  // fastest first; unused ones are 1
  const uint8_t* data;
  uint64_t bytes;
  uint64_t offset;  // of the data in the file, for messages
};

class Document {
 public:
  /// Parse; `name` appears in messages, `bytes` must outlive the Document. Throws Error.
  Document(std::string name, const uint8_t* bytes, size_t size);

  const std::string& name() const { return name_; }
  const Value* find(std::string_view key) const;
  const Tensor* find_tensor(std::string_view name) const;
  const std::vector<Tensor>& tensors() const { return tensors_; }

  // Required values: throw Error (FORMAT) naming the key, its type and offset.
  uint64_t unsigned_at(std::string_view key) const;
  double real_at(std::string_view key) const;
  std::string_view text_at(std::string_view key) const;
  // Optional values: the fallback when the key is absent, never when it has the wrong type.
  uint64_t unsigned_or(std::string_view key, uint64_t fallback) const;
  double real_or(std::string_view key, double fallback) const;
  std::string_view text_or(std::string_view key, std::string_view fallback) const;
  bool flag_or(std::string_view key, bool fallback) const;
  std::vector<std::string_view> texts_at(std::string_view key) const;
  std::vector<int32_t> integers_at(std::string_view key) const;  // array of i32 or u32

  /// A Error (FORMAT) about one key: "<file>: key '<key>' <problem>".
  [[noreturn]] void refuse_key(std::string_view key, const std::string& problem) const;

 private:
  friend class Parser;
  const Value& required(std::string_view key) const;
  const Value& array_at(std::string_view key, ValueType element, ValueType other) const;

  std::string name_;
  std::unordered_map<std::string_view, Value> values_;
  std::vector<Tensor> tensors_;
  std::unordered_map<std::string_view, size_t> tensor_index_;
};

}  // namespace aestus::gguf

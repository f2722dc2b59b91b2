// Typed access to the metadata and tensors of a parsed GGUF file.
#include "gguf/document.h"

#include <cstring>

#include "base/status.h"
#include "gguf/quoted.h"
#include "gguf/parser.h"

namespace aestus::gguf {
namespace {

uint64_t little_endian(const uint8_t* bytes, size_t count) {
  uint64_t value = 0;
  for (size_t i = 0; i < count; ++i) value |= static_cast<uint64_t>(bytes[i]) << (8 * i);
  return value;
}

std::string_view string_at(const uint8_t* bytes) {
  const auto length = static_cast<size_t>(little_endian(bytes, 8));
  return {reinterpret_cast<const char*>(bytes + 8), length};
}

/// The value as an unsigned number, or false when its type or sign forbids that.
bool as_unsigned(const Value& value, uint64_t* out) {
  int64_t wide = 0;
  switch (value.type) {
    case ValueType::U8: *out = little_endian(value.bytes, 1); return true;
    case ValueType::U16: *out = little_endian(value.bytes, 2); return true;
    case ValueType::U32: *out = little_endian(value.bytes, 4); return true;
    case ValueType::U64: *out = little_endian(value.bytes, 8); return true;
    case ValueType::I8: wide = static_cast<int8_t>(value.bytes[0]); break;
    case ValueType::I16: wide = static_cast<int16_t>(little_endian(value.bytes, 2)); break;
    case ValueType::I32: wide = static_cast<int32_t>(little_endian(value.bytes, 4)); break;
    case ValueType::I64: wide = static_cast<int64_t>(little_endian(value.bytes, 8)); break;
    default: return false;
  }
  *out = static_cast<uint64_t>(wide);
  return wide >= 0;
}

bool as_real(const Value& value, double* out) {
  if (value.type == ValueType::F32) {
    const auto bits = static_cast<uint32_t>(little_endian(value.bytes, 4));
    float real;
    std::memcpy(&real, &bits, sizeof real);
    *out = static_cast<double>(real);
    return true;
  }
  if (value.type == ValueType::F64) {
    const uint64_t bits = little_endian(value.bytes, 8);
    std::memcpy(out, &bits, sizeof *out);
    return true;
  }
  return false;
}

std::string wrong_type(const Value& value, const char* wanted) {
  return std::string("has the type ") + value_type_name(value.type) + " at byte " +
         std::to_string(value.offset) + ", not " + wanted;
}

}  // namespace

const char* value_type_name(ValueType type) {
  constexpr const char* kNames[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                    "bool", "string", "array", "u64", "i64", "f64"};
  const auto index = static_cast<uint32_t>(type);
  return index <= static_cast<uint32_t>(ValueType::F64) ? kNames[index] : "unknown";
}

Document::Document(std::string name, const uint8_t* bytes, size_t size) : name_(std::move(name)) {
  Parser(this, bytes, size).parse();
}

const Value* Document::find(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

const Tensor* Document::find_tensor(std::string_view name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
}

void Document::refuse_key(std::string_view key, const std::string& problem) const {
  throw Error(AESTUS_ERR_FORMAT, name_ + ": key " + quoted(key) + " " + problem);
}

const Value& Document::required(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) refuse_key(key, "is missing");
  return *value;
}

uint64_t Document::unsigned_at(std::string_view key) const {
  const Value& value = required(key);
  uint64_t number = 0;
  if (!as_unsigned(value, &number))
    refuse_key(key, wrong_type(value, "an integer that is zero or more"));
  return number;
}

double Document::real_at(std::string_view key) const {
  const Value& value = required(key);
  double number = 0;
  if (!as_real(value, &number)) refuse_key(key, wrong_type(value, "f32 or f64"));
  return number;
}

std::string_view Document::text_at(std::string_view key) const {
  const Value& value = required(key);
  if (value.type != ValueType::String) refuse_key(key, wrong_type(value, "string"));
  return string_at(value.bytes);
}

uint64_t Document::unsigned_or(std::string_view key, uint64_t fallback) const {
  return find(key) == nullptr ? fallback : unsigned_at(key);
}

double Document::real_or(std::string_view key, double fallback) const {
  return find(key) == nullptr ? fallback : real_at(key);
}

std::string_view Document::text_or(std::string_view key, std::string_view fallback) const {
  return find(key) == nullptr ? fallback : text_at(key);
}

bool Document::flag_or(std::string_view key, bool fallback) const {
  const Value* value = find(key);
  if (value == nullptr) return fallback;
  if (value->type != ValueType::Bool) refuse_key(key, wrong_type(*value, "bool"));
  return value->bytes[0] != 0;
}

const Value& Document::array_at(std::string_view key, ValueType element, ValueType other) const {
  const Value& value = required(key);
  if (value.type != ValueType::Array)
    refuse_key(key, wrong_type(value, "an array"));
  if (value.element != element && value.element != other)
    refuse_key(key, std::string("is an array of ") + value_type_name(value.element) +
                        " at byte " + std::to_string(value.offset) + ", not of " +
                        value_type_name(element));
  return value;
}

std::vector<std::string_view> Document::texts_at(std::string_view key) const {
  const Value& value = array_at(key, ValueType::String, ValueType::String);
  std::vector<std::string_view> texts;
  texts.reserve(static_cast<size_t>(value.count));  // each takes at least 8 bytes of the file
  const uint8_t* at = value.bytes;
  for (uint64_t i = 0; i < value.count; ++i) {
    texts.push_back(string_at(at));
    at += 8 + texts.back().size();
  }
  return texts;
}

std::vector<int32_t> Document::integers_at(std::string_view key) const {
  const Value& value = array_at(key, ValueType::I32, ValueType::U32);
  std::vector<int32_t> numbers(static_cast<size_t>(value.count));
  for (size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = static_cast<int32_t>(little_endian(value.bytes + 4 * i, 4));
  return numbers;
}

}  // namespace aestus::gguf

// Turns the bytes of a GGUF file into a Document; the only place that trusts no byte.
#include "gguf/parser.h"

#include <algorithm>

namespace aestus::gguf {
namespace {

constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr uint64_t kDefaultAlignment = 32;

/// Bytes of one scalar; 0 for strings and arrays, whose size is in the file.
uint64_t scalar_bytes(ValueType type) {
  switch (type) {
    case ValueType::U8: case ValueType::I8: case ValueType::Bool: return 1;
    case ValueType::U16: case ValueType::I16: return 2;
    case ValueType::U32: case ValueType::I32: case ValueType::F32: return 4;
    case ValueType::U64: case ValueType::I64: case ValueType::F64: return 8;
    case ValueType::String: case ValueType::Array: return 0;
  }
  return 0;
}

struct Block {
  uint64_t elements;
  uint64_t bytes;
};

Block block_of(TensorType type) {
  switch (type) {
    case TensorType::F32: return {1, 4};
    case TensorType::Q4_1: return {32, 20};
    case TensorType::Q8_0: return {32, 34};
  }
  return {1, 4};
}

bool is_supported(uint32_t type) { return type == 0 || type == 3 || type == 8; }

}  // namespace

void Parser::parse() {
  if (cursor_.u32("magic") != kMagic)
    throw Error(AESTUS_ERR_FORMAT,
                  document_.name_ + ": not a GGUF file (the first four bytes are not 'GGUF')");
  const uint32_t version = cursor_.u32("version");
  if (version != 2 && version != 3) {
    const bool swapped = version == 0x02000000u || version == 0x03000000u;
    cursor_.refuse("GGUF version " + std::to_string(version) +
                       (swapped ? " (a big-endian file)" : "") + " is not read, only 2 and 3",
                   AESTUS_ERR_UNSUPPORTED);
  }
  const uint64_t tensors = cursor_.u64("tensor count");
  if (tensors > kMaxTensors)
    cursor_.refuse("tensor count is " + std::to_string(tensors) + ", more than " +
                   std::to_string(kMaxTensors));
  const uint64_t keys = cursor_.u64("key count");
  if (keys > kMaxKeys)
    cursor_.refuse("key count is " + std::to_string(keys) + ", more than " +
                   std::to_string(kMaxKeys));
  for (uint64_t i = 0; i < keys; ++i) parse_key();
  for (uint64_t i = 0; i < tensors; ++i) parse_tensor();
  place_tensors();
}

void Parser::parse_key() {
  const std::string_view key = cursor_.text(kMaxNameBytes, "a key's name");
  const std::string what = "key " + quoted(key);
  if (key.empty()) cursor_.refuse("a key has an empty name");
  const Value value = parse_value(parse_value_type(what), what, 0);
  if (!document_.values_.emplace(key, value).second) cursor_.refuse(what + " appears twice");
}

ValueType Parser::parse_value_type(const std::string& what) {
  const uint32_t type = cursor_.u32("type of " + what);
  if (type > static_cast<uint32_t>(ValueType::F64))
    cursor_.refuse(what + " has the unknown value type " + std::to_string(type),
                   AESTUS_ERR_UNSUPPORTED);
  return static_cast<ValueType>(type);
}

Value Parser::parse_value(ValueType type, const std::string& what, int depth) {
  if (type == ValueType::Array) return parse_array(what, depth + 1);
  Value value;
  value.type = type;
  value.offset = cursor_.offset();
  value.bytes = cursor_.here();
  if (type == ValueType::String) {
    cursor_.text(kMaxStringBytes, "the text of " + what);
  } else {
    cursor_.take(scalar_bytes(type), what);
  }
  return value;
}

Value Parser::parse_array(const std::string& what, int depth) {
  if (depth > kMaxArrayDepth)
    cursor_.refuse(what + " nests arrays deeper than " + std::to_string(kMaxArrayDepth));
  Value value;
  value.type = ValueType::Array;
  value.element = parse_value_type("an element of " + what);
  value.count = cursor_.u64("element count of " + what);
  if (value.count > kMaxArrayElements)
    cursor_.refuse("element count of " + what + " is " + std::to_string(value.count) +
                   ", more than " + std::to_string(kMaxArrayElements));
  value.offset = cursor_.offset();
  value.bytes = cursor_.here();
  const uint64_t each = scalar_bytes(value.element);
  if (each != 0) {
    cursor_.take(value.count * each, what);  // cannot overflow: the count is capped
    return value;
  }
  for (uint64_t i = 0; i < value.count; ++i) parse_value(value.element, what, depth);
  return value;
}

void Parser::parse_tensor() {
  Tensor tensor{};
  tensor.name = cursor_.text(kMaxNameBytes, "a tensor's name");
  const std::string what = "tensor " + quoted(tensor.name);
  if (tensor.name.empty()) cursor_.refuse("a tensor has an empty name");
  parse_dims(&tensor, what);
  const uint32_t type = cursor_.u32("type of " + what);
  if (!is_supported(type))
    cursor_.refuse(what + " has the type " + std::to_string(type) +
                       "; supported are 0 (F32), 3 (Q4_1) and 8 (Q8_0)",
                   AESTUS_ERR_UNSUPPORTED);
  tensor.type = static_cast<TensorType>(type);
  tensor.offset = cursor_.u64("offset of " + what);
  if (!document_.tensor_index_.emplace(tensor.name, document_.tensors_.size()).second)
    cursor_.refuse(what + " appears twice");
  document_.tensors_.push_back(tensor);
}

void Parser::parse_dims(Tensor* tensor, const std::string& what) {
  tensor->n_dims = cursor_.u32("dimension count of " + what);
  if (tensor->n_dims == 0 || tensor->n_dims > kMaxDims)
    cursor_.refuse(what + " has " + std::to_string(tensor->n_dims) +
                   " dimensions, allowed are 1 to " + std::to_string(kMaxDims));
  std::fill(std::begin(tensor->dims), std::end(tensor->dims), 1);
  for (uint32_t i = 0; i < tensor->n_dims; ++i) {
    const uint64_t dim = cursor_.u64("dimension of " + what);
    // More than the file's bytes cannot be right: the smallest type takes 0.6 B per element.
    if (dim == 0 || dim > 2 * static_cast<uint64_t>(size_))
      cursor_.refuse(what + " has the dimension " + std::to_string(dim) + " in a file of " +
                     std::to_string(size_) + " bytes");
    tensor->dims[i] = static_cast<int64_t>(dim);
  }
}

uint64_t Parser::alignment() const {
  const uint64_t alignment = document_.unsigned_or("general.alignment", kDefaultAlignment);
  if (alignment < 8 || alignment > kMaxAlignment || (alignment & (alignment - 1)) != 0)
    document_.refuse_key("general.alignment",
                         "is " + std::to_string(alignment) + ", not a power of two from 8 to " +
                             std::to_string(kMaxAlignment));
  return alignment;
}

void Parser::place_tensors() {
  const uint64_t align = alignment();
  const uint64_t padded = (cursor_.offset() + align - 1) / align * align;
  const uint64_t data_start = std::min<uint64_t>(padded, size_);
  for (Tensor& tensor : document_.tensors_) {
    if (tensor.offset % align != 0)
      throw Error(AESTUS_ERR_FORMAT, document_.name_ + ": tensor " + quoted(tensor.name) +
                                           ": offset " + std::to_string(tensor.offset) +
                                           " is not a multiple of the alignment " +
                                           std::to_string(align));
    place_tensor(&tensor, data_start);
  }
  refuse_overlaps();
}

void Parser::place_tensor(Tensor* tensor, uint64_t data_start) {
  const std::string what = document_.name_ + ": tensor " + quoted(tensor->name) + ": ";
  const Block block = block_of(tensor->type);
  const uint64_t row = static_cast<uint64_t>(tensor->dims[0]);
  if (row % block.elements != 0)
    throw Error(AESTUS_ERR_FORMAT, what + "row length " + std::to_string(row) +
                                         " is not a multiple of the block length " +
                                         std::to_string(block.elements));
  uint64_t bytes = row / block.elements * block.bytes;
  for (uint32_t i = 1; i < tensor->n_dims; ++i) {
    if (!multiply(bytes, static_cast<uint64_t>(tensor->dims[i]), &bytes))
      throw Error(AESTUS_ERR_FORMAT, what + "its size overflows 64 bits");
  }
  const uint64_t room = size_ - data_start;
  if (tensor->offset > room || bytes > room - tensor->offset)
    throw Error(AESTUS_ERR_FORMAT, what + "offset " + std::to_string(tensor->offset) + " plus " +
                                         std::to_string(bytes) + " bytes exceeds the " +
                                         std::to_string(room) + " bytes of tensor data");
  tensor->offset += data_start;
  tensor->data = bytes_ + tensor->offset;
  tensor->bytes = bytes;
}

void Parser::refuse_overlaps() const {
  std::vector<const Tensor*> order;
  for (const Tensor& tensor : document_.tensors_) order.push_back(&tensor);
  std::stable_sort(order.begin(), order.end(),
                   [](const Tensor* a, const Tensor* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < order.size(); ++i) {
    if (order[i - 1]->offset + order[i - 1]->bytes <= order[i]->offset) continue;
    throw Error(AESTUS_ERR_FORMAT,
                  document_.name_ + ": tensors " + quoted(order[i - 1]->name) + " and " +
                      quoted(order[i]->name) + " overlap at byte " +
                      std::to_string(order[i]->offset));
  }
}

}  // namespace aestus::gguf

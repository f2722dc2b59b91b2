// Turns the bytes of a GGUF file into a Document; the only place that trusts no byte.
#pragma once

#include "gguf/cursor.h"
#include "gguf/document.h"

namespace aestus::gguf {

class Parser {
 public:
  Parser(Document* document, const uint8_t* bytes, size_t size)
      : document_(*document), cursor_(document->name_, bytes, size), bytes_(bytes), size_(size) {}
  void parse();

 private:
  void parse_key();
  Value parse_value(ValueType type, const std::string& what, int depth);
  Value parse_array(const std::string& what, int depth);
  ValueType parse_value_type(const std::string& what);
  void parse_tensor();
  void parse_dims(Tensor* tensor, const std::string& what);
  void place_tensors();
  void place_tensor(Tensor* tensor, uint64_t data_start);
  void refuse_overlaps() const;
  uint64_t alignment() const;

  Document& document_;
  Cursor cursor_;
  const uint8_t* bytes_;
  size_t size_;
};

}  // namespace aestus::gguf

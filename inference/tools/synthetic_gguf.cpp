// A tiny Llama model as a GGUF file in memory, for tests and fuzzing.
#include "synthetic_gguf.h"

#include <cstring>

#include "kernels/kernels.h"
#include "tokenizer/unicode.h"

namespace aestus::tools {
namespace {

using kernels::QType;

constexpr size_t kAlignment = 32;
constexpr uint32_t kU32 = 4, kI32 = 5, kF32 = 6, kText = 8, kArray = 9;  // GGUF value types

template <typename Number>
void put(std::string* out, Number value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);  // all our hosts are little-endian
  out->append(bytes, sizeof value);
}

void put_text(std::string* out, const std::string& text) {
  put<uint64_t>(out, text.size());
  *out += text;
}

}  // namespace

void GgufWriter::key_raw(const std::string& name, uint32_t type, const std::string& payload) {
  put_text(&keys_, name);
  put(&keys_, type);
  keys_ += payload;
  ++key_count_;
}

void GgufWriter::key_u32(const std::string& name, uint32_t value) {
  std::string payload;
  put(&payload, value);
  key_raw(name, kU32, payload);
}

void GgufWriter::key_f32(const std::string& name, float value) {
  std::string payload;
  put(&payload, value);
  key_raw(name, kF32, payload);
}

void GgufWriter::key_text(const std::string& name, const std::string& value) {
  std::string payload;
  put_text(&payload, value);
  key_raw(name, kText, payload);
}

void GgufWriter::key_texts(const std::string& name, const std::vector<std::string>& values) {
  std::string payload;
  put(&payload, kText);
  put<uint64_t>(&payload, values.size());
  for (const std::string& value : values) put_text(&payload, value);
  key_raw(name, kArray, payload);
}

void GgufWriter::key_integers(const std::string& name, const std::vector<int32_t>& values) {
  std::string payload;
  put(&payload, kI32);
  put<uint64_t>(&payload, values.size());
  for (const int32_t value : values) put(&payload, value);
  key_raw(name, kArray, payload);
}

void GgufWriter::tensor(const std::string& name, const std::vector<uint64_t>& dims, uint32_t type,
                        const std::vector<uint8_t>& data) {
  put_text(&tensors_, name);
  put(&tensors_, static_cast<uint32_t>(dims.size()));
  for (const uint64_t dim : dims) put(&tensors_, dim);
  put(&tensors_, type);
  put<uint64_t>(&tensors_, data_.size());
  data_.insert(data_.end(), data.begin(), data.end());
  data_.resize((data_.size() + kAlignment - 1) / kAlignment * kAlignment);
  ++tensor_count_;
}

std::vector<uint8_t> GgufWriter::finish(uint32_t version) const {
  std::string file = "GGUF";
  put(&file, version);
  put(&file, tensor_count_);
  put(&file, key_count_);
  file += keys_ + tensors_;
  file.resize((file.size() + kAlignment - 1) / kAlignment * kAlignment);
  std::vector<uint8_t> bytes(file.begin(), file.end());
  bytes.insert(bytes.end(), data_.begin(), data_.end());
  return bytes;
}

namespace {

/// Weights of no pattern, from integers only, so that the file is the same everywhere.
class WeightWriter {
 public:
  explicit WeightWriter(GgufWriter* writer) : writer_(writer) {}

  void norm(const std::string& name, uint32_t length) {
    std::vector<uint8_t> data;
    append_row(QType::f32, next_row(length, 1.0f), &data);
    writer_->tensor(name, {length}, 0, data);
  }

  void matrix(const std::string& name, uint32_t columns, uint32_t rows, QType type) {
    std::vector<uint8_t> data;
    for (uint32_t row = 0; row < rows; ++row) append_row(type, next_row(columns, 0.0f), &data);
    writer_->tensor(name, {columns, rows}, static_cast<uint32_t>(type), data);
  }

 private:
  std::vector<float> next_row(uint32_t length, float offset) {
    std::vector<float> row(length);
    for (float& value : row) {
      state_ = state_ * 1664525u + 1013904223u;
      value = offset + (static_cast<float>(state_ >> 16) - 32768.0f) * 0x1p-17f;  // ±0.25
    }
    return row;
  }
  static void append_row(QType type, const std::vector<float>& row, std::vector<uint8_t>* data) {
    const auto k = static_cast<int64_t>(row.size());
    const size_t begin = data->size();
    data->resize(begin + static_cast<size_t>(kernels::row_bytes(type, k)));
    kernels::quantize_row(type, row.data(), data->data() + begin, k);
  }

  GgufWriter* writer_;
  uint32_t state_ = 7;
};

/// GPT-2's byte alphabet, some merges of English and two control tokens.
void write_tokenizer(GgufWriter* writer, uint32_t* vocab) {
  std::vector<std::string> tokens = {"<|end|>", "<|start|>"};
  std::vector<int32_t> kinds = {3, 3};
  uint32_t substitute = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    std::string text;
    append_utf8(printable ? byte : substitute++, &text);
    tokens.push_back(text);
  }
  const std::vector<std::string> merges = {"h e", "t he", "\xC4\xA0 the", "i n",
                                           "in g", "\xC4\xA0 \xC4\xA0", "e r", "l l"};
  for (std::string merged : merges) tokens.push_back(merged.erase(merged.find(' ', 1), 1));
  kinds.resize(tokens.size(), 1);
  writer->key_text("tokenizer.ggml.model", "gpt2");
  writer->key_text("tokenizer.ggml.pre", "smollm");
  writer->key_texts("tokenizer.ggml.tokens", tokens);
  writer->key_integers("tokenizer.ggml.token_type", kinds);
  writer->key_texts("tokenizer.ggml.merges", merges);
  writer->key_u32("tokenizer.ggml.bos_token_id", 1);
  writer->key_u32("tokenizer.ggml.eos_token_id", 0);
  *vocab = static_cast<uint32_t>(tokens.size());
}

void write_layer(WeightWriter* weights, const SyntheticShape& shape, uint32_t index) {
  const std::string block = "blk." + std::to_string(index) + ".";
  const uint32_t kv = shape.width / shape.heads * shape.kv_heads;
  weights->norm(block + "attn_norm.weight", shape.width);
  weights->matrix(block + "attn_q.weight", shape.width, shape.width, QType::q4_1);
  weights->matrix(block + "attn_k.weight", shape.width, kv, QType::q4_1);
  weights->matrix(block + "attn_v.weight", shape.width, kv, QType::q8_0);
  weights->matrix(block + "attn_output.weight", shape.width, shape.width, QType::q4_1);
  weights->norm(block + "ffn_norm.weight", shape.width);
  weights->matrix(block + "ffn_gate.weight", shape.width, shape.hidden, QType::q4_1);
  weights->matrix(block + "ffn_up.weight", shape.width, shape.hidden, QType::q4_1);
  weights->matrix(block + "ffn_down.weight", shape.hidden, shape.width, QType::q4_1);
}

}  // namespace

std::vector<uint8_t> synthetic_gguf(const SyntheticShape& shape,
                                    const std::function<void(GgufWriter*)>& change) {
  GgufWriter writer;
  writer.key_text("general.architecture", "llama");
  writer.key_u32("general.alignment", kAlignment);
  writer.key_u32("llama.block_count", shape.layers);
  writer.key_u32("llama.context_length", shape.context);
  writer.key_u32("llama.embedding_length", shape.width);
  writer.key_u32("llama.feed_forward_length", shape.hidden);
  writer.key_u32("llama.attention.head_count", shape.heads);
  writer.key_u32("llama.attention.head_count_kv", shape.kv_heads);
  writer.key_u32("llama.rope.dimension_count", shape.width / shape.heads);
  writer.key_f32("llama.rope.freq_base", 10000.0f);
  writer.key_f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  uint32_t vocab = 0;
  write_tokenizer(&writer, &vocab);
  if (change) change(&writer);
  WeightWriter weights(&writer);
  weights.matrix("token_embd.weight", shape.width, vocab, QType::q8_0);
  for (uint32_t i = 0; i < shape.layers; ++i) write_layer(&weights, shape, i);
  weights.norm("output_norm.weight", shape.width);
  return writer.finish();
}

}  // namespace aestus::tools

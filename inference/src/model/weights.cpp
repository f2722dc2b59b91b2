// The tensors of a Llama model by their role; views into the mapped file.
#include "model/weights.h"

#include <string>

#include "base/status.h"
#include "gguf/quoted.h"

namespace aestus {
namespace {

constexpr int64_t kMaxVocabulary = 1 << 22;

class Finder {
 public:
  explicit Finder(const gguf::Document& document) : document_(document) {}

  Matrix matrix(const std::string& name, int64_t rows, int64_t columns) {
    const gguf::Tensor& tensor = required(name);
    if (tensor.n_dims != 2 || tensor.dims[0] != columns || tensor.dims[1] != rows)
      refuse_shape(tensor, "[" + std::to_string(columns) + ", " + std::to_string(rows) + "]");
    return {kernels::qtype_of(static_cast<int32_t>(tensor.type)), tensor.data, rows, columns};
  }

  const float* vector(const std::string& name, int64_t length) {
    const gguf::Tensor& tensor = required(name);
    if (tensor.n_dims != 1 || tensor.dims[0] != length)
      refuse_shape(tensor, "[" + std::to_string(length) + "]");
    if (tensor.type != gguf::TensorType::F32)
      throw Error(AESTUS_ERR_UNSUPPORTED, about(tensor) + "is quantised; a norm must be F32");
    // The file's alignment (at least 8) and the mapping's page make the cast valid.
    return reinterpret_cast<const float*>(tensor.data);
  }

  int64_t rows_of(const std::string& name) const {
    const gguf::Tensor* tensor = document_.find_tensor(name);
    return tensor == nullptr ? 0 : tensor->dims[1];
  }

  /// A tensor nobody asked for (a bias, RoPE factors) would silently change the model.
  void refuse_others() const {
    if (found_ == document_.tensors().size()) return;
    for (const gguf::Tensor& tensor : document_.tensors())
      if (!is_known(tensor.name))
        throw Error(AESTUS_ERR_UNSUPPORTED, about(tensor) + "is not part of a plain Llama model");
  }

  bool has(const std::string& name) const { return document_.find_tensor(name) != nullptr; }

 private:
  const gguf::Tensor& required(const std::string& name) {
    const gguf::Tensor* tensor = document_.find_tensor(name);
    if (tensor == nullptr)
      throw Error(AESTUS_ERR_FORMAT, document_.name() + ": tensor " + quoted(name) + " is missing");
    ++found_;
    known_.push_back(tensor);
    return *tensor;
  }

  bool is_known(std::string_view name) const {
    for (const gguf::Tensor* tensor : known_)
      if (tensor->name == name) return true;
    return false;
  }

  std::string about(const gguf::Tensor& tensor) const {
    return document_.name() + ": tensor " + quoted(tensor.name) + " ";
  }

  [[noreturn]] void refuse_shape(const gguf::Tensor& tensor, const std::string& wanted) const {
    std::string shape = "[";
    for (uint32_t i = 0; i < tensor.n_dims; ++i)
      shape += (i == 0 ? "" : ", ") + std::to_string(tensor.dims[i]);
    throw Error(AESTUS_ERR_FORMAT,
                about(tensor) + "has the shape " + shape + "], expected is " + wanted);
  }

  const gguf::Document& document_;
  size_t found_ = 0;
  std::vector<const gguf::Tensor*> known_;
};

Layer read_layer(Finder* finder, const Config& config, int64_t index) {
  const std::string block = "blk." + std::to_string(index) + ".";
  const auto matrix = [&](const char* name, int64_t rows, int64_t columns) {
    return finder->matrix(block + name + ".weight", rows, columns);
  };
  Layer layer{};
  layer.attention_norm = finder->vector(block + "attn_norm.weight", config.width);
  layer.query = matrix("attn_q", config.query_width(), config.width);
  layer.key = matrix("attn_k", config.kv_width(), config.width);
  layer.value = matrix("attn_v", config.kv_width(), config.width);
  layer.output = matrix("attn_output", config.width, config.query_width());
  layer.hidden_norm = finder->vector(block + "ffn_norm.weight", config.width);
  layer.gate = matrix("ffn_gate", config.hidden, config.width);
  layer.up = matrix("ffn_up", config.hidden, config.width);
  layer.down = matrix("ffn_down", config.width, config.hidden);
  return layer;
}

}  // namespace

Weights read_weights(const gguf::Document& document, Config* config) {
  constexpr char kEmbedding[] = "token_embd.weight";
  Finder finder(document);
  config->vocab = finder.rows_of(kEmbedding);
  if (config->vocab > kMaxVocabulary)
    throw Error(AESTUS_ERR_FORMAT, document.name() + ": tensor '" + kEmbedding + "' has " +
                                       std::to_string(config->vocab) + " rows, more than " +
                                       std::to_string(kMaxVocabulary));
  const uint64_t stated = document.unsigned_or("llama.vocab_size",
                                               static_cast<uint64_t>(config->vocab));
  if (stated != static_cast<uint64_t>(config->vocab))
    document.refuse_key("llama.vocab_size", "is " + std::to_string(stated) + ", but '" +
                                                kEmbedding + "' has " +
                                                std::to_string(config->vocab) + " rows");
  Weights weights{};
  weights.embedding = finder.matrix(kEmbedding, config->vocab, config->width);
  const bool tied = !finder.has("output.weight");
  weights.logits =
      tied ? weights.embedding : finder.matrix("output.weight", config->vocab, config->width);
  weights.final_norm = finder.vector("output_norm.weight", config->width);
  for (int64_t i = 0; i < config->layers; ++i)
    weights.layers.push_back(read_layer(&finder, *config, i));
  finder.refuse_others();
  for (const gguf::Tensor& tensor : document.tensors())
    weights.bytes += static_cast<int64_t>(tensor.bytes);
  return weights;
}

}  // namespace aestus

// The shape of a Llama model, read from GGUF metadata and checked.
#include "model/config.h"

#include <string>

#include "base/status.h"
#include "gguf/quoted.h"

namespace aestus {
namespace {

// Caps keep every product of sizes far below 2^63 and a hostile file from asking for terabytes.
constexpr uint64_t kMaxLayers = 1024;
constexpr uint64_t kMaxWidth = 1 << 17;
constexpr uint64_t kMaxHeads = 1024;
constexpr uint64_t kMaxHeadDim = 1024;
constexpr uint64_t kMaxContext = 1 << 24;
constexpr double kMaxRopeBase = 1e12;

class Reader {
 public:
  explicit Reader(const gguf::Document& document) : document_(document) {}

  int64_t count(const std::string& key, uint64_t cap) const {
    return checked(key, document_.unsigned_at(key), cap);
  }
  int64_t count_or(const std::string& key, int64_t fallback, uint64_t cap) const {
    return checked(key, document_.unsigned_or(key, static_cast<uint64_t>(fallback)), cap);
  }
  float real(const std::string& key, double value, double smallest, double largest) const {
    if (!(value >= smallest && value <= largest))  // a NaN fails both
      document_.refuse_key(key, "is " + std::to_string(value) + ", not within " +
                                    std::to_string(smallest) + " to " + std::to_string(largest));
    return static_cast<float>(value);
  }
  [[noreturn]] void unsupported(const std::string& what) const {
    throw Error(AESTUS_ERR_UNSUPPORTED, document_.name() + ": " + what);
  }

 private:
  int64_t checked(const std::string& key, uint64_t value, uint64_t cap) const {
    if (value == 0 || value > cap)
      document_.refuse_key(key, "is " + std::to_string(value) + ", allowed are 1 to " +
                                    std::to_string(cap));
    return static_cast<int64_t>(value);
  }
  const gguf::Document& document_;
};

void refuse_variants(const gguf::Document& document, const Reader& reader) {
  const std::string_view scaling = document.text_or("llama.rope.scaling.type", "none");
  if (scaling != "none") reader.unsupported("RoPE scaling " + quoted(scaling));
  if (document.unsigned_or("llama.expert_count", 0) != 0)
    reader.unsupported("a mixture of experts");
}

void read_heads(const gguf::Document& document, const Reader& reader, Config* config) {
  config->heads = reader.count("llama.attention.head_count", kMaxHeads);
  config->kv_heads =
      reader.count_or("llama.attention.head_count_kv", config->heads, kMaxHeads);
  if (config->heads % config->kv_heads != 0)
    document.refuse_key("llama.attention.head_count_kv",
                        "is " + std::to_string(config->kv_heads) + ", which does not divide " +
                            std::to_string(config->heads) + " heads");
  const char* const key_length = "llama.attention.key_length";
  if (document.find(key_length) == nullptr && config->width % config->heads != 0)
    document.refuse_key("llama.attention.head_count",
                        "is " + std::to_string(config->heads) +
                            ", which does not divide the width " + std::to_string(config->width));
  config->head_dim = reader.count_or(key_length, config->width / config->heads, kMaxHeadDim);
  if (config->head_dim % 2 != 0)
    reader.unsupported("the odd head dimension " + std::to_string(config->head_dim));
  for (const char* key : {"llama.attention.value_length", "llama.rope.dimension_count"}) {
    const int64_t length = reader.count_or(key, config->head_dim, kMaxWidth);
    if (length != config->head_dim)
      reader.unsupported("key " + quoted(key) + " is " + std::to_string(length) +
                         ", other than the head dimension " + std::to_string(config->head_dim));
  }
}

}  // namespace

Config read_config(const gguf::Document& document) {
  const Reader reader(document);
  const std::string_view architecture = document.text_at("general.architecture");
  if (architecture != "llama")
    reader.unsupported("architecture " + quoted(architecture) + "; supported is 'llama'");
  refuse_variants(document, reader);
  Config config{};
  config.layers = reader.count("llama.block_count", kMaxLayers);
  config.width = reader.count("llama.embedding_length", kMaxWidth);
  config.hidden = reader.count("llama.feed_forward_length", kMaxWidth);
  config.context = reader.count("llama.context_length", kMaxContext);
  read_heads(document, reader, &config);
  const char* const epsilon = "llama.attention.layer_norm_rms_epsilon";
  config.rms_epsilon = reader.real(epsilon, document.real_at(epsilon), 1e-12, 1.0);
  const char* const base = "llama.rope.freq_base";
  config.rope_base = reader.real(base, document.real_or(base, 10000.0), 1.0, kMaxRopeBase);
  return config;
}

}  // namespace aestus

// An opened model: immutable, shared by sessions.
#include "model/model.h"

#include "base/status.h"

namespace aestus {

Model::Model(const std::string& path) : name_(path) {
  mapping_.emplace(path);
  read(gguf::Document(name_, mapping_->data(), mapping_->size()));
}

Model::Model(const std::string& name, const uint8_t* bytes, size_t size) : name_(name) {
  read(gguf::Document(name_, bytes, size));
}

void Model::read(const gguf::Document& document) {
  config_ = read_config(document);
  weights_ = read_weights(document, &config_);
  if (document.find("tokenizer.ggml.model") == nullptr) return;
  tokenizer_.emplace(document);
  const int64_t tokens = tokenizer_->vocabulary().size();
  if (tokens != config_.vocab)
    document.refuse_key("tokenizer.ggml.tokens", "has " + std::to_string(tokens) +
                                                     " items for " +
                                                     std::to_string(config_.vocab) +
                                                     " rows of 'token_embd.weight'");
}

const Tokenizer& Model::tokenizer() const {
  if (!tokenizer_) throw Error(AESTUS_ERR_UNSUPPORTED, name_ + ": the file holds no tokenizer");
  return *tokenizer_;
}

}  // namespace aestus

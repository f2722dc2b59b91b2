// An opened model: immutable, shared by sessions.
#pragma once

#include <optional>
#include <string>

#include "gguf/document.h"
#include "gguf/mapping.h"
#include "model/config.h"
#include "model/weights.h"
#include "tokenizer/tokenizer.h"

namespace aestus {

class Model {
 public:
  explicit Model(const std::string& path);
  /// From bytes which the caller keeps alive; `name` appears in messages.
  Model(const std::string& name, const uint8_t* bytes, size_t size);

  const Config& config() const { return config_; }
  const Weights& weights() const { return weights_; }
  /// Throws Error (UNSUPPORTED) when the file holds no tokenizer.
  const Tokenizer& tokenizer() const;
  bool has_tokenizer() const { return tokenizer_.has_value(); }

 private:
  void read(const gguf::Document& document);

  std::optional<Mapping> mapping_;
  std::string name_;
  Config config_{};
  Weights weights_{};
  std::optional<Tokenizer> tokenizer_;
};

}  // namespace aestus

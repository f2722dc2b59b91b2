// Broken files are refused with the status and the sentence that tell what is wrong and where.
#include <gtest/gtest.h>

#include <cstring>

#include "base/status.h"
#include "model/model.h"
#include "synthetic_gguf.h"

namespace {

using aestus::Error;
using aestus::Model;
using aestus::tools::GgufWriter;
using aestus::tools::synthetic_gguf;
using aestus::tools::SyntheticShape;
using Bytes = std::vector<uint8_t>;

/// Where `text` stands in the file.
size_t place_of(const Bytes& bytes, const std::string& text) {
  const std::string all(bytes.begin(), bytes.end());
  const size_t at = all.find(text);
  EXPECT_NE(at, std::string::npos) << text << " is not in the file";
  return at;
}

template <typename Number>
Bytes with(Bytes bytes, size_t at, Number value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
  return bytes;
}

/// The file with another u32 value of a key.
Bytes with_key(const std::string& key, uint32_t value, Bytes bytes = synthetic_gguf()) {
  return with(bytes, place_of(bytes, key) + key.size() + 4, value);
}

void expect_refused(const Bytes& bytes, aestus_status status, const std::string& sentence) {
  // Exactly as long as it says, on the heap, so that a sanitizer sees a read past the end.
  const std::unique_ptr<uint8_t[]> copy(new uint8_t[bytes.size()]);
  std::copy(bytes.begin(), bytes.end(), copy.get());
  try {
    const Model model("bad.gguf", copy.get(), bytes.size());
    ADD_FAILURE() << "the file was accepted; expected was: " << sentence;
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), status) << error.what();
    EXPECT_NE(std::string(error.what()).find("bad.gguf: "), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find(sentence), std::string::npos)
        << "said: " << error.what() << "\nexpected: " << sentence;
  }
}

constexpr size_t kVersionAt = 4, kTensorCountAt = 8, kKeyCountAt = 16, kFirstKeyAt = 24;

TEST(GgufRefusals, NotAGgufFile) {
  expect_refused({'P', 'K', 3, 4, 0, 0, 0, 0}, AESTUS_ERR_FORMAT, "not a GGUF file");
  expect_refused({'G', 'G'}, AESTUS_ERR_FORMAT, "magic needs 4 bytes, the file has 2 more");
}

TEST(GgufRefusals, Version) {
  expect_refused(with<uint32_t>(synthetic_gguf(), kVersionAt, 1), AESTUS_ERR_UNSUPPORTED,
                 "GGUF version 1 is not read, only 2 and 3");
  expect_refused(with<uint32_t>(synthetic_gguf(), kVersionAt, 0x03000000), AESTUS_ERR_UNSUPPORTED,
                 "a big-endian file");
}

TEST(GgufRefusals, Counts) {
  expect_refused(with<uint64_t>(synthetic_gguf(), kTensorCountAt, ~uint64_t{0}), AESTUS_ERR_FORMAT,
                 "tensor count is 18446744073709551615, more than 65536");
  expect_refused(with<uint64_t>(synthetic_gguf(), kKeyCountAt, uint64_t{1} << 40),
                 AESTUS_ERR_FORMAT, "key count is 1099511627776");
}

TEST(GgufRefusals, LengthOfAKeyBeyondTheFile) {
  expect_refused(with<uint64_t>(synthetic_gguf(), kFirstKeyAt, ~uint64_t{0}), AESTUS_ERR_FORMAT,
                 "length of a key's name is 18446744073709551615, more than 1024");
}

TEST(GgufRefusals, EveryTruncation) {
  const Bytes whole = synthetic_gguf();
  for (size_t size = 1; size < whole.size(); size += size < 4096 ? 7 : 509) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_THROW(Model("cut", cut.data(), cut.size()), Error) << size;
  }
}

TEST(GgufRefusals, KeyTwice) {
  expect_refused(synthetic_gguf({}, [](GgufWriter* w) { w->key_u32("llama.block_count", 2); }),
                 AESTUS_ERR_FORMAT, "key 'llama.block_count' appears twice");
}

TEST(GgufRefusals, ValueTypeUnknown) {
  const auto change = [](GgufWriter* w) { w->key_raw("odd", 77, ""); };
  expect_refused(synthetic_gguf({}, change), AESTUS_ERR_UNSUPPORTED,
                 "key 'odd' has the unknown value type 77");
}

TEST(GgufRefusals, ArraysNestedTooDeep) {
  std::string payload;
  for (int i = 0; i < 5; ++i) payload += std::string("\x09\0\0\0\x01\0\0\0\0\0\0\0", 12);
  const auto change = [&](GgufWriter* w) { w->key_raw("deep", 9, payload); };
  expect_refused(synthetic_gguf({}, change), AESTUS_ERR_FORMAT,
                 "key 'deep' nests arrays deeper than 3");
}

TEST(GgufRefusals, ElementCountBeyondTheFile) {
  const std::string payload("\x04\0\0\0\0\0\0\x03\0\0\0\0", 12);
  const auto change = [&](GgufWriter* w) { w->key_raw("long", 9, payload); };
  expect_refused(synthetic_gguf({}, change), AESTUS_ERR_FORMAT, "key 'long' needs 201326592 bytes");
}

TEST(GgufRefusals, ControlBytesOfANameAreEscaped) {
  const auto change = [](GgufWriter* w) { w->key_raw("a\x1b[31m", 99, ""); };
  expect_refused(synthetic_gguf({}, change), AESTUS_ERR_UNSUPPORTED, "key 'a\\x1b[31m'");
}

TEST(GgufRefusals, Alignment) {
  expect_refused(with_key("general.alignment", 24), AESTUS_ERR_FORMAT,
                 "key 'general.alignment' is 24, not a power of two");
}

TEST(GgufRefusals, TensorType) {
  const Bytes file = synthetic_gguf();
  const std::string name = "blk.0.attn_q.weight";
  const size_t type_at = place_of(file, name) + name.size() + 4 + 2 * 8;
  expect_refused(with<uint32_t>(file, type_at, 12), AESTUS_ERR_UNSUPPORTED,
                 "tensor 'blk.0.attn_q.weight' has the type 12; supported are 0 (F32)");
}

TEST(GgufRefusals, TensorOffsetBeyondTheFileAndOverlap) {
  const Bytes file = synthetic_gguf();
  const std::string name = "blk.0.attn_q.weight";
  const size_t offset_at = place_of(file, name) + name.size() + 4 + 2 * 8 + 4;
  expect_refused(with<uint64_t>(file, offset_at, uint64_t{1} << 62), AESTUS_ERR_FORMAT,
                 "tensor 'blk.0.attn_q.weight': offset 4611686018427387904 plus");
  expect_refused(with<uint64_t>(file, offset_at, ~uint64_t{0} - 31), AESTUS_ERR_FORMAT, "exceeds");
  expect_refused(with<uint64_t>(file, offset_at, 0), AESTUS_ERR_FORMAT,
                 "tensors 'token_embd.weight' and 'blk.0.attn_q.weight' overlap");
  expect_refused(with<uint64_t>(file, offset_at, 8), AESTUS_ERR_FORMAT,
                 "offset 8 is not a multiple of the alignment 32");
}

TEST(GgufRefusals, TensorDimensions) {
  const Bytes file = synthetic_gguf();
  const std::string name = "blk.0.attn_q.weight";
  const size_t dims_at = place_of(file, name) + name.size();
  expect_refused(with<uint32_t>(file, dims_at, 5), AESTUS_ERR_FORMAT, "has 5 dimensions");
  expect_refused(with<uint64_t>(file, dims_at + 4, 0), AESTUS_ERR_FORMAT, "has the dimension 0");
  expect_refused(with<uint64_t>(file, dims_at + 4, 33), AESTUS_ERR_FORMAT,
                 "row length 33 is not a multiple of the block length 32");
  expect_refused(with<uint64_t>(file, dims_at + 4, 32), AESTUS_ERR_FORMAT,
                 "has the shape [32, 64], expected is [64, 64]");
}

TEST(GgufRefusals, ModelSizes) {
  expect_refused(with_key("llama.block_count", 3), AESTUS_ERR_FORMAT,
                 "tensor 'blk.2.attn_norm.weight' is missing");
  expect_refused(with_key("llama.block_count", 1), AESTUS_ERR_UNSUPPORTED,
                 "tensor 'blk.1.attn_norm.weight' is not part of a plain Llama model");
  expect_refused(with_key("llama.block_count", 0), AESTUS_ERR_FORMAT, "is 0, allowed are 1 to");
  expect_refused(with_key("llama.attention.head_count_kv", 3), AESTUS_ERR_FORMAT,
                 "is 3, which does not divide 4 heads");
  expect_refused(with_key("llama.rope.dimension_count", 8), AESTUS_ERR_UNSUPPORTED,
                 "is 8, other than the head dimension 16");
}

TEST(GgufRefusals, RealValues) {
  constexpr uint32_t kNan = 0x7FC00000, kZero = 0;
  expect_refused(with_key("llama.attention.layer_norm_rms_epsilon", kNan), AESTUS_ERR_FORMAT,
                 "key 'llama.attention.layer_norm_rms_epsilon' is nan");
  expect_refused(with_key("llama.rope.freq_base", kZero), AESTUS_ERR_FORMAT,
                 "key 'llama.rope.freq_base' is 0");
}

TEST(GgufRefusals, Variants) {
  const auto scaled = [](GgufWriter* w) { w->key_text("llama.rope.scaling.type", "yarn"); };
  expect_refused(synthetic_gguf({}, scaled), AESTUS_ERR_UNSUPPORTED, "RoPE scaling 'yarn'");
  const auto experts = [](GgufWriter* w) { w->key_u32("llama.expert_count", 8); };
  expect_refused(synthetic_gguf({}, experts), AESTUS_ERR_UNSUPPORTED, "a mixture of experts");
}

TEST(GgufRefusals, TokenIdOutsideTheVocabulary) {
  expect_refused(with_key("tokenizer.ggml.bos_token_id", 266), AESTUS_ERR_FORMAT,
                 "key 'tokenizer.ggml.bos_token_id' is 266, the vocabulary has 266 tokens");
}

TEST(GgufRefusals, MergeOfAnUnknownToken) {
  Bytes file = synthetic_gguf();
  file[place_of(file, "t he")] = 'h';  // "h he": there is no token "hhe"
  expect_refused(file, AESTUS_ERR_FORMAT,
                 "key 'tokenizer.ggml.merges' item 1 ('h he') names a token that is not in");
}

TEST(GgufRefusals, MissingFile) {
  try {
    const Model model("no/such/file.gguf");
    FAIL() << "opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), AESTUS_ERR_IO);
    EXPECT_NE(std::string(error.what()).find("no/such/file.gguf: cannot open"), std::string::npos);
  }
}

TEST(GgufReads, VersionTwoAndThree) {
  const Bytes file = with<uint32_t>(synthetic_gguf(), kVersionAt, 2);
  EXPECT_EQ(Model("v2", file.data(), file.size()).config().layers, 2);
}

}  // namespace

// aestus-fuzz-gguf: mutates a GGUF file in memory, opens each mutant and runs it where it opens.
//
// Mutant i of seed s is the same everywhere; meant for a build with sanitizers, where a report
// ends the process. `--only I` repeats one mutant, `--write OUT` saves it (or the seed file).
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>

#include "arguments.h"
#include "json.h"
#include "model/session.h"
#include "synthetic_gguf.h"

#if defined(__linux__)
extern "C" void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));
#endif

namespace aestus::tools {
namespace {

constexpr char kUsage[] =
    "usage: aestus-fuzz-gguf [--file SEED.gguf] [--seed N] [--count N] [--only I]\n"
    "                        [--write OUT.gguf] [--json OUT.json]\n";

using Bytes = std::vector<uint8_t>;

int64_t current_mutant = -1;

class Random {  // splitmix64
 public:
  explicit Random(uint64_t state) : state_(state) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }
  size_t below(size_t bound) { return static_cast<size_t>(next() % bound); }

 private:
  uint64_t state_;
};

/// Half of all places lie in the first 2 KiB, where counts, lengths and sizes are dense.
size_t place(const Bytes& bytes, Random* random) {
  constexpr size_t kDense = 2048;
  return random->below(random->below(2) == 0 ? std::min(kDense, bytes.size()) : bytes.size());
}

void flip_bits(Bytes* bytes, Random* random) {
  for (size_t i = random->below(8) + 1; i > 0; --i)
    (*bytes)[place(*bytes, random)] ^= static_cast<uint8_t>(1u << random->below(8));
}

void overwrite_integer(Bytes* bytes, Random* random) {
  const uint64_t size = bytes->size();
  const uint64_t interesting[] = {0, 1, 2, 3, 7, 8, 9, 12, 13, 31, 32, 33, 255, 256, 0x7FFF,
                                  0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x100000000,
                                  0x7FFFFFFFFFFFFFFF, 0x8000000000000000, 0xFFFFFFFFFFFFFFFF,
                                  size, size - 1, size + 1, size / 2, random->next()};
  const uint64_t value = interesting[random->below(std::size(interesting))];
  const size_t width = random->below(2) == 0 ? 4 : 8;
  const size_t at = place(*bytes, random);
  for (size_t i = 0; i < width && at + i < bytes->size(); ++i)
    (*bytes)[at + i] = static_cast<uint8_t>(value >> (8 * i));
}

void nudge_byte(Bytes* bytes, Random* random) {
  uint8_t& byte = (*bytes)[place(*bytes, random)];
  byte = static_cast<uint8_t>(byte + (random->below(2) == 0 ? 1 : 255));
}

void truncate(Bytes* bytes, Random* random) { bytes->resize(place(*bytes, random) + 1); }

void splice(Bytes* bytes, Random* random) {
  const size_t from = place(*bytes, random);
  const size_t to = place(*bytes, random);
  const size_t length = std::min(random->below(64) + 1, bytes->size() - std::max(from, to));
  std::copy_n(Bytes(*bytes).begin() + static_cast<std::ptrdiff_t>(from), length,
              bytes->begin() + static_cast<std::ptrdiff_t>(to));
}

void insert_or_erase(Bytes* bytes, Random* random) {
  const auto at = static_cast<std::ptrdiff_t>(place(*bytes, random));
  const size_t length = random->below(16) + 1;
  if (random->below(2) == 0) {
    bytes->insert(bytes->begin() + at, length, static_cast<uint8_t>(random->next()));
  } else {
    const auto end = std::min(at + static_cast<std::ptrdiff_t>(length),
                              static_cast<std::ptrdiff_t>(bytes->size()));
    bytes->erase(bytes->begin() + at, bytes->begin() + end);
  }
}

Bytes mutant(const Bytes& seed_file, uint64_t seed, int64_t index) {
  using Mutation = void (*)(Bytes*, Random*);
  constexpr Mutation kMutations[] = {flip_bits, overwrite_integer, overwrite_integer, nudge_byte,
                                     truncate,  splice,            insert_or_erase};
  Random random(seed * 0x9E3779B97F4A7C15ull + static_cast<uint64_t>(index));
  Bytes bytes = seed_file;
  for (size_t i = random.below(3) + 1; i > 0 && !bytes.empty(); --i)
    kMutations[random.below(std::size(kMutations))](&bytes, &random);
  bytes.shrink_to_fit();  // so that AddressSanitizer sees a read one past the end
  return bytes;
}

/// Use everything that the model offers; throws Error where it refuses.
void exercise(const Bytes& bytes) {
  const Model model("mutant", bytes.data(), bytes.size());
  const Config& config = model.config();
  Session session(model, std::min<int64_t>(config.context, 4), 1);
  std::vector<float> logits(static_cast<size_t>(config.vocab));
  const auto last = static_cast<int32_t>(config.vocab - 1);
  session.eval(&last, 1, logits.data(), false);
  if (session.context() > 1) {
    const int32_t next = argmax(logits.data(), config.vocab);
    session.eval(&next, 1, logits.data(), false);
  }
  if (!model.has_tokenizer()) return;
  const std::vector<int32_t> ids =
      model.tokenizer().encode("the  ring 42\xFF <|end|>", Specials::Parsed);
  model.tokenizer().decode(ids.data(), static_cast<int64_t>(ids.size()));
  model.tokenizer().decode(&last, 1);
}

std::string outcome_of(const Bytes& bytes) {
  try {
    exercise(bytes);
    return "ran";
  } catch (const Error& error) {
    return "status " + std::to_string(static_cast<int>(error.status()));
  } catch (const std::bad_alloc&) {
    return "out of memory";
  }
}

Bytes read_seed(const Arguments& arguments) {
  if (!arguments.has("--file")) return synthetic_gguf();
  std::ifstream file(arguments.text("--file"), std::ios::binary);
  if (!file) throw Error(AESTUS_ERR_IO, arguments.text("--file") + ": cannot open");
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

void write_file(const std::string& path, const Bytes& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) throw Error(AESTUS_ERR_IO, path + ": cannot write");
}

/// Have a sanitizer's report name the mutant.
void name_the_mutant_on_death() {
#if defined(__linux__)
  if (__sanitizer_set_death_callback == nullptr) return;
  __sanitizer_set_death_callback([] {
    std::fprintf(stderr, "aestus-fuzz-gguf: died in mutant %lld\n",
                 static_cast<long long>(current_mutant));
  });
#endif
}

void run(int argc, char** argv) {
  const Arguments arguments(
      argc, argv, {"--file", "--seed", "--count", "--only", "--write", "--json"}, {});
  name_the_mutant_on_death();
  constexpr int64_t kMost = int64_t{1} << 40;
  const Bytes seed_file = read_seed(arguments);
  const auto seed = static_cast<uint64_t>(arguments.number_or("--seed", 1, 0, kMost));
  const int64_t only = arguments.number_or("--only", -1, 0, kMost);
  if (arguments.has("--write"))
    write_file(arguments.text("--write"), only < 0 ? seed_file : mutant(seed_file, seed, only));
  if (outcome_of(seed_file) != "ran")
    throw Error(AESTUS_ERR_FORMAT, "the unchanged seed file does not run");
  std::map<std::string, int64_t> outcomes;
  const int64_t begin = std::max<int64_t>(only, 0);
  const int64_t count = only < 0 ? arguments.number_or("--count", 1000, 0, kMost) : 1;
  for (current_mutant = begin; current_mutant < begin + count; ++current_mutant)
    ++outcomes[outcome_of(mutant(seed_file, seed, current_mutant))];
  Json json;
  json.begin_object().member("schema", "aestus.fuzz/1").member("seed", seed);
  json.member("seed_bytes", seed_file.size()).member("count", count);
  json.key("outcomes").begin_object();
  for (const auto& [outcome, times] : outcomes) json.member(outcome, times);
  json.end_object().end_object().write(arguments.text_or("--json", ""));
}

}  // namespace
}  // namespace aestus::tools

int main(int argc, char** argv) {
  using namespace aestus::tools;
  return run_tool("aestus-fuzz-gguf", kUsage, [&] { run(argc, argv); });
}

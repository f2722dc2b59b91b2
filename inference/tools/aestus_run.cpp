// aestus-run: perplexity, teacher-forced scores and greedy text of one model, as JSON.
//
// Perplexity follows llama.cpp's protocol: the text is cut into chunks of `context` tokens, each
// fed to a fresh sequence without a BOS token; the positions context/2 to context-2 count.
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "aestus_run_score.h"
#include "arguments.h"
#include "json.h"
#include "math/elementary.h"

namespace aestus::tools {
namespace {

constexpr char kUsage[] =
    "usage: aestus-run --model M.gguf (--tokens FILE | --text FILE) [--parse-specials]\n"
    "                  [--chunks C] [--context N] [--logprobs OUT.json]   perplexity\n"
    "                  [--teacher] [--limit N]    scores of every position of one sequence\n"
    "                  [--greedy N]               continue the tokens N times\n"
    "                  [--ids]                    write the token ids\n"
    "                  [--round-like-llama]       8-bit activations, f16 keys and values\n"
    "                  [--threads N] [--json OUT.json]\n";

constexpr int64_t kMost = int64_t{1} << 30;

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(AESTUS_ERR_IO, path + ": cannot open");
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Token ids separated by white space, commas or brackets.
std::vector<int32_t> parse_ids(const std::string& path, const std::string& text) {
  std::vector<int32_t> ids;
  for (size_t at = 0; at < text.size();) {
    if (std::string_view(" \t\r\n,[]").find(text[at]) != std::string_view::npos) {
      ++at;
      continue;
    }
    int32_t id = 0;
    const char* const begin = text.data() + at;
    const auto [end, problem] = std::from_chars(begin, text.data() + text.size(), id);
    if (problem != std::errc())
      throw Error(AESTUS_ERR_FORMAT,
                  path + ": at byte " + std::to_string(at) + ": not a token id");
    ids.push_back(id);
    at += static_cast<size_t>(end - begin);
  }
  return ids;
}

std::vector<int32_t> read_tokens(const Arguments& arguments, const Model& model) {
  if (arguments.has("--tokens") == arguments.has("--text"))
    Arguments::refuse("exactly one of --tokens and --text is needed");
  const bool is_text = arguments.has("--text");
  const std::string path = arguments.text(is_text ? "--text" : "--tokens");
  const std::string content = read_file(path);
  const Specials specials =
      arguments.has("--parse-specials") ? Specials::Parsed : Specials::AsText;
  std::vector<int32_t> ids =
      is_text ? model.tokenizer().encode(content, specials) : parse_ids(path, content);
  const int64_t limit = arguments.number_or("--limit", kMost, 1, kMost);
  if (static_cast<int64_t>(ids.size()) > limit) ids.resize(static_cast<size_t>(limit));
  if (ids.empty()) throw Error(AESTUS_ERR_FORMAT, path + ": holds no tokens");
  return ids;
}

Rounding rounding_of(const Arguments& arguments) {
  return arguments.has("--round-like-llama") ? Rounding::LikeLlama : Rounding::None;
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void write_columns(const Scores& scores, Json* json) {
  json->array("position", scores.position)
      .array("next", scores.next)
      .array("logprob", scores.logprob)
      .array("top1", scores.top1)
      .array("gap", scores.gap)
      .array("digest", scores.digest);
}

double mean_nll(const std::vector<double>& logprob, size_t begin, size_t end) {
  double sum = 0;
  for (size_t i = begin; i < end; ++i) sum -= logprob[i];
  return sum / static_cast<double>(end - begin);
}

void measure_perplexity(const Arguments& arguments, const Model& model,
                        const std::vector<int32_t>& ids, int32_t threads, Json* json) {
  const int64_t context = arguments.number_or("--context", 512, 4, model.config().context);
  const int64_t available = static_cast<int64_t>(ids.size()) / context;
  const int64_t chunks = arguments.number_or("--chunks", available, 1, kMost);
  if (available == 0 || chunks > available)
    Arguments::refuse("the text has " + std::to_string(available) + " chunks of " +
                      std::to_string(context) + " tokens, asked for are " +
                      std::to_string(chunks));
  Session session(model, context, threads);
  session.set_rounding(rounding_of(arguments));
  Scores scores;
  std::vector<double> chunk_nll;
  const auto begin = std::chrono::steady_clock::now();
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const size_t scored = scores.logprob.size();
    score(&session, model.config(), ids.data() + chunk * context, context, context / 2,
          chunk * context, &scores);
    chunk_nll.push_back(mean_nll(scores.logprob, scored, scores.logprob.size()));
  }
  const double nll = mean_nll(scores.logprob, 0, scores.logprob.size());
  json->key("perplexity").begin_object();
  json->member("value", math::exp64(nll)).member("nll", nll).member("context", context);
  json->member("chunks", chunks).member("tokens_scored", scores.logprob.size());
  json->member("seconds", seconds_since(begin)).array("chunk_nll", chunk_nll).end_object();
  if (!arguments.has("--logprobs")) return;
  Json columns;
  columns.begin_object().member("context", context).member("chunks", chunks);
  columns.member("impl", kernels::implementation());
  write_columns(scores, &columns);
  columns.end_object().write(arguments.text("--logprobs"));
}

void score_sequence(const Arguments& arguments, const Model& model,
                    const std::vector<int32_t>& ids, int32_t threads, Json* json) {
  const auto count = static_cast<int64_t>(ids.size());
  if (count < 2) Arguments::refuse("--teacher needs two tokens or more");
  Session session(model, count, threads);
  session.set_rounding(rounding_of(arguments));
  Scores scores;
  score(&session, model.config(), ids.data(), count, 0, 0, &scores);
  json->key("teacher").begin_object();
  write_columns(scores, json);
  json->end_object();
}

void generate(const Arguments& arguments, const Model& model, const std::vector<int32_t>& ids,
              int32_t threads, Json* json) {
  const int64_t wanted = arguments.number_or("--greedy", 0, 1, model.config().context);
  const auto count = static_cast<int64_t>(ids.size());
  Session session(model, std::min(count + wanted, model.config().context), threads);
  session.set_rounding(rounding_of(arguments));
  std::vector<float> logits(static_cast<size_t>(model.config().vocab));
  std::vector<int32_t> answer;
  std::vector<std::string> digests;
  session.eval(ids.data(), count, logits.data(), false);
  while (true) {
    answer.push_back(argmax(logits.data(), model.config().vocab));
    digests.push_back(digest_of(logits.data(), model.config().vocab));
    const bool full = session.position() == session.context();
    if (full || static_cast<int64_t>(answer.size()) == wanted) break;
    session.eval(&answer.back(), 1, logits.data(), false);
  }
  json->key("greedy").begin_object().array("tokens", answer).array("digest", digests);
  if (model.has_tokenizer())
    json->member("text", model.tokenizer().decode(answer.data(),
                                                  static_cast<int64_t>(answer.size())));
  json->end_object();
}

void run(int argc, char** argv) {
  const Arguments arguments(argc, argv,
                            {"--model", "--tokens", "--text", "--threads", "--logprobs",
                             "--greedy", "--chunks", "--context", "--limit", "--json"},
                            {"--teacher", "--parse-specials", "--ids", "--round-like-llama"});
  const Model model(arguments.text("--model"));
  const auto threads = static_cast<int32_t>(arguments.number_or("--threads", 1, 1, 256));
  const std::vector<int32_t> ids = read_tokens(arguments, model);
  Json json;
  json.begin_object().member("schema", "aestus.run/1").member("version", aestus_version());
  json.member("impl", kernels::implementation()).member("isa", kernels::instruction_set());
  json.member("threads", threads).member("tokens", ids.size());
  json.member("round_like_llama", arguments.has("--round-like-llama"));
  if (arguments.has("--ids")) json.array("ids", ids);
  if (arguments.has("--teacher")) score_sequence(arguments, model, ids, threads, &json);
  if (arguments.has("--greedy")) generate(arguments, model, ids, threads, &json);
  if (arguments.has("--chunks") || arguments.has("--logprobs"))
    measure_perplexity(arguments, model, ids, threads, &json);
  json.end_object().write(arguments.text_or("--json", ""));
}

}  // namespace
}  // namespace aestus::tools

int main(int argc, char** argv) {
  using namespace aestus::tools;
  return run_tool("aestus-run", kUsage, [&] { run(argc, argv); });
}

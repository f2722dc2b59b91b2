// aestus-bench: one process is one replicate; it measures one thing and writes JSON.
//
//   {"schema": "aestus.bench/1", "what", "version", "impl", "isa", "threads",
//    "measurements": [{"metric", "version", "unit", "name", "value", "inner", "samples"}, …]}
//
// Every run but `memory` also holds probe.read_bandwidth, measured right before and right after;
// a figure is comparable only beside it. `memory` has none: the probe's buffer would count.
// `decode` also holds aestus.decode_time.OPERATOR, seconds per token, of a second pass with timers.
// `timers` decodes without and with them in blocks A B B A: what they cost, in one process.
#include <algorithm>
#include <cstdio>

#include "aestus_bench.h"
#include "arguments.h"
#include "json.h"
#include "model/session.h"

namespace aestus::tools {
namespace {

constexpr char kUsage[] =
    "usage: aestus-bench --what load|prefill|decode|memory|kernels|probe|timers [--model M.gguf]\n"
    "                    [--prompt N] [--tokens N] [--threads N]\n"
    "                    [--probe-bytes N] [--sample-ms N] [--json OUT.json]\n";

constexpr int64_t kMost = int64_t{1} << 30;
constexpr int64_t kWarmUpTokens = 8;
constexpr int64_t kTimerBlocks = 6;

struct Request {
  std::string what;
  std::string model;
  int64_t prompt;  // tokens of prefill, or before decoding starts
  int64_t tokens;  // decoded
  int32_t threads;
  int64_t probe_bytes;
  double sample_seconds;
};

Request read_request(const Arguments& arguments) {
  Request request;
  request.what = arguments.text("--what");
  request.model = arguments.text_or("--model", "");
  const bool prefill = request.what == "prefill" || request.what == "memory";
  request.prompt = arguments.number_or("--prompt", prefill ? 512 : kWarmUpTokens, 1, kMost);
  request.tokens = arguments.number_or("--tokens", 64, 1, kMost);
  request.threads = static_cast<int32_t>(arguments.number_or("--threads", 1, 1, 256));
  request.probe_bytes = arguments.number_or("--probe-bytes", probe_bytes(), 4096, kMost);
  request.sample_seconds =
      static_cast<double>(arguments.number_or("--sample-ms", 50, 1, 60000)) / 1000.0;
  return request;
}

/// Ids spread over the vocabulary: what a token is does not change the work.
std::vector<int32_t> some_ids(int64_t count, int64_t vocab) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < count; ++i)
    ids.push_back(static_cast<int32_t>((i * 7919 + 31) % vocab));
  return ids;
}

using Measurements = std::vector<Measurement>;

void measure_load(const Request& request, Measurements* out) {
  const Stopwatch watch;
  const Model model(request.model);
  const Session session(model, model.config().context, request.threads);
  out->push_back({"aestus.load_time", "s", "load", watch.seconds()});
}

std::string with_threads(const std::string& name, const Request& request) {
  return name + ",threads=" + std::to_string(request.threads);
}

void measure_prefill(const Request& request, Measurements* out) {
  const Model model(request.model);
  Session session(model, std::max(request.prompt, kWarmUpTokens), request.threads);
  const std::vector<int32_t> ids =
      some_ids(std::max(request.prompt, kWarmUpTokens), model.config().vocab);
  std::vector<float> logits(static_cast<size_t>(model.config().vocab));
  session.eval(ids.data(), kWarmUpTokens, logits.data(), false);  // maps the weights
  session.reset();
  const Stopwatch watch;
  session.eval(ids.data(), request.prompt, logits.data(), false);
  const double rate = static_cast<double>(request.prompt) / watch.seconds();
  out->push_back({"aestus.prefill_rate", "token/s",
                  with_threads("prefill:tokens=" + std::to_string(request.prompt), request), rate});
}

/// Decodes greedily behind the prompt whose logits are given; returns the seconds.
double decode_tokens(int64_t tokens, int64_t vocab, std::vector<float>* logits, Session* session) {
  const Stopwatch watch;
  for (int64_t i = 0; i < tokens; ++i) {
    const int32_t next = argmax(logits->data(), vocab);
    session->eval(&next, 1, logits->data(), false);
  }
  return watch.seconds();
}

/// Time of each operator per token, in a second pass over the same tokens: a pass with timers is
/// never the one that is timed as a whole.
void measure_operators(const std::vector<int32_t>& prompt, int64_t tokens, const std::string& name,
                       int64_t vocab, Session* session, Measurements* out) {
  std::vector<float> logits(static_cast<size_t>(vocab));
  session->eval(prompt.data(), static_cast<int64_t>(prompt.size()), logits.data(), false);
  Profile profile;
  session->set_profile(&profile);
  decode_tokens(tokens, vocab, &logits, session);
  session->set_profile(nullptr);
  for (size_t which = 0; which < kOperatorNames.size(); ++which)
    out->push_back({std::string("aestus.decode_time.") + kOperatorNames[which], "s", name,
                    profile.seconds(which) / static_cast<double>(tokens), tokens});
}

void measure_decode(const Request& request, double probe, Measurements* out) {
  const Model model(request.model);
  const int64_t vocab = model.config().vocab;
  Session session(model, request.prompt + request.tokens, request.threads);
  std::vector<int32_t> ids = some_ids(request.prompt, vocab);
  std::vector<float> logits(static_cast<size_t>(vocab));
  session.eval(ids.data(), request.prompt, logits.data(), false);
  const double rate = static_cast<double>(request.tokens) /
                      decode_tokens(request.tokens, vocab, &logits, &session);
  const std::string name =
      with_threads("decode:prompt=" + std::to_string(request.prompt) +
                       ",tokens=" + std::to_string(request.tokens), request);
  out->push_back({"aestus.decode_rate", "token/s", name, rate});
  // Every weight is read once per token; keys and values are left out, below 1 % here.
  const double bytes = static_cast<double>(model.weights().bytes);
  out->push_back({"aestus.bandwidth_share", "1", name, rate * bytes / probe});
  session.reset();
  measure_operators(ids, request.tokens, name, vocab, &session, out);
}

/// Decode rates without and with timers, in blocks A B B A behind one pass that warms up: the figures
/// of a block hold no level and no linear drift of the machine.
void measure_timers(const Request& request, Measurements* out) {
  const Model model(request.model);
  const int64_t vocab = model.config().vocab;
  Session session(model, request.prompt + request.tokens, request.threads);
  const std::vector<int32_t> ids = some_ids(request.prompt, vocab);
  std::vector<float> logits(static_cast<size_t>(vocab));
  Profile profile;
  for (int64_t pass = -1; pass < 4 * kTimerBlocks; ++pass) {
    const bool timed = pass % 4 == 1 || pass % 4 == 2;
    session.reset();
    session.eval(ids.data(), request.prompt, logits.data(), false);
    session.set_profile(timed ? &profile : nullptr);
    const double seconds = decode_tokens(request.tokens, vocab, &logits, &session);
    session.set_profile(nullptr);
    if (pass < 0) continue;
    out->push_back({"aestus.decode_rate", "token/s",
                    with_threads(timed ? "decode:timers=on" : "decode:timers=off", request),
                    static_cast<double>(request.tokens) / seconds});
  }
}

/// Peak resident set of a process that opens the model, reads a prompt and writes one token.
void measure_memory(const Request& request, Measurements* out) {
  const Model model(request.model);
  Session session(model, request.prompt + 1, request.threads);
  const std::vector<int32_t> ids = some_ids(request.prompt + 1, model.config().vocab);
  std::vector<float> logits(static_cast<size_t>(model.config().vocab));
  session.eval(ids.data(), request.prompt, logits.data(), false);
  session.eval(ids.data() + request.prompt, 1, logits.data(), false);
  const int64_t peak = peak_resident_bytes();
  if (peak == 0) throw Error(AESTUS_ERR_UNSUPPORTED, "this system does not tell peak memory");
  out->push_back({"aestus.peak_memory", "B",
                  with_threads("memory:prompt=" + std::to_string(request.prompt), request),
                  static_cast<double>(peak)});
}

Measurements measure(const Request& request) {
  Measurements out;
  const bool needs_model = request.what != "kernels" && request.what != "probe";
  if (needs_model && request.model.empty())
    Arguments::refuse("--model is required for --what " + request.what);
  if (request.what == "memory") {
    measure_memory(request, &out);
    return out;
  }
  const double before = read_bandwidth(request.probe_bytes);
  if (request.what == "load") {
    measure_load(request, &out);
  } else if (request.what == "prefill") {
    measure_prefill(request, &out);
  } else if (request.what == "decode") {
    measure_decode(request, before, &out);
  } else if (request.what == "timers") {
    measure_timers(request, &out);
  } else if (request.what == "kernels") {
    out = measure_kernels(request.sample_seconds, request.probe_bytes);
  } else if (request.what != "probe") {
    Arguments::refuse("--what is '" + request.what +
                      "', allowed are load, prefill, decode, memory, kernels, probe and timers");
  }
  const std::string probe = "read:threads=1,bytes=" + std::to_string(request.probe_bytes);
  out.push_back({"probe.read_bandwidth", "B/s", probe + ",before", before});
  out.push_back({"probe.read_bandwidth", "B/s", probe + ",after",
                 read_bandwidth(request.probe_bytes)});
  return out;
}

void run(int argc, char** argv) {
  const Arguments arguments(argc, argv,
                            {"--what", "--model", "--prompt", "--tokens", "--threads",
                             "--probe-bytes", "--sample-ms", "--json"},
                            {});
  const Request request = read_request(arguments);
  const Measurements measurements = measure(request);
  Json json;
  json.begin_object().member("schema", "aestus.bench/1").member("what", request.what);
  json.member("version", aestus_version()).member("impl", kernels::implementation());
  json.member("isa", kernels::instruction_set()).member("threads", request.threads);
  json.key("measurements").begin_array();
  for (const Measurement& m : measurements) {
    json.begin_object().member("metric", m.metric).member("version", 1).member("unit", m.unit);
    json.member("name", m.name).member("value", m.value);
    json.member("inner", m.inner).member("samples", m.samples).end_object();
  }
  json.end_array().end_object().write(arguments.text_or("--json", ""));
}

}  // namespace
}  // namespace aestus::tools

int main(int argc, char** argv) {
  using namespace aestus::tools;
  return run_tool("aestus-bench", kUsage, [&] { run(argc, argv); });
}

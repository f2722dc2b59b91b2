// The model part of the C interface: checks its arguments, then calls the C++ inside.
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "base/status.h"
#include "model/model.h"
#include "model/session.h"

struct aestus_model {
  aestus::Model model;
};

struct aestus_session {
  const aestus::Model& model;
  aestus::Session session;
};

namespace {

using aestus::guarded;
using aestus::require;

constexpr int64_t kMaxTextBytes = int64_t{1} << 30;

/// Copy to a caller's buffer after telling the size needed.
void hand_over(const void* data, int64_t count, size_t item, void* out, int64_t capacity,
               int64_t* needed) {
  *needed = count;
  if (count > capacity)
    throw aestus::Error(AESTUS_ERR_ARGUMENT, "the answer needs room for " + std::to_string(count) +
                                                 ", capacity is " + std::to_string(capacity));
  if (count > 0) std::memcpy(out, data, static_cast<size_t>(count) * item);
}

}  // namespace

extern "C" {

aestus_status aestus_model_open(const char* path, aestus_model** out) {
  return guarded([&] {
    require(path != nullptr && out != nullptr, "path and out must not be null");
    *out = nullptr;
    *out = new aestus_model{aestus::Model(std::string(path))};
  });
}

void aestus_model_close(aestus_model* model) { delete model; }

int64_t aestus_model_vocab(const aestus_model* m) { return m ? m->model.config().vocab : 0; }
int64_t aestus_model_layers(const aestus_model* m) { return m ? m->model.config().layers : 0; }
int64_t aestus_model_width(const aestus_model* m) { return m ? m->model.config().width : 0; }
int64_t aestus_model_context(const aestus_model* m) { return m ? m->model.config().context : 0; }
int64_t aestus_model_weight_bytes(const aestus_model* m) {
  return m ? m->model.weights().bytes : 0;
}

aestus_status aestus_session_create(const aestus_model* model, int64_t context, int32_t threads,
                                    aestus_session** out) {
  return guarded([&] {
    require(model != nullptr && out != nullptr, "model and out must not be null");
    *out = nullptr;
    *out = new aestus_session{model->model, {model->model, context, threads}};
  });
}

void aestus_session_free(aestus_session* session) { delete session; }

aestus_status aestus_session_reset(aestus_session* session) {
  return guarded([&] {
    require(session != nullptr, "session must not be null");
    session->session.reset();
  });
}

aestus_status aestus_session_eval(aestus_session* session, const int32_t* ids, int64_t n,
                                  float* logits, int32_t all) {
  return guarded([&] {
    require(session != nullptr && ids != nullptr && logits != nullptr,
            "session, ids and logits must not be null");
    session->session.eval(ids, n, logits, all != 0);
  });
}

aestus_status aestus_tokenize(const aestus_model* model, const char* utf8, int64_t bytes,
                              int32_t* ids, int64_t capacity, int64_t* count) {
  return guarded([&] {
    require(model != nullptr && count != nullptr, "model and count must not be null");
    require(bytes >= 0 && bytes <= kMaxTextBytes, "bytes must be within 0 to 2^30");
    require(utf8 != nullptr || bytes == 0, "utf8 must not be null");
    require(capacity >= 0 && (ids != nullptr || capacity == 0),
            "ids must have room for capacity tokens");
    const std::string_view text(bytes == 0 ? "" : utf8, static_cast<size_t>(bytes));
    const std::vector<int32_t> answer =
        model->model.tokenizer().encode(text, aestus::Specials::AsText);
    hand_over(answer.data(), static_cast<int64_t>(answer.size()), sizeof(int32_t), ids, capacity,
              count);
  });
}

aestus_status aestus_detokenize(const aestus_model* model, const int32_t* ids, int64_t n,
                                char* out, int64_t capacity, int64_t* bytes) {
  return guarded([&] {
    require(model != nullptr && bytes != nullptr, "model and bytes must not be null");
    require(n >= 0 && (ids != nullptr || n == 0), "ids must hold n tokens");
    require(capacity >= 0 && (out != nullptr || capacity == 0),
            "out must have room for capacity bytes");
    const std::string answer = model->model.tokenizer().decode(ids, n);
    hand_over(answer.data(), static_cast<int64_t>(answer.size()), 1, out, capacity, bytes);
  });
}

aestus_status aestus_generate_greedy(aestus_session* session, const int32_t* prompt, int64_t n,
                                     int32_t* out, int64_t max_new, int64_t* count) {
  return guarded([&] {
    require(session != nullptr && prompt != nullptr && count != nullptr,
            "session, prompt and count must not be null");
    require(max_new >= 0 && (out != nullptr || max_new == 0),
            "out must have room for max_new tokens");
    *count = 0;
    const int64_t vocab = session->model.config().vocab;
    std::vector<float> logits(static_cast<size_t>(vocab));
    session->session.eval(prompt, n, logits.data(), false);
    while (*count < max_new) {
      const int32_t next = aestus::argmax(logits.data(), vocab);
      out[(*count)++] = next;
      if (*count == max_new || session->session.position() == session->session.context()) return;
      session->session.eval(&next, 1, logits.data(), false);
    }
  });
}

}  // extern "C"

/* Aestus: a small LLM inference library. This header is the whole C interface.
 *
 * Conventions
 *   - every function that can fail returns aestus_status; the reason is in aestus_last_error() of the same thread;
 *   - sizes and indices are int64_t (never long: it has 32 bits on Windows); tensors are row-major;
 *   - kernels are pure: they write nothing but their output, and their result depends neither on the number of
 *     threads nor on the implementation (scalar, avx2, avx512, neon are bitwise equal, see docs/numerics.md);
 *   - input and output must not overlap unless a function says so.
 */
#ifndef AESTUS_AESTUS_H
#define AESTUS_AESTUS_H

#include <stdint.h>

#if defined(_WIN32)
#if defined(AESTUS_BUILDING)
#define AESTUS_API __declspec(dllexport)
#else
#define AESTUS_API
#endif
#elif defined(__GNUC__)
#define AESTUS_API __attribute__((visibility("default")))
#else
#define AESTUS_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    AESTUS_OK = 0,
    AESTUS_ERR_ARGUMENT = 1,    /* the caller broke a precondition */
    AESTUS_ERR_IO = 2,          /* a file could not be read */
    AESTUS_ERR_FORMAT = 3,      /* a file is not what it claims to be */
    AESTUS_ERR_UNSUPPORTED = 4, /* valid, but this build or machine cannot do it */
    AESTUS_ERR_MEMORY = 5,
    AESTUS_ERR_NO_DEVICE = 6,   /* no accelerator: a normal answer */
    AESTUS_ERR_INTERNAL = 7
} aestus_status;

/* Storage types of weights; the numbers are ggml's. */
#define AESTUS_F32 0
#define AESTUS_Q4_1 3 /* blocks of 32: f16 d, f16 m, 16 bytes of nibbles; value = d*q + m */
#define AESTUS_Q8_0 8 /* blocks of 32: f16 d, 32 int8; value = d*q */

AESTUS_API const char* aestus_version(void);

/* Text of the last failure on this thread; "" when there was none. Valid until the next call on this thread. */
AESTUS_API const char* aestus_last_error(void);

/* The implementation in force: "scalar", "avx2", "avx512" or "neon"; "" when AESTUS_FORCE_IMPL cannot be obeyed. */
AESTUS_API const char* aestus_impl(void);

/* "auto" takes the best of this machine. An unknown name is ERR_ARGUMENT, one the machine lacks ERR_UNSUPPORTED. */
AESTUS_API aestus_status aestus_set_impl(const char* name);

/* ---- kernels ------------------------------------------------------------------------------------------------- */

/* c[m,n] = a[m,k] * b[n,k]^T */
AESTUS_API aestus_status aestus_gemm_f32(const float* a, const float* b, float* c, int64_t m, int64_t n, int64_t k);

/* y[m,n] = x[m,k] * W[n,k]^T with W stored as qtype; k % 32 == 0 for the quantised types */
AESTUS_API aestus_status aestus_qmatmul(int32_t qtype, const void* w, const float* x, float* y, int64_t n, int64_t k,
                                        int64_t m);

/* Bytes of one stored row of k values; -1 when k does not fit the type. */
AESTUS_API int64_t aestus_row_bytes(int32_t qtype, int64_t k);
AESTUS_API aestus_status aestus_dequantize_row(int32_t qtype, const void* w, float* y, int64_t k);
AESTUS_API aestus_status aestus_quantize_row(int32_t qtype, const float* x, void* w, int64_t k);

/* y[r,i] = x[r,i] / sqrt(mean_i(x[r,i]^2) + eps) * weight[i] */
AESTUS_API aestus_status aestus_rmsnorm_f32(const float* x, const float* weight, float* y, int64_t rows, int64_t d,
                                            float eps);
AESTUS_API aestus_status aestus_softmax_f32(const float* x, float* y, int64_t rows, int64_t d);

/* Rotates the pairs (2i, 2i+1) of every head by (first_position + token) * base^(-2i/head_dim); x == y is allowed. */
AESTUS_API aestus_status aestus_rope_f32(const float* x, float* y, int64_t tokens, int64_t heads, int64_t head_dim,
                                         int64_t first_position, float base);

/* Causal attention, grouped queries: q[tokens,heads,head_dim], k and v [past+tokens,kv_heads,head_dim], y as q. */
AESTUS_API aestus_status aestus_attention_f32(const float* q, const float* k, const float* v, float* y, int64_t tokens,
                                              int64_t past, int64_t heads, int64_t kv_heads, int64_t head_dim);

/* y[i] = gate[i] / (1 + exp(-gate[i])) * up[i] */
AESTUS_API aestus_status aestus_swiglu_f32(const float* gate, const float* up, float* y, int64_t n);

/* y[t,:] = table[ids[t],:], dequantised; an id outside [0,vocab) is ERR_ARGUMENT */
AESTUS_API aestus_status aestus_embedding(int32_t qtype, const void* table, const int32_t* ids, float* y,
                                          int64_t tokens, int64_t vocab, int64_t d);

/* ---- model --------------------------------------------------------------------------------------------------- */

typedef struct aestus_model aestus_model;     /* immutable, may be shared by threads */
typedef struct aestus_session aestus_session; /* one sequence with its key/value cache; one thread at a time */

AESTUS_API aestus_status aestus_model_open(const char* path, aestus_model** out);
AESTUS_API void aestus_model_close(aestus_model* model);
AESTUS_API int64_t aestus_model_vocab(const aestus_model* model);
AESTUS_API int64_t aestus_model_layers(const aestus_model* model);
AESTUS_API int64_t aestus_model_width(const aestus_model* model);
AESTUS_API int64_t aestus_model_context(const aestus_model* model);
AESTUS_API int64_t aestus_model_weight_bytes(const aestus_model* model);

AESTUS_API aestus_status aestus_session_create(const aestus_model* model, int64_t context, int32_t threads,
                                               aestus_session** out);
AESTUS_API void aestus_session_free(aestus_session* session);
AESTUS_API aestus_status aestus_session_reset(aestus_session* session);

/* Appends n tokens; logits is [n,vocab] when all != 0, else [vocab] of the last token. */
AESTUS_API aestus_status aestus_session_eval(aestus_session* session, const int32_t* ids, int64_t n, float* logits,
                                             int32_t all);

/* *count (or *bytes) is what the whole answer needs, also when capacity was too small (then ERR_ARGUMENT). */
AESTUS_API aestus_status aestus_tokenize(const aestus_model* model, const char* utf8, int64_t bytes, int32_t* ids,
                                         int64_t capacity, int64_t* count);
AESTUS_API aestus_status aestus_detokenize(const aestus_model* model, const int32_t* ids, int64_t n, char* out,
                                           int64_t capacity, int64_t* bytes);

/* Feeds the prompt, then takes the token of the largest logit (the lowest id of equals) up to max_new times. */
AESTUS_API aestus_status aestus_generate_greedy(aestus_session* session, const int32_t* prompt, int64_t n, int32_t* out,
                                                int64_t max_new, int64_t* count);

#ifdef __cplusplus
}
#endif

#endif /* AESTUS_AESTUS_H */

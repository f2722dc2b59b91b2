/* Aestus on an NVIDIA GPU, by the driver API alone: the driver is opened when first asked for, never linked.
 *
 * A machine without a driver or a device is normal: every function then answers AESTUS_ERR_NO_DEVICE, and
 * aestus_last_error() says what was looked for. The kernels come from the fatbin that inference/cuda/build.py makes.
 * Shapes and meanings are those of aestus.h; pointers are host memory, copied for each call.
 * AESTUS_CUDA_DRIVER names another driver library than libcuda.so.1 or nvcuda.dll.
 */
#ifndef AESTUS_AESTUS_CUDA_H
#define AESTUS_AESTUS_CUDA_H

#include "aestus/aestus.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct aestus_cuda aestus_cuda; /* one device with the kernels loaded; one thread at a time */

/* *count is 0 with AESTUS_ERR_NO_DEVICE. */
AESTUS_API aestus_status aestus_cuda_device_count(int32_t* count);

AESTUS_API aestus_status aestus_cuda_open(const char* fatbin_path, int32_t device, aestus_cuda** out);
AESTUS_API void aestus_cuda_close(aestus_cuda* cuda);
AESTUS_API const char* aestus_cuda_name(const aestus_cuda* cuda);
/* major * 10 + minor: 90 is sm_90 */
AESTUS_API int32_t aestus_cuda_capability(const aestus_cuda* cuda);
/* Kernels launched so far: the evidence that the GPU, and nothing else, computed a result. */
AESTUS_API int64_t aestus_cuda_launches(const aestus_cuda* cuda);

AESTUS_API aestus_status aestus_cuda_gemm_f32(aestus_cuda* cuda, const float* a, const float* b, float* c, int64_t m,
                                              int64_t n, int64_t k);
AESTUS_API aestus_status aestus_cuda_qmatmul(aestus_cuda* cuda, int32_t qtype, const void* w, const float* x, float* y,
                                             int64_t n, int64_t k, int64_t m);
AESTUS_API aestus_status aestus_cuda_dequantize_row(aestus_cuda* cuda, int32_t qtype, const void* w, float* y,
                                                    int64_t k);
AESTUS_API aestus_status aestus_cuda_rmsnorm_f32(aestus_cuda* cuda, const float* x, const float* weight, float* y,
                                                 int64_t rows, int64_t d, float eps);
AESTUS_API aestus_status aestus_cuda_softmax_f32(aestus_cuda* cuda, const float* x, float* y, int64_t rows, int64_t d);
AESTUS_API aestus_status aestus_cuda_rope_f32(aestus_cuda* cuda, const float* x, float* y, int64_t tokens,
                                              int64_t heads, int64_t head_dim, int64_t first_position, float base);
AESTUS_API aestus_status aestus_cuda_attention_f32(aestus_cuda* cuda, const float* q, const float* k, const float* v,
                                                   float* y, int64_t tokens, int64_t past, int64_t heads,
                                                   int64_t kv_heads, int64_t head_dim);
AESTUS_API aestus_status aestus_cuda_swiglu_f32(aestus_cuda* cuda, const float* gate, const float* up, float* y,
                                                int64_t n);
AESTUS_API aestus_status aestus_cuda_embedding(aestus_cuda* cuda, int32_t qtype, const void* table, const int32_t* ids,
                                               float* y, int64_t tokens, int64_t vocab, int64_t d);

#ifdef __cplusplus
}
#endif

#endif /* AESTUS_AESTUS_CUDA_H */

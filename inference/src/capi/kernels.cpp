// The kernels at the C boundary: check every argument, then run the whole operation on the calling thread.
#include <string>
#include <vector>

#include "base/status.h"
#include "kernels/kernels.h"

namespace {

using aestus::Error;
using aestus::guarded;
using aestus::require;
namespace kernels = aestus::kernels;
using kernels::QType;

// 2^40 elements: far above any real tensor, far below where a byte count could overflow int64_t.
constexpr int64_t kMostElements = int64_t{1} << 40;

// Product of extents, each >= 0; throws when negative or absurd.
int64_t elements(std::initializer_list<int64_t> extents) {
    int64_t product = 1;
    bool empty = false;
    for (const int64_t extent : extents) {
        require(extent >= 0, "a size is negative");
        if (extent == 0) {
            empty = true;
            continue;
        }
        require(product <= kMostElements / extent, "a tensor has more than 2^40 elements");
        product *= extent;
    }
    return empty ? 0 : product;
}

void require_pointer(const void* pointer, int64_t count, const char* what) {
    if (count > 0 && pointer == nullptr) throw Error(AESTUS_ERR_ARGUMENT, std::string(what) + " is null");
}

QType checked_type(int32_t number, int64_t k) {
    const QType type = kernels::qtype_of(number);
    require(k >= 0, "a size is negative");
    require(kernels::row_bytes(type, k) >= 0, "k is not a multiple of 32, which quantised types need");
    return type;
}

}  // namespace

extern "C" {

const char* aestus_impl(void) {
    const char* name = "";
    guarded([&] { name = kernels::implementation(); });
    return name;
}

aestus_status aestus_set_impl(const char* name) {
    return guarded([&] {
        require(name != nullptr, "the name of the implementation is null");
        kernels::set_implementation(name);
    });
}

aestus_status aestus_gemm_f32(const float* a, const float* b, float* c, int64_t m, int64_t n, int64_t k) {
    return guarded([&] {
        require_pointer(a, elements({m, k}), "a");
        require_pointer(b, elements({n, k}), "b");
        require_pointer(c, elements({m, n}), "c");
        kernels::gemm_f32(a, b, c, m, n, k, {0, n});
    });
}

aestus_status aestus_qmatmul(int32_t qtype, const void* w, const float* x, float* y, int64_t n, int64_t k, int64_t m) {
    return guarded([&] {
        const QType type = checked_type(qtype, k);
        require_pointer(w, elements({n, k}), "w");
        require_pointer(x, elements({m, k}), "x");
        require_pointer(y, elements({m, n}), "y");
        kernels::qmatmul(type, w, x, y, n, k, m, {0, n});
    });
}

int64_t aestus_row_bytes(int32_t qtype, int64_t k) {
    int64_t bytes = -1;
    guarded([&] { bytes = kernels::row_bytes(kernels::qtype_of(qtype), k); });
    return bytes;
}

aestus_status aestus_dequantize_row(int32_t qtype, const void* w, float* y, int64_t k) {
    return guarded([&] {
        const QType type = checked_type(qtype, elements({k}));
        require_pointer(w, k, "w");
        require_pointer(y, k, "y");
        kernels::dequantize_row(type, w, y, k);
    });
}

aestus_status aestus_quantize_row(int32_t qtype, const float* x, void* w, int64_t k) {
    return guarded([&] {
        const QType type = checked_type(qtype, elements({k}));
        require_pointer(x, k, "x");
        require_pointer(w, k, "w");
        kernels::quantize_row(type, x, w, k);
    });
}

aestus_status aestus_rmsnorm_f32(const float* x, const float* weight, float* y, int64_t rows, int64_t d, float eps) {
    return guarded([&] {
        const int64_t count = elements({rows, d});
        require_pointer(x, count, "x");
        require_pointer(weight, count, "weight");
        require_pointer(y, count, "y");
        require(eps >= 0.0f, "eps is negative or NaN");
        kernels::rmsnorm_f32(x, weight, y, d, eps, {0, rows});
    });
}

aestus_status aestus_softmax_f32(const float* x, float* y, int64_t rows, int64_t d) {
    return guarded([&] {
        const int64_t count = elements({rows, d});
        require_pointer(x, count, "x");
        require_pointer(y, count, "y");
        kernels::softmax_f32(x, y, d, {0, rows});
    });
}

aestus_status aestus_rope_f32(const float* x, float* y, int64_t tokens, int64_t heads, int64_t head_dim,
                              int64_t first_position, float base) {
    return guarded([&] {
        const int64_t count = elements({tokens, heads, head_dim});
        require_pointer(x, count, "x");
        require_pointer(y, count, "y");
        require(head_dim % 2 == 0, "head_dim is odd");
        // 2^20 is where the reduction of the angle stops being exact.
        require(first_position >= 0 && first_position + tokens <= (int64_t{1} << 20), "a position is outside [0, 2^20)");
        require(base > 0.0f && base < 1e30f, "base is not a positive number below 1e30");
        if (count == 0) return;
        const auto angles = static_cast<size_t>(tokens * (head_dim / 2));
        std::vector<float> cosine(angles);
        std::vector<float> sine(angles);
        kernels::rope_angles(cosine.data(), sine.data(), tokens, head_dim, first_position, base);
        kernels::rope_rotate(x, y, cosine.data(), sine.data(), heads, head_dim, {0, tokens});
    });
}

aestus_status aestus_attention_f32(const float* q, const float* k, const float* v, float* y, int64_t tokens,
                                   int64_t past, int64_t heads, int64_t kv_heads, int64_t head_dim) {
    return guarded([&] {
        const int64_t count = elements({tokens, heads, head_dim});
        require(past >= 0 && past <= kMostElements, "past is negative or absurd");
        const int64_t cached = elements({past + tokens, kv_heads, head_dim});
        require(kv_heads > 0 && heads % kv_heads == 0, "heads is not a multiple of kv_heads");
        require_pointer(q, count, "q");
        require_pointer(k, cached, "k");
        require_pointer(v, cached, "v");
        require_pointer(y, count, "y");
        if (count == 0) return;
        std::vector<float> scratch(static_cast<size_t>(kernels::attention_scratch(tokens, past, heads, kv_heads)));
        kernels::attention_f32(q, k, v, y, tokens, past, heads, kv_heads, head_dim, scratch.data(),
                               {0, tokens * kv_heads});
    });
}

aestus_status aestus_swiglu_f32(const float* gate, const float* up, float* y, int64_t n) {
    return guarded([&] {
        require_pointer(gate, elements({n}), "gate");
        require_pointer(up, n, "up");
        require_pointer(y, n, "y");
        kernels::swiglu_f32(gate, up, y, {0, n});
    });
}

aestus_status aestus_embedding(int32_t qtype, const void* table, const int32_t* ids, float* y, int64_t tokens,
                               int64_t vocab, int64_t d) {
    return guarded([&] {
        const QType type = checked_type(qtype, d);
        require_pointer(table, elements({vocab, d}), "table");
        require_pointer(ids, elements({tokens}), "ids");
        require_pointer(y, elements({tokens, d}), "y");
        for (int64_t token = 0; token < tokens; ++token) {
            require(ids[token] >= 0 && ids[token] < vocab, "a token id is outside the vocabulary");
        }
        kernels::embedding(type, table, ids, y, d, {0, tokens});
    });
}

}

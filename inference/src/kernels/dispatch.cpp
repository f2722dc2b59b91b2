// Which implementation is in force, and the kernels as plain functions on top of it.
#include <atomic>
#include <cstdlib>
#include <vector>

#include "base/status.h"
#include "kernels/table.h"
#include "math/elementary.h"

namespace aestus::kernels {
namespace {

std::atomic<const Table*> in_force{nullptr};
thread_local const char* ran = "";

const Table* best_table() {
    if (const Table* table = avx512_table()) return table;
    if (const Table* table = avx2_table()) return table;
    if (const Table* table = neon_table()) return table;
    return scalar_table();
}

constexpr const char* kNames = "scalar, avx2, avx512, neon";

const Table* table_named(const std::string& name) {
    if (name == "auto") return best_table();
    const Table* table = nullptr;
    if (name == "scalar") table = scalar_table();
    else if (name == "avx2") table = avx2_table();
    else if (name == "avx512") table = avx512_table();
    else if (name == "neon") table = neon_table();
    else throw Error(AESTUS_ERR_ARGUMENT, "unknown implementation '" + name + "': use auto or " + kNames);
    if (table == nullptr) throw Error(AESTUS_ERR_UNSUPPORTED, "this machine cannot run the implementation " + name);
    return table;
}

const Table& current() {
    const Table* table = in_force.load(std::memory_order_acquire);
    if (table == nullptr) {
        table = table_named(requested_implementation());
        in_force.store(table, std::memory_order_release);
    }
    return *table;
}

// The table for one kernel call; notes who ran it.
const Table& running() {
    const Table& table = current();
    ran = table.name;
    return table;
}

const uint8_t* bytes_of(const void* w) { return static_cast<const uint8_t*>(w); }

}  // namespace

// The one reader of AESTUS_FORCE_IMPL.
std::string requested_implementation() {
    const char* forced = std::getenv("AESTUS_FORCE_IMPL");
    return forced == nullptr || *forced == '\0' ? "auto" : forced;
}

const char* implementation() { return current().name; }
const char* instruction_set() { return current().instruction_set; }
void set_implementation(const std::string& name) { in_force.store(table_named(name), std::memory_order_release); }
const char* implementation_that_ran() { return ran; }
void forget_implementation_that_ran() { ran = ""; }

QType qtype_of(int32_t number) {
    if (number == AESTUS_F32 || number == AESTUS_Q4_1 || number == AESTUS_Q8_0) return static_cast<QType>(number);
    throw Error(AESTUS_ERR_UNSUPPORTED,
                "weight type " + std::to_string(number) + " is none of F32 (0), Q4_1 (3), Q8_0 (8)");
}

int64_t row_bytes(QType type, int64_t k) {
    if (k < 0) return -1;
    if (type == QType::f32) return k * static_cast<int64_t>(sizeof(float));
    if (k % kQuantBlock != 0) return -1;
    return k / kQuantBlock * (type == QType::q4_1 ? kQ4_1Bytes : kQ8_0Bytes);
}

float dot_f32(const float* a, const float* b, int64_t k) { return running().dot(a, b, k); }

void gemm_f32(const float* a, const float* b, float* c, int64_t m, int64_t n, int64_t k, Range rows) {
    running().gemm(a, b, c, m, n, k, rows);
}

void qmatmul(QType type, const void* w, const float* x, float* y, int64_t n, int64_t k, int64_t m, Range rows) {
    thread_local std::vector<float> scratch;
    if (static_cast<int64_t>(scratch.size()) < kRowBlock * k) scratch.resize(static_cast<size_t>(kRowBlock * k));
    running().qmatmul(type, bytes_of(w), x, y, n, k, m, scratch.data(), rows);
}

void dequantize_row(QType type, const void* w, float* y, int64_t k) { running().dequantize(type, bytes_of(w), y, k); }

void quantize_row(QType type, const float* x, void* w, int64_t k) {
    running().quantize(type, x, static_cast<uint8_t*>(w), k);
}

void rmsnorm_f32(const float* x, const float* weight, float* y, int64_t d, float eps, Range rows) {
    running().rmsnorm(x, weight, y, d, eps, rows);
}

void softmax_f32(const float* x, float* y, int64_t d, Range rows) { running().softmax(x, y, d, rows); }

void rope_angles(float* cosine, float* sine, int64_t tokens, int64_t head_dim, int64_t first_position, float base) {
    const int64_t pairs = head_dim / 2;
    for (int64_t i = 0; i < pairs; ++i) {
        const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(head_dim);
        const double frequency = math::pow64(static_cast<double>(base), exponent);
        for (int64_t token = 0; token < tokens; ++token) {
            const auto angle = math::sincos64(static_cast<double>(first_position + token) * frequency);
            cosine[token * pairs + i] = static_cast<float>(angle.cosine);
            sine[token * pairs + i] = static_cast<float>(angle.sine);
        }
    }
}

void rope_rotate(const float* x, float* y, const float* cosine, const float* sine, int64_t heads, int64_t head_dim,
                 Range tokens) {
    running().rotate(x, y, cosine, sine, heads, head_dim, tokens);
}

int64_t attention_scratch(int64_t tokens, int64_t past, int64_t heads, int64_t kv_heads) {
    return heads / kv_heads * (past + tokens);
}

void attention_f32(const float* q, const float* k, const float* v, float* y, int64_t tokens, int64_t past,
                   int64_t heads, int64_t kv_heads, int64_t head_dim, float* scratch, Range units) {
    running().attention(q, k, v, y, tokens, past, heads, kv_heads, head_dim, scratch, units);
}

void swiglu_f32(const float* gate, const float* up, float* y, Range elements) {
    running().swiglu(gate, up, y, elements);
}

void embedding(QType type, const void* table, const int32_t* ids, float* y, int64_t d, Range tokens) {
    const int64_t stride = row_bytes(type, d);
    for (int64_t token = tokens.begin; token < tokens.end; ++token) {
        running().dequantize(type, bytes_of(table) + ids[token] * stride, y + token * d, d);
    }
}

}  // namespace aestus::kernels

// Rates of single kernels: the median of samples, each as many calls as fill its time.
#include <algorithm>
#include <functional>

#include "aestus_bench.h"
#include "kernels/kernels.h"

namespace aestus::tools {
namespace {

using kernels::QType;
using kernels::Range;

constexpr int kSamples = 7;
constexpr int64_t kWidth = 576;
constexpr int64_t kHidden = 1536;
constexpr int64_t kHeads = 9;
constexpr int64_t kKvHeads = 3;
constexpr int64_t kHeadDim = 64;

size_t as_size(int64_t value) { return static_cast<size_t>(value); }

/// Values in [-1, 1) of no particular pattern; no denormals, whose speed differs.
std::vector<float> noise(int64_t count) {
  std::vector<float> values(as_size(count));
  uint32_t state = 1;
  for (float& value : values) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<float>(state >> 8) * 0x1p-23f - 1.0f;
  }
  return values;
}

class Bench {
 public:
  explicit Bench(double sample_seconds) : sample_seconds_(sample_seconds) {}

  /// `flops` of one `call`; the rate is FLOP/s.
  void add(const std::string& name, double flops, const std::function<void()>& call) {
    call();  // maps pages, fills caches
    int64_t inner = 1;
    while (seconds_of(call, inner) < sample_seconds_ && inner < (int64_t{1} << 40)) inner *= 2;
    std::vector<double> rates;
    for (int i = 0; i < kSamples; ++i)
      rates.push_back(flops * static_cast<double>(inner) / seconds_of(call, inner));
    std::nth_element(rates.begin(), rates.begin() + kSamples / 2, rates.end());
    results_.push_back({"aestus.kernel_rate", "FLOP/s", name, rates[kSamples / 2], inner, kSamples});
  }

  std::vector<Measurement> take() { return std::move(results_); }

 private:
  static double seconds_of(const std::function<void()>& call, int64_t inner) {
    const Stopwatch watch;
    for (int64_t i = 0; i < inner; ++i) call();
    return watch.seconds();
  }

  double sample_seconds_;
  std::vector<Measurement> results_;
};

void add_gemm(Bench* bench, int64_t m, int64_t n, int64_t k) {
  const std::vector<float> a = noise(m * k), b = noise(n * k);
  std::vector<float> c(as_size(m * n));
  bench->add("gemm.f32:m=" + std::to_string(m) + ",n=" + std::to_string(n) +
                 ",k=" + std::to_string(k),
             2.0 * static_cast<double>(m * n * k),
             [&] { kernels::gemm_f32(a.data(), b.data(), c.data(), m, n, k, {0, n}); });
}

/// A quantised product whose weights rotate through `cold_bytes`, as those of a model do.
void add_qmatmul(Bench* bench, QType type, const char* name, int64_t n, int64_t k, int64_t m,
                 int64_t cold_bytes) {
  const int64_t row = kernels::row_bytes(type, k);
  const int64_t copies = std::max<int64_t>(1, cold_bytes / (n * row));
  std::vector<uint8_t> weights(as_size(copies * n * row));
  const std::vector<float> source = noise(k);
  kernels::quantize_row(type, source.data(), weights.data(), k);
  for (int64_t i = 1; i < copies * n; ++i)
    std::copy_n(weights.data(), row, weights.data() + i * row);
  const std::vector<float> x = noise(m * k);
  std::vector<float> y(as_size(m * n));
  int64_t turn = 0;
  bench->add(std::string("qmatmul.") + name + ":m=" + std::to_string(m) + ",n=" +
                 std::to_string(n) + ",k=" + std::to_string(k) + ",cold",
             2.0 * static_cast<double>(m * n * k), [&] {
               const uint8_t* const w = weights.data() + turn * n * row;
               turn = (turn + 1) % copies;
               kernels::qmatmul(type, w, x.data(), y.data(), n, k, m, {0, n});
             });
}

void add_attention(Bench* bench, int64_t tokens, int64_t past) {
  const int64_t span = past + tokens;
  const std::vector<float> q = noise(tokens * kHeads * kHeadDim);
  const std::vector<float> k = noise(span * kKvHeads * kHeadDim), v = k;
  std::vector<float> y(q.size());
  std::vector<float> scratch(as_size(kernels::attention_scratch(tokens, past, kHeads, kKvHeads)));
  const double pairs = static_cast<double>(tokens * past + tokens * (tokens + 1) / 2);
  bench->add("attention.f32:tokens=" + std::to_string(tokens) + ",past=" + std::to_string(past),
             4.0 * pairs * static_cast<double>(kHeads * kHeadDim), [&] {
               kernels::attention_f32(q.data(), k.data(), v.data(), y.data(), tokens, past, kHeads,
                                      kKvHeads, kHeadDim, scratch.data(),
                                      {0, tokens * kKvHeads});
             });
}

void add_rowwise(Bench* bench, int64_t rows) {
  const std::vector<float> x = noise(rows * kWidth), weight = noise(kWidth);
  std::vector<float> y(x.size());
  const double elements = static_cast<double>(rows * kWidth);
  const std::string shape = ":rows=" + std::to_string(rows) + ",d=" + std::to_string(kWidth);
  bench->add("rmsnorm.f32" + shape, 4.0 * elements, [&] {
    kernels::rmsnorm_f32(x.data(), weight.data(), y.data(), kWidth, 1e-5f, {0, rows});
  });
  bench->add("softmax.f32" + shape, 4.0 * elements,
             [&] { kernels::softmax_f32(x.data(), y.data(), kWidth, {0, rows}); });
  bench->add("swiglu.f32:n=" + std::to_string(rows * kWidth), 4.0 * elements, [&] {
    kernels::swiglu_f32(x.data(), x.data(), y.data(), {0, rows * kWidth});
  });
}

}  // namespace

std::vector<Measurement> measure_kernels(double sample_seconds, int64_t cold_bytes) {
  Bench bench(sample_seconds);
  add_gemm(&bench, 64, 256, 256);
  add_gemm(&bench, 64, kHidden, kWidth);
  for (const int64_t m : {1, 64}) {
    add_qmatmul(&bench, QType::q4_1, "q4_1", kHidden, kWidth, m, cold_bytes);
    add_qmatmul(&bench, QType::q8_0, "q8_0", kHidden, kWidth, m, cold_bytes);
  }
  add_attention(&bench, 1, 511);
  add_attention(&bench, 64, 0);
  add_rowwise(&bench, 64);
  return bench.take();
}

}  // namespace aestus::tools

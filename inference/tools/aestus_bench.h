// What one benchmark process reports.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace aestus::tools {

/// One figure; metric and unit are those of Hotfire's registry, so a rate is never in "ms".
struct Measurement {
  std::string metric;
  std::string unit;  // base units: s, B, B/s, FLOP/s, token/s, 1
  std::string name;  // what was measured, with its sizes; part of the series
  double value = 0;
  int64_t inner = 1;   // repetitions inside one timed sample
  int64_t samples = 1; // timed samples; the value is their median
};

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

/// Bytes per second that one thread reads from a buffer of `bytes`, the best of some passes: a
/// limit, which disturbance can only lower.
double read_bandwidth(int64_t bytes);

/// Four times the last-level cache where the system tells it, within 64 to 256 MiB: a virtual
/// machine may report the cache of a whole host.
int64_t probe_bytes();

/// Peak resident set in bytes, 0 where the system does not tell.
int64_t peak_resident_bytes();

/// Rates of single kernels on the shapes of a 135M-parameter model, and of GEMM. `scale` divides
/// the minimal time of a sample, for emulators.
std::vector<Measurement> measure_kernels(double sample_seconds, int64_t cold_bytes);

}  // namespace aestus::tools

// Facts of the machine: read bandwidth, cache size, peak memory.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>

#include "aestus_bench.h"

#ifdef _WIN32
#ifndef NOMINMAX
#define NOMINMAX
#endif
// windows.h must come before psapi.h.
#include <windows.h>

#include <psapi.h>
#else
#include <unistd.h>
#endif

namespace aestus::tools {
namespace {

constexpr int64_t kSmallestProbe = int64_t{64} << 20;
constexpr int64_t kLargestProbe = int64_t{1} << 28;
constexpr int kPasses = 5;
constexpr int64_t kStreams = 8;  // independent sums, so that loads and not additions limit

uint64_t sum_of(const uint64_t* words, int64_t count) {
  uint64_t sums[kStreams] = {};
  for (int64_t i = 0; i + kStreams <= count; i += kStreams)
    for (int64_t j = 0; j < kStreams; ++j) sums[j] += words[i + j];
  uint64_t total = 0;
  for (const uint64_t sum : sums) total += sum;
  return total;
}

}  // namespace

double read_bandwidth(int64_t bytes) {
  const int64_t count = bytes / static_cast<int64_t>(sizeof(uint64_t));
  const std::unique_ptr<uint64_t[]> words(new uint64_t[static_cast<size_t>(count)]);
  std::fill(words.get(), words.get() + count, uint64_t{1});  // maps every page
  double best = 0;
  volatile uint64_t sink = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    const Stopwatch watch;
    sink = sink + sum_of(words.get(), count);
    best = std::max(best, static_cast<double>(bytes) / watch.seconds());
  }
  return best;
}

int64_t probe_bytes() {
  int64_t cache = 0;
#if defined(_SC_LEVEL3_CACHE_SIZE)
  cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
  return std::clamp(4 * cache, kSmallestProbe, kLargestProbe);
}

int64_t peak_resident_bytes() {
#ifdef _WIN32
  PROCESS_MEMORY_COUNTERS counters;
  const bool known = K32GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters);
  return known ? static_cast<int64_t>(counters.PeakWorkingSetSize) : 0;
#else
  // Not getrusage: its maximum survives exec and may be that of the parent.
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    int64_t kibibytes = 0;
    if (word == "VmHWM:" && status >> kibibytes) return kibibytes * 1024;
  }
  return 0;
#endif
}

}  // namespace aestus::tools

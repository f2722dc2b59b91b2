// A few threads that share one loop at a time.
#include "model/pool.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace aestus {
namespace {

// Longer than the serial part between two loops of a token, shorter than a scheduler's tick.
constexpr auto kSpin = std::chrono::microseconds(50);
constexpr int kPausesPerLook = 64;

void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Spin until `ready`, at most kSpin; whether it became so.
template <typename Ready>
bool spin_until(const Ready& ready) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < kPausesPerLook; ++i) {
      if (ready()) return true;
      pause_briefly();
    }
  } while (std::chrono::steady_clock::now() < end);
  return ready();
}

kernels::Range share_of(int64_t units, int64_t grain, int32_t thread, int32_t threads) {
  const int64_t grains = (units + grain - 1) / grain;
  const auto bound = [&](int64_t index) {
    return std::min(units, grains * index / threads * grain);
  };
  return {bound(thread), bound(thread + 1)};
}

}  // namespace

Pool::Pool(int32_t threads) : threads_(threads) {
  for (int32_t i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
}

Pool::~Pool() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_.store(true);
    generation_.fetch_add(1);
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void Pool::run(int64_t units, int64_t grain, const Body& body) {
  if (threads_ == 1 || units <= grain) return body(0, {0, units});
  body_ = &body;
  units_ = units;
  grain_ = grain;
  unfinished_.store(threads_ - 1);
  {
    // Under the mutex, so that a worker about to sleep cannot miss it.
    const std::lock_guard<std::mutex> lock(mutex_);
    generation_.fetch_add(1);
  }
  wake_.notify_all();
  run_share(0);
  while (!spin_until([this] { return unfinished_.load() == 0; })) std::this_thread::yield();
  if (failure_ != nullptr) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void Pool::run_share(int32_t thread) {
  try {
    const kernels::Range share = share_of(units_, grain_, thread, threads_);
    if (share.begin < share.end) (*body_)(thread, share);
  } catch (...) {
    const std::lock_guard<std::mutex> lock(failure_mutex_);
    if (failure_ == nullptr) failure_ = std::current_exception();
  }
}

/// Wait for a generation after `seen`; false when the pool ends.
bool Pool::wait_for(uint64_t seen) {
  const auto ready = [this, seen] { return generation_.load() != seen; };
  if (!spin_until(ready)) {
    std::unique_lock<std::mutex> lock(mutex_);
    wake_.wait(lock, ready);
  }
  return !stopping_.load();
}

void Pool::work(int32_t thread) {
  for (uint64_t seen = 0; wait_for(seen);) {
    seen = generation_.load();
    run_share(thread);
    unfinished_.fetch_sub(1);
  }
}

}  // namespace aestus

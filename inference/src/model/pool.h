// A few threads that share one loop at a time.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "kernels/kernels.h"

namespace aestus {

/// Decoding has about 150 loops of ten microseconds per token, so workers spin briefly for the
/// next loop before they sleep. The caller is thread 0; a pool of one starts no thread.
class Pool {
 public:
  using Body = std::function<void(int32_t thread, kernels::Range units)>;

  explicit Pool(int32_t threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int32_t threads() const { return threads_; }

  /// Cut [0, units) into one contiguous range per thread, each but the last a multiple of
  /// `grain` long, and run `body` on them. Rethrows the first exception after all have ended.
  void run(int64_t units, int64_t grain, const Body& body);

 private:
  void work(int32_t thread);
  void run_share(int32_t thread);
  bool wait_for(uint64_t generation);

  int32_t threads_;
  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int32_t> unfinished_{0};
  std::atomic<bool> stopping_{false};
  const Body* body_ = nullptr;
  int64_t units_ = 0;
  int64_t grain_ = 1;
  std::mutex failure_mutex_;
  std::exception_ptr failure_;
};

}  // namespace aestus

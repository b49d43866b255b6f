// Tells the threads of one piece of work to end: those that look now and then, and those that
// sleep.
#ifndef HILUM_CLIENT_STOP_FLAG_H_
#define HILUM_CLIENT_STOP_FLAG_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace hilum::client {

// Thread-safe. Nobody can set it without waking the sleepers.
class StopFlag {
 public:
  void Set() {
    {
      const std::lock_guard lock(mutex_);
      flag_ = true;
    }
    wake_.notify_all();
  }
  // Before the next piece of work, when no thread of the last one is left.
  void Clear() { flag_ = false; }
  bool IsSet() const { return flag_; }
  // For loops that look at it between their steps.
  const std::atomic<bool>* flag() const { return &flag_; }

  // False: it was set meanwhile, or before.
  bool Sleep(int64_t ms) {
    std::unique_lock lock(mutex_);
    return !wake_.wait_for(lock, std::chrono::milliseconds(ms), [this] { return flag_.load(); });
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<bool> flag_ = false;
};

}  // namespace hilum::client

#endif  // HILUM_CLIENT_STOP_FLAG_H_

// A device whose queues run as late as they may, and fail when a test says so.
#ifndef HILUM_TESTS_KERNELS_LAZY_QUEUES_H_
#define HILUM_TESTS_KERNELS_LAZY_QUEUES_H_

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/device_queue.h"

namespace hilum::kernels {

// What outlives the queues that it watches.
struct Watch {
  int n_calls = 0;
  int fail_at = -1;  // this call fails, and every one after it, as a lost device's would
  int n_reserved = 0;
  int refuse_reserve = -1;                        // this reservation finds no memory
  size_t live_bytes[2] = {}, most_bytes[2] = {};  // pinned, device
  int n_dirty = 0;                                // buffers that were not zero when given back
};

// The slowest device there can be: what is queued runs only when somebody waits for it. So a
// buffer that is used again too early spoils the sum in every run, not in some.
class LazyQueues final : public DeviceQueues {
 public:
  LazyQueues(int n_queues, Watch* watch) : queues_(static_cast<size_t>(n_queues)), watch_(*watch) {}

  Device device() const override { return Device::kCpu; }
  int n_queues() const override { return static_cast<int>(queues_.size()); }
  absl::Status CopyToDevice(int queue, const void* from, void* to, size_t bytes) override {
    return Put(queue, [=] { std::memcpy(to, from, bytes); });
  }
  absl::Status CopyFromDevice(int queue, const void* from, void* to, size_t bytes) override {
    return Put(queue, [=] { std::memcpy(to, from, bytes); });
  }
  absl::Status AddWords(int queue, const uint32_t* words, uint64_t* total, int64_t n,
                        int sign) override {
    return Put(queue, [=] {
      for (int64_t j = 0; j < n; ++j) total[j] += sign > 0 ? words[j] : -uint64_t{words[j]};
    });
  }
  absl::StatusOr<int> NewEvent() override {
    HILUM_RETURN_IF_ERROR(Call());
    events_.push_back({});
    return static_cast<int>(events_.size()) - 1;
  }
  absl::Status Record(int queue, int event) override {
    HILUM_RETURN_IF_ERROR(Call());
    events_[static_cast<size_t>(event)] = {queue, queues_[static_cast<size_t>(queue)].n_put};
    return absl::OkStatus();
  }
  absl::Status Wait(int event) override {
    HILUM_RETURN_IF_ERROR(Call());
    const auto [queue, n_put] = events_[static_cast<size_t>(event)];
    RunUntil(queues_[static_cast<size_t>(queue)], n_put);
    return absl::OkStatus();
  }
  absl::Status Finish() override {
    HILUM_RETURN_IF_ERROR(Call());
    for (Queue& queue : queues_) RunUntil(queue, queue.n_put);
    return absl::OkStatus();
  }

 private:
  struct Queue {
    std::deque<std::function<void()>> tasks;
    int n_put = 0, n_done = 0;
  };
  static void RunUntil(Queue& queue, int n) {
    for (; queue.n_done < n; ++queue.n_done) {
      queue.tasks.front()();
      queue.tasks.pop_front();
    }
  }
  absl::Status Call() {
    const int call = watch_.n_calls++;
    if (watch_.fail_at < 0 || call < watch_.fail_at) return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat("the device failed at call ", call));
  }
  absl::Status Put(int queue, std::function<void()> task) {
    HILUM_RETURN_IF_ERROR(Call());
    queues_[static_cast<size_t>(queue)].tasks.push_back(std::move(task));
    ++queues_[static_cast<size_t>(queue)].n_put;
    return absl::OkStatus();
  }
  absl::StatusOr<void*> Reserve(Place place, size_t bytes) override {
    if (watch_.n_reserved++ == watch_.refuse_reserve) {
      return absl::ResourceExhaustedError("memory is full");
    }
    size_t& live = watch_.live_bytes[static_cast<int>(place)];
    live += bytes;
    size_t& most = watch_.most_bytes[static_cast<int>(place)];
    most = std::max(most, live);
    return std::calloc(bytes, 1);
  }
  void Clear(Place, void* memory, size_t bytes) override { std::memset(memory, 0, bytes); }
  void GiveBack(Place place, void* memory, size_t bytes) override {
    const auto* const first = static_cast<const uint8_t*>(memory);
    watch_.n_dirty += std::any_of(first, first + bytes, [](uint8_t byte) { return byte != 0; });
    watch_.live_bytes[static_cast<int>(place)] -= bytes;
    std::free(memory);
  }

  std::vector<Queue> queues_;
  std::vector<std::pair<int, int>> events_;  // queue, tasks before it
  Watch& watch_;
};

// The queues of `n` such devices, as aggregator/compute.h wants them.
inline absl::StatusOr<std::vector<std::unique_ptr<DeviceQueues>>> LazyDevices(size_t n,
                                                                              Watch* watch) {
  std::vector<std::unique_ptr<DeviceQueues>> queues;
  for (size_t i = 0; i < n; ++i) queues.push_back(std::make_unique<LazyQueues>(2, watch));
  return queues;
}

}  // namespace hilum::kernels

#endif  // HILUM_TESTS_KERNELS_LAZY_QUEUES_H_

#include "kernels/device_queue.h"

#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <mutex>
#include <new>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "kernels/cuda_entry.h"
#include "kernels/integer_sum_program.h"
#include "kernels/secret.h"

namespace hilum::kernels {
namespace {

constexpr std::align_val_t kAlignment{64};

// A thread that does what it is given, in order.
class Queue {
 public:
  Queue() : thread_([this] { Work(); }) {}
  Queue(const Queue&) = delete;
  ~Queue() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  // Returns the number of the task, counted from 1.
  int64_t Put(std::function<void()> task) {
    std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    changed_.notify_all();
    return ++n_put_;
  }
  int64_t n_put() {
    std::lock_guard lock(mutex_);
    return n_put_;
  }
  void WaitFor(int64_t n) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return n_done_ >= n; });
  }

 private:
  void Work() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return stopping_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      lock.lock();
      ++n_done_;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  int64_t n_put_ = 0;
  int64_t n_done_ = 0;
  bool stopping_ = false;
  std::thread thread_;  // last: it uses the others
};

class CpuQueues final : public DeviceQueues {
 public:
  explicit CpuQueues(int n_queues) : queues_(static_cast<size_t>(n_queues)) {}

  Device device() const override { return Device::kCpu; }
  int n_queues() const override { return static_cast<int>(queues_.size()); }

  absl::Status CopyToDevice(int queue, const void* pinned, void* there, size_t bytes) override {
    At(queue).Put([=] { std::memcpy(there, pinned, bytes); });
    return absl::OkStatus();
  }
  absl::Status CopyFromDevice(int queue, const void* there, void* pinned, size_t bytes) override {
    At(queue).Put([=] { std::memcpy(pinned, there, bytes); });
    return absl::OkStatus();
  }
  absl::Status AddWords(int queue, const uint32_t* words, uint64_t* total, int64_t n,
                        int sign) override {
    At(queue).Put([=] {
      if (sign > 0) {
        Sum(IntegerSumProgram<1>{.words = words, .total = total, .n = n});
      } else {
        Sum(IntegerSumProgram<-1>{.words = words, .total = total, .n = n});
      }
    });
    return absl::OkStatus();
  }

  absl::StatusOr<int> NewEvent() override {
    std::lock_guard lock(mutex_);
    events_.push_back({});
    return static_cast<int>(events_.size()) - 1;
  }
  absl::Status Record(int queue, int event) override {
    std::lock_guard lock(mutex_);
    EventAt(event) = {.queue = queue, .n_put = At(queue).n_put()};
    return absl::OkStatus();
  }
  absl::Status Wait(int event) override {
    Event known;
    {
      std::lock_guard lock(mutex_);
      known = EventAt(event);
    }
    At(known.queue).WaitFor(known.n_put);
    return absl::OkStatus();
  }
  absl::Status Finish() override {
    for (Queue& queue : queues_) queue.WaitFor(queue.n_put());
    return absl::OkStatus();
  }

 private:
  struct Event {
    int queue = 0;
    int64_t n_put = 0;  // reached when this many tasks of the queue are done
  };

  template <class Program>
  static void Sum(const Program& program) {
    Launch(program, BlocksFor(program.n, Program::kTile));
  }
  Queue& At(int queue) {
    HILUM_CHECK(queue >= 0 && queue < n_queues());
    return queues_[static_cast<size_t>(queue)];
  }
  Event& EventAt(int event) {
    HILUM_CHECK(event >= 0 && static_cast<size_t>(event) < events_.size());
    return events_[static_cast<size_t>(event)];
  }

  absl::StatusOr<void*> Reserve(Place, size_t bytes) override {
    void* const memory = ::operator new(bytes, kAlignment, std::nothrow);
    if (memory == nullptr) {
      return absl::ResourceExhaustedError(absl::StrCat("there are no ", bytes, " bytes of memory"));
    }
    std::memset(memory, 0, bytes);
    return memory;
  }
  void Clear(Place, void* memory, size_t bytes) override {
    Wipe({static_cast<uint8_t*>(memory), bytes});
  }
  void GiveBack(Place, void* memory, size_t) override { ::operator delete(memory, kAlignment); }

  std::mutex mutex_;
  std::vector<Event> events_;
  std::vector<Queue> queues_;
};

}  // namespace

void DeviceQueues::Release::operator()(void* memory) const {
  queues->Clear(place, memory, bytes);
  queues->GiveBack(place, memory, bytes);
}

absl::StatusOr<DeviceQueues::Buffer> DeviceQueues::Allocate(Place place, size_t bytes) {
  HILUM_ASSIGN_OR_RETURN(void* const memory, Reserve(place, bytes));
  return Buffer(memory, Release{.queues = this, .place = place, .bytes = bytes});
}

absl::StatusOr<std::unique_ptr<DeviceQueues>> DeviceQueues::Create(Device device, int n_queues) {
  if (n_queues < 1 || n_queues > kMaxQueues) {
    return absl::InvalidArgumentError(
        absl::StrCat(n_queues, " queues of a device were asked for; needed is 1 to ", kMaxQueues));
  }
  HILUM_RETURN_IF_ERROR(CheckDevice(device));
  if constexpr (kCudaBuild) {
    if (device.kind == Device::kCuda) return cuda::MakeQueues(device.index, n_queues);
  }
  return std::make_unique<CpuQueues>(n_queues);
}

}  // namespace hilum::kernels

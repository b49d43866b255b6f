// A device's memory and its queues of work, as chunk_pipeline.h drives them.
//
// Work on one queue runs in the order in which it was queued, beside the caller and beside the
// other queues; an event tells that a queue has come to a point. Two implementations: CUDA
// (streams, pinned memory) and the CPU (a thread for each queue), so that tests run the pipeline's
// own control flow where there is no GPU.
#ifndef HILUM_KERNELS_DEVICE_QUEUE_H_
#define HILUM_KERNELS_DEVICE_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/device.h"

namespace hilum::kernels {

// Thread-safe, but for the end: Finish, and give every buffer back, before it is destroyed.
//
// Errors of every call: Unavailable when the device failed, now or in earlier work of any queue;
// what its memory holds is unknown then. ResourceExhausted where memory is full.
class DeviceQueues {
 public:
  enum class Place {
    kPinned,
    kDevice
  };  // of the computer, where the device can copy from; its own

  // A buffer is cleared before its memory is given back: it may have held an update.
  struct Release {
    DeviceQueues* queues = nullptr;
    Place place = Place::kPinned;
    size_t bytes = 0;
    void operator()(void* memory) const;
  };
  using Buffer = std::unique_ptr<void, Release>;

  static constexpr int kMaxQueues = 16;
  // InvalidArgument: n_queues is not 1 to kMaxQueues. FailedPrecondition: no such device.
  // Unavailable: CUDA could not make the queues.
  static absl::StatusOr<std::unique_ptr<DeviceQueues>> Create(Device device, int n_queues);

  DeviceQueues(const DeviceQueues&) = delete;
  virtual ~DeviceQueues() = default;

  virtual Device device() const = 0;
  virtual int n_queues() const = 0;

  // `bytes` > 0 of zeros, aligned for any word. ResourceExhausted: there is no such memory left.
  absl::StatusOr<Buffer> Allocate(Place place, size_t bytes);

  // Queued on `queue`; the buffers must stay as they are until it has run.
  virtual absl::Status CopyToDevice(int queue, const void* pinned, void* there, size_t bytes) = 0;
  virtual absl::Status CopyFromDevice(int queue, const void* there, void* pinned, size_t bytes) = 0;
  // total[j] += words[j] (sign 1) or -= (sign -1), both [n] on the device.
  virtual absl::Status AddWords(int queue, const uint32_t* words, uint64_t* total, int64_t n,
                                int sign) = 0;

  // Events are numbered from 0. Recording one anew forgets its last place. Waiting for one that
  // was never recorded returns at once.
  virtual absl::StatusOr<int> NewEvent() = 0;
  virtual absl::Status Record(int queue, int event) = 0;
  virtual absl::Status Wait(int event) = 0;
  // Waits for all queues.
  virtual absl::Status Finish() = 0;

 protected:
  DeviceQueues() = default;

 private:
  friend struct Release;
  virtual absl::StatusOr<void*> Reserve(Place place, size_t bytes) = 0;
  virtual void Clear(Place place, void* memory, size_t bytes) = 0;
  virtual void GiveBack(Place place, void* memory, size_t bytes) = 0;
};

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_DEVICE_QUEUE_H_

// The running sum of a round in a device's memory, fed chunk by chunk.
//
// A chunk is copied into pinned memory, from there to the device, and added, while the caller
// already receives the next one: the wire, the copy and the sum overlap. Each queue has two
// buffers of each kind and takes one again only when the event behind its last use has come. A
// chunk of the vector always goes through the same queue, so additions to one coordinate follow
// one another, and chunks on different queues run beside one another.
#ifndef HILUM_KERNELS_CHUNK_PIPELINE_H_
#define HILUM_KERNELS_CHUNK_PIPELINE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "kernels/device_queue.h"

namespace hilum::kernels {

struct ChunkPipelineOptions {
  int64_t n_coords = 0;      // of the vector, >= 1
  int64_t chunk_coords = 0;  // chunk i: coordinates i * chunk_coords and on; >= 1
  int64_t budget_bytes = 0;  // of the device's memory, at most
};

// Thread-safe: callers with chunks of different queues do not wait for each other.
class ChunkPipeline {
 public:
  static constexpr int kBuffersPerQueue = 2;
  static constexpr int64_t kMaxCoords = int64_t{1} << 40;  // so that no size in bytes overflows

  // 8 n_coords + n_queues * kBuffersPerQueue * 4 chunk_coords: what Create reserves on the device.
  static int64_t DeviceBytes(const ChunkPipelineOptions& options, int n_queues);

  // A sum of zeros. InvalidArgument: a length below 1. ResourceExhausted: the budget is smaller
  // than DeviceBytes (the sentence has both), or memory is full at the device or for pinned
  // buffers; then nothing stays reserved. Unavailable: the device failed.
  static absl::StatusOr<std::unique_ptr<ChunkPipeline>> Create(std::unique_ptr<DeviceQueues> queues,
                                                               const ChunkPipelineOptions& options);

  ChunkPipeline(const ChunkPipeline&) = delete;
  // Waits for what is queued; every buffer is cleared.
  ~ChunkPipeline();

  // sum[chunk * chunk_coords + j] += words[j], or -= words[j]. `words` can be used again when it
  // returns. InvalidArgument: no such chunk, or another length than the chunk has; the sum stays.
  // Unavailable: the device failed. From then on every call returns that error: the sum is lost,
  // and has to be made again from its vectors.
  absl::Status Add(int64_t chunk, std::span<const uint32_t> words);
  absl::Status Subtract(int64_t chunk, std::span<const uint32_t> words);

  // Waits for every addition that has returned, and copies the sum to `total`, [n_coords].
  // Same bits as AddWords and SubtractWords on the CPU. Errors as Add; `total` is undefined then.
  absl::Status Read(std::span<uint64_t> total);

  Device device() const { return queues_->device(); }

 private:
  struct Slot {  // a pinned buffer, one on the device, and the event behind their last use
    DeviceQueues::Buffer pinned;
    DeviceQueues::Buffer there;
    int event = 0;
  };
  struct Lane {  // what one queue owns
    absl::Mutex mutex;
    std::array<Slot, kBuffersPerQueue> slots ABSL_GUARDED_BY(mutex);
    size_t next ABSL_GUARDED_BY(mutex) = 0;
  };

  ChunkPipeline(std::unique_ptr<DeviceQueues> queues, const ChunkPipelineOptions& options);
  absl::Status Reserve();
  absl::Status Put(int64_t chunk, std::span<const uint32_t> words, int sign);
  absl::Status PutOn(int queue, int64_t first, std::span<const uint32_t> words, int sign);
  absl::Status ReadThrough(Lane& lane, std::span<uint64_t> total);
  absl::Status Failure() const;
  absl::Status Keep(const absl::Status& status);  // the first failure stays

  const std::unique_ptr<DeviceQueues> queues_;  // outlives the buffers
  const ChunkPipelineOptions options_;
  DeviceQueues::Buffer total_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  mutable absl::Mutex failure_mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(failure_mutex_);
};

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_CHUNK_PIPELINE_H_

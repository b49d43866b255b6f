// The running sum of a round on one device or on several: each has a part of the vectors in a
// chunk pipeline of its own, and the parts are added up at the end (collective.h).
#ifndef HILUM_KERNELS_GROUP_SUM_H_
#define HILUM_KERNELS_GROUP_SUM_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/chunk_pipeline.h"
#include "kernels/collective.h"
#include "kernels/device_queue.h"

namespace hilum::kernels {

// Thread-safe but for Read. A chunk goes to the next device in turn, whatever its index: the buses
// share the load, and as the parts are added modulo 2^64, a chunk may be subtracted elsewhere than
// it was added.
class GroupSum {
 public:
  // A sum of zeros. queues: one a device. options: of each device; budget_bytes too.
  // InvalidArgument: no queues, or devices that make no group (collective.h). Errors of
  // ChunkPipeline::Create and Collective::Create; then nothing stays reserved.
  static absl::StatusOr<std::unique_ptr<GroupSum>> Create(
      std::vector<std::unique_ptr<DeviceQueues>> queues, const ChunkPipelineOptions& options);

  // As ChunkPipeline's. After Unavailable the sum is lost, and has to be made again; it is
  // Unavailable after Read too.
  absl::Status Add(int64_t chunk, std::span<const uint32_t> words);
  absl::Status Subtract(int64_t chunk, std::span<const uint32_t> words);

  // The sum, [n_coords]; ends this. With several devices the computer's memory holds a part of
  // 8 n_coords bytes for each but the first meanwhile, and the devices give back what their parts
  // took before the collective takes its stretch, which is no longer.
  // InvalidArgument: another length. Unavailable: a device failed; `total` is undefined then.
  absl::Status Read(std::span<uint64_t> total) &&;

  const std::vector<Device>& devices() const { return devices_; }

 private:
  GroupSum() = default;
  absl::StatusOr<ChunkPipeline*> Next();

  std::vector<Device> devices_;
  std::vector<std::unique_ptr<ChunkPipeline>> parts_;  // empty after Read
  std::unique_ptr<Collective> collective_;             // none: there is one device
  std::atomic<size_t> next_{0};
};

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_GROUP_SUM_H_

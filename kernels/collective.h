// One sum from vectors that several devices hold: each device has a part, the total is theirs.
//
// Integers, so the total has the same bits for any number of devices and any order. On GPUs the
// parts travel over their links by NCCL; on the CPU a thread stands for each device and takes its
// share of the coordinates, as in a reduce-scatter.
#ifndef HILUM_KERNELS_COLLECTIVE_H_
#define HILUM_KERNELS_COLLECTIVE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/device.h"

namespace hilum::kernels {

// More are refused: no computer has as many GPUs.
inline constexpr size_t kMaxCollectiveDevices = 64;

// A fixed group of devices. One thread uses it at a time.
class Collective {
 public:
  // Either GPUs, each once, or the CPU, once for each thread that stands for a device.
  // InvalidArgument: no device, too many, CPU and GPUs together, or a GPU twice.
  // FailedPrecondition: no such device. Unavailable: NCCL could not join the GPUs.
  static absl::StatusOr<std::unique_ptr<Collective>> Create(std::span<const Device> devices);

  Collective(const Collective&) = delete;
  virtual ~Collective() = default;

  // total[j] = parts[0][j] + parts[1][j] + ... modulo 2^32 (words) or 2^64 (totals).
  //   parts  [n_devices][n] in the computer's memory; part i belongs to device i
  //   total  [n]; may be one of the parts, else it overlaps none
  // On GPUs a stretch of coordinates at a time, so the vectors need not fit; what a GPU held is
  // cleared. InvalidArgument: another number of parts, or a part of another length.
  // ResourceExhausted: the GPU's memory is full. Unavailable: CUDA or NCCL failed; the total is
  // undefined then, the parts are as they were (but for one that is the total), and this group
  // refuses every further sum.
  absl::Status Sum(std::span<const std::span<const uint32_t>> parts, std::span<uint32_t> total);
  absl::Status Sum(std::span<const std::span<const uint64_t>> parts, std::span<uint64_t> total);

  size_t n_devices() const { return n_devices_; }

 protected:
  explicit Collective(size_t n_devices) : n_devices_(n_devices) {}

 private:
  // Lengths are checked, and there is at least one coordinate.
  virtual absl::Status Run(std::span<const std::span<const uint32_t>> parts,
                           std::span<uint32_t> total) = 0;
  virtual absl::Status Run(std::span<const std::span<const uint64_t>> parts,
                           std::span<uint64_t> total) = 0;
  template <class T>
  absl::Status CheckAndRun(std::span<const std::span<const T>> parts, std::span<T> total);

  const size_t n_devices_;
};

// The specification: the plain sum. Preconditions not checked.
void CollectiveSumReference(std::span<const std::span<const uint32_t>> parts,
                            std::span<uint32_t> total);
void CollectiveSumReference(std::span<const std::span<const uint64_t>> parts,
                            std::span<uint64_t> total);

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_COLLECTIVE_H_

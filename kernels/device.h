// Where a kernel runs: on the processor's cores or on one CUDA GPU.
#ifndef HILUM_KERNELS_DEVICE_H_
#define HILUM_KERNELS_DEVICE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace hilum::kernels {

// Passed by value to every kernel: AddWords(words, total, Device::kCpu).
struct Device {
  enum Kind { kCpu, kCuda };
  Kind kind = kCpu;
  int index = 0;  // of the GPU, as CUDA counts them; 0 for the CPU

  constexpr Device() = default;
  constexpr Device(Kind kind, int index = 0) : kind(kind), index(index) {}  // NOLINT: implicit
  friend constexpr bool operator==(const Device&, const Device&) = default;
};

// "cpu" or "cuda:0".
std::string ToString(Device device);

// Reads "auto" (a GPU when there is one, else the CPU), "cpu", "cuda" (= "cuda:0") or "cuda:N".
// InvalidArgument: another text. FailedPrecondition: CUDA was asked for, and this program was
// built without CUDA or this computer has no such GPU; the sentence says which.
absl::StatusOr<Device> ParseDevice(absl::string_view text);

// Reads what ParseDevice reads, or several GPUs: "cuda:0,cuda:1". InvalidArgument, besides: several
// are given and one of them is no GPU, or is given twice.
absl::StatusOr<std::vector<Device>> ParseDevices(absl::string_view text);
// "cuda:0,cuda:1".
std::string ToString(const std::vector<Device>& devices);

// FailedPrecondition: `device` cannot be used here, as for ParseDevice. The CPU always can.
absl::Status CheckDevice(Device device);

// How many GPUs this program can use; 0 in a build without CUDA.
int CudaDeviceCount();

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_DEVICE_H_

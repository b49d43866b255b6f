#include "kernels/device.h"

#include <charconv>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/cuda_entry.h"

namespace hilum::kernels {

std::string ToString(Device device) {
  return device.kind == Device::kCpu ? "cpu" : absl::StrCat("cuda:", device.index);
}

int CudaDeviceCount() {
  if constexpr (kCudaBuild) return cuda::DeviceCount();
  return 0;
}

absl::Status CheckDevice(Device device) {
  if (device.kind == Device::kCpu) return absl::OkStatus();
  if (!kCudaBuild) {
    return absl::FailedPreconditionError(
        absl::StrCat(ToString(device),
                     " was asked for, but this program was built without CUDA: "
                     "use cpu or auto"));
  }
  const int count = CudaDeviceCount();
  if (device.index < 0 || device.index >= count) {
    return absl::FailedPreconditionError(
        absl::StrCat(ToString(device), " was asked for, but this computer has ", count,
                     " usable GPUs, counted from 0: use cpu or auto"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Device> ParseDevice(absl::string_view text) {
  if (text == "cpu") return Device(Device::kCpu);
  if (text == "auto") return Device(CudaDeviceCount() > 0 ? Device::kCuda : Device::kCpu);
  Device device(Device::kCuda);
  if (text != "cuda") {
    constexpr absl::string_view kPrefix = "cuda:";
    const char* const end = text.data() + text.size();
    const bool prefixed = text.substr(0, kPrefix.size()) == kPrefix;
    const char* const digits = prefixed ? text.data() + kPrefix.size() : end;
    const auto [stop, error] = std::from_chars(digits, end, device.index);
    if (error != std::errc() || stop != end || device.index < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("device \"", text, "\" is not auto, cpu, cuda or cuda:N"));
    }
  }
  HILUM_RETURN_IF_ERROR(CheckDevice(device));
  return device;
}

}  // namespace hilum::kernels

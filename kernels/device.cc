#include "kernels/device.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "kernels/cuda_entry.h"

namespace hilum::kernels {
namespace {

// "cuda" or "cuda:N", whether it is here or not.
absl::StatusOr<Device> ReadGpu(absl::string_view text) {
  Device device(Device::kCuda);
  if (text == "cuda") return device;
  constexpr absl::string_view kPrefix = "cuda:";
  const char* const end = text.data() + text.size();
  const bool prefixed = text.substr(0, kPrefix.size()) == kPrefix;
  const char* const digits = prefixed ? text.data() + kPrefix.size() : end;
  const auto [stop, error] = std::from_chars(digits, end, device.index);
  if (error != std::errc() || stop != end || device.index < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("device \"", text, "\" is not auto, cpu, cuda or cuda:N"));
  }
  return device;
}

}  // namespace

std::string ToString(Device device) {
  return device.kind == Device::kCpu ? "cpu" : absl::StrCat("cuda:", device.index);
}

std::string ToString(const std::vector<Device>& devices) {
  return absl::StrJoin(devices, ",",
                       [](std::string* out, Device device) { out->append(ToString(device)); });
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
  HILUM_ASSIGN_OR_RETURN(const Device device, ReadGpu(text));
  HILUM_RETURN_IF_ERROR(CheckDevice(device));
  return device;
}

absl::StatusOr<std::vector<Device>> ParseDevices(absl::string_view text) {
  const std::vector<absl::string_view> names = absl::StrSplit(text, ',');
  if (names.size() == 1) {
    HILUM_ASSIGN_OR_RETURN(const Device device, ParseDevice(text));
    return std::vector<Device>{device};
  }
  std::vector<Device> devices;
  for (const absl::string_view name : names) {
    if (name == "cpu" || name == "auto") {
      return absl::InvalidArgumentError(absl::StrCat("devices \"", text, "\" have ", name,
                                                     " among them; several devices are GPUs"));
    }
    HILUM_ASSIGN_OR_RETURN(const Device device, ReadGpu(name));
    if (std::find(devices.begin(), devices.end(), device) != devices.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("devices \"", text, "\" have ", ToString(device), " twice"));
    }
    devices.push_back(device);
  }
  for (const Device device : devices) HILUM_RETURN_IF_ERROR(CheckDevice(device));
  return devices;
}

}  // namespace hilum::kernels

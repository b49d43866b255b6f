#include "kernels/clip.h"

#include <cstdint>

#include "base/status_macros.h"
#include "kernels/clip_program.h"
#include "kernels/cuda_entry.h"

namespace hilum::kernels {

absl::Status ScaleInPlace(std::span<float> values, float factor, Device device) {
  HILUM_RETURN_IF_ERROR(CheckDevice(device));
  if constexpr (kCudaBuild) {
    if (device.kind == Device::kCuda) return cuda::ScaleInPlace(values, factor, device.index);
  }
  const int64_t n = static_cast<int64_t>(values.size());
  Launch(ScaleProgram{.values = values.data(), .n = n, .factor = factor},
         BlocksFor(n, ScaleProgram::kTile));
  return absl::OkStatus();
}

void ScaleInPlaceReference(std::span<float> values, float factor) {
  for (float& value : values) value *= factor;
}

}  // namespace hilum::kernels

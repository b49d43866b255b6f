#include "kernels/clip_program.h"
#include "kernels/cuda_entry.h"
#include "kernels/cuda_memory.h"

namespace hilum::kernels::cuda {

absl::Status ScaleInPlace(std::span<float> values, float factor, int device_index) {
  HILUM_RETURN_IF_ERROR(UseDevice(device_index));
  HILUM_ASSIGN_OR_RETURN(const auto values_there, DeviceArray<float>::CopyOf(values));
  const ScaleProgram program{
      .values = values_there.data(), .n = static_cast<int64_t>(values.size()), .factor = factor};
  HILUM_RETURN_IF_ERROR(
      FromCuda(Launch(Stream(), program, BlocksFor(program.n, program.kTile)), "start Scale"));
  return values_there.CopyTo(values);
}

}  // namespace hilum::kernels::cuda

#include "kernels/cuda_entry.h"
#include "kernels/cuda_memory.h"
#include "kernels/sum_of_squares_program.h"

namespace hilum::kernels::cuda {

absl::Status SumOfSquares(std::span<const float> values, std::span<float> partial,
                          std::span<int32_t> largest, int device_index) {
  HILUM_RETURN_IF_ERROR(UseDevice(device_index));
  HILUM_ASSIGN_OR_RETURN(const auto values_there, DeviceArray<float>::CopyOf(values));
  HILUM_ASSIGN_OR_RETURN(const auto partial_there, DeviceArray<float>::Create(partial.size()));
  HILUM_ASSIGN_OR_RETURN(const auto largest_there, DeviceArray<int32_t>::Create(largest.size()));
  const SumOfSquaresProgram program{.values = values_there.data(),
                                    .partial = partial_there.data(),
                                    .largest = largest_there.data(),
                                    .n = static_cast<int64_t>(values.size())};
  HILUM_RETURN_IF_ERROR(FromCuda(Launch(Stream(), program, BlocksFor(program.n, program.kTile)),
                                 "start SumOfSquares"));
  HILUM_RETURN_IF_ERROR(partial_there.CopyTo(partial));
  return largest_there.CopyTo(largest);
}

}  // namespace hilum::kernels::cuda

#include "kernels/cuda_entry.h"
#include "kernels/cuda_memory.h"
#include "kernels/cuda_updates.h"
#include "kernels/weighted_mean_program.h"

namespace hilum::kernels::cuda {

absl::Status WeightedSum(Updates updates, std::span<const double> weights, double gain,
                         std::span<float> sum, std::span<int32_t> marks, int device_index) {
  using Program = WeightedSumProgram;
  HILUM_RETURN_IF_ERROR(UseDevice(device_index));
  HILUM_ASSIGN_OR_RETURN(const auto weights_there, DeviceArray<double>::CopyOf(weights));
  HILUM_ASSIGN_OR_RETURN(const auto sum_there, DeviceArray<float>::Create(sum.size()));
  HILUM_ASSIGN_OR_RETURN(const auto marks_there, DeviceArray<int32_t>::CopyOf(marks));
  HILUM_RETURN_IF_ERROR(ForEachStretch(updates, Program::kTile, [&](const Stretch& stretch) {
    const Program program{.sites = stretch.sites,
                          .weights = weights_there.data(),
                          .sum = sum_there.data() + stretch.first,
                          .marks = marks_there.data() + stretch.first / Program::kTile,
                          .n_sites = static_cast<int64_t>(updates.size()),
                          .n = stretch.n,
                          .gain = gain};
    return FromCuda(Launch(Stream(), program, BlocksFor(stretch.n, Program::kTile)),
                    "start WeightedSum");
  }));
  HILUM_RETURN_IF_ERROR(sum_there.CopyTo(sum));
  return marks_there.CopyTo(marks);
}

}  // namespace hilum::kernels::cuda

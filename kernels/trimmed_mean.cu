#include "kernels/cuda_entry.h"
#include "kernels/cuda_memory.h"
#include "kernels/cuda_updates.h"
#include "kernels/trimmed_mean_program.h"

namespace hilum::kernels::cuda {

absl::Status TrimmedMean(Updates updates, const TrimmedMeanProgram& host,
                         const SortingNetwork& network, std::span<float> result,
                         std::span<int32_t> marks, int device_index) {
  HILUM_RETURN_IF_ERROR(UseDevice(device_index));
  HILUM_ASSIGN_OR_RETURN(const auto comparators,
                         DeviceArray<Comparator>::CopyOf(network.comparators));
  HILUM_ASSIGN_OR_RETURN(const auto stage_ends, DeviceArray<int32_t>::CopyOf(network.stage_ends));
  HILUM_ASSIGN_OR_RETURN(const auto result_there, DeviceArray<float>::Create(result.size()));
  HILUM_ASSIGN_OR_RETURN(const auto marks_there, DeviceArray<int32_t>::CopyOf(marks));
  HILUM_RETURN_IF_ERROR(ForEachStretch(updates, host.width, [&](const Stretch& stretch) {
    TrimmedMeanProgram program = host;
    program.sites = stretch.sites;
    program.comparators = comparators.data();
    program.stage_ends = stage_ends.data();
    program.result = result_there.data() + stretch.first;
    program.marks = marks_there.data() + stretch.first / host.width;
    program.n = stretch.n;
    return FromCuda(Launch(Stream(), program, BlocksFor(stretch.n, host.width)),
                    "start TrimmedMean");
  }));
  HILUM_RETURN_IF_ERROR(result_there.CopyTo(result));
  return marks_there.CopyTo(marks);
}

}  // namespace hilum::kernels::cuda

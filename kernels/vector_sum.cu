#include "kernels/cuda_entry.h"
#include "kernels/cuda_memory.h"
#include "kernels/cuda_updates.h"
#include "kernels/vector_sum_program.h"

namespace hilum::kernels::cuda {

absl::Status AddVectors(std::span<const std::span<const uint32_t>> vectors,
                        std::span<uint64_t> total, int device_index) {
  using Program = VectorSumProgram;
  if (total.empty()) return absl::OkStatus();
  HILUM_RETURN_IF_ERROR(UseDevice(device_index));
  HILUM_ASSIGN_OR_RETURN(const auto total_there, DeviceArray<uint64_t>::CopyOf(total));
  HILUM_RETURN_IF_ERROR(ForEachStretch(vectors, Program::kTile, [&](const auto& stretch) {
    const Program program{.vectors = stretch.sites,
                          .total = total_there.data() + stretch.first,
                          .n_vectors = static_cast<int64_t>(vectors.size()),
                          .n = stretch.n};
    return FromCuda(Launch(Stream(), program, BlocksFor(stretch.n, Program::kTile)),
                    "start AddVectors");
  }));
  return total_there.CopyTo(total);
}

}  // namespace hilum::kernels::cuda

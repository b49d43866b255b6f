#include "kernels/cuda_entry.h"
#include "kernels/cuda_memory.h"
#include "kernels/cuda_updates.h"
#include "kernels/gram_program.h"

namespace hilum::kernels::cuda {

absl::Status Gram(Updates updates, std::span<double> partial, int device_index) {
  using Program = GramProgram;
  HILUM_RETURN_IF_ERROR(UseDevice(device_index));
  const std::vector<Program::Pair> pairs = PairsOf(static_cast<int64_t>(updates.size()));
  const int64_t n_pairs = static_cast<int64_t>(pairs.size());
  HILUM_ASSIGN_OR_RETURN(const auto pairs_there, DeviceArray<Program::Pair>::CopyOf(pairs));
  HILUM_ASSIGN_OR_RETURN(const auto partial_there, DeviceArray<double>::CopyOf(partial));
  HILUM_RETURN_IF_ERROR(ForEachStretch(updates, Program::kTile, [&](const Stretch& stretch) {
    const Program program{
        .sites = stretch.sites,
        .pairs = pairs_there.data(),
        .partial =
            partial_there.data() + stretch.first / Program::kTile * n_pairs * Program::kProducts,
        .n_sites = static_cast<int64_t>(updates.size()),
        .n = stretch.n,
        .n_pairs = n_pairs,
        .n_parts = BlocksFor(n_pairs, Program::kPairsAtOnce)};  // many multiprocessors to fill
    return FromCuda(
        Launch(Stream(), program, BlocksFor(stretch.n, Program::kTile) * program.n_parts),
        "start Gram");
  }));
  return partial_there.CopyTo(partial);
}

}  // namespace hilum::kernels::cuda

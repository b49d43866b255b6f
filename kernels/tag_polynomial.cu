#include <vector>

#include "kernels/cuda_entry.h"
#include "kernels/cuda_memory.h"
#include "kernels/tag_program.h"
#include "kernels/tag_table.h"

namespace hilum::kernels::cuda {

absl::StatusOr<TagValues> EvaluateTags(std::span<const uint32_t> words, const TagValues& points,
                                       int words_per_coord, int device_index) {
  using Program = TagProgram<uint64_t>;
  const TagTable table = TagTable::For(points, Program::kRows, Program::kColumns, words_per_coord);
  const int64_t n = static_cast<int64_t>(words.size());
  const int64_t n_tiles = BlocksFor(n, Program::kTile);
  std::vector<uint64_t> partial(static_cast<size_t>(n_tiles) * kTagPoints);
  HILUM_RETURN_IF_ERROR(UseDevice(device_index));
  HILUM_ASSIGN_OR_RETURN(const auto words_there, DeviceArray<uint32_t>::CopyOf(words));
  HILUM_ASSIGN_OR_RETURN(const auto rows_there, DeviceArray<uint64_t>::CopyOf(table.rows));
  HILUM_ASSIGN_OR_RETURN(const auto columns_there, DeviceArray<uint64_t>::CopyOf(table.columns));
  HILUM_ASSIGN_OR_RETURN(const auto partial_there, DeviceArray<uint64_t>::Create(partial.size()));
  const Program program{.words = words_there.data(),
                        .n = n,
                        .rows = rows_there.data(),
                        .columns = columns_there.data(),
                        .partial = partial_there.data()};
  HILUM_RETURN_IF_ERROR(FromCuda(Launch(Stream(), program, n_tiles), "start Tag"));
  HILUM_RETURN_IF_ERROR(partial_there.CopyTo(partial));
  return JoinTiles(partial, table.tile);
}

}  // namespace hilum::kernels::cuda

#include "kernels/chacha20_program.h"
#include "kernels/cuda_entry.h"
#include "kernels/cuda_memory.h"
#include "kernels/keystream.h"

namespace hilum::kernels::cuda {
absl::Status ChaCha20Add(std::span<uint32_t> tile, const MaskKeys& keys, uint64_t first_coord,
                         uint32_t mask, int device_index) {
  using Program = ChaCha20Program<uint32_t>;
  HILUM_RETURN_IF_ERROR(UseDevice(device_index));
  HILUM_ASSIGN_OR_RETURN(const auto tile_there, DeviceArray<uint32_t>::CopyOf(tile));
  // Cleared at the end, as every DeviceArray is.
  HILUM_ASSIGN_OR_RETURN(
      const auto keys_there,
      DeviceArray<uint32_t>::CopyOf({reinterpret_cast<const uint32_t*>(keys.schedules().data()),
                                     keys.schedules().size() / sizeof(uint32_t)}));
  HILUM_ASSIGN_OR_RETURN(const auto signs_there, DeviceArray<int8_t>::CopyOf(keys.signs()));
  const Program program{.tile = tile_there.data(),
                        .n = static_cast<int64_t>(tile.size()),
                        .lead = static_cast<int64_t>(first_coord % kChaChaWords),
                        .first_block = static_cast<uint32_t>(first_coord / kChaChaWords),
                        .keys = keys_there.data(),
                        .signs = signs_there.data(),
                        .n_keys = static_cast<int64_t>(keys.size()),
                        .nonce = {},
                        .mask = mask};
  HILUM_RETURN_IF_ERROR(
      FromCuda(Launch(Stream(), program, BlocksFor(program.lead + program.n, Program::kTile)),
               "start ChaCha20"));
  return tile_there.CopyTo(tile);
}

}  // namespace hilum::kernels::cuda

#include "kernels/chacha20_program.h"
#include "kernels/cuda_entry.h"
#include "kernels/cuda_memory.h"
#include "kernels/keystream.h"

namespace hilum::kernels::cuda {
namespace {

// Key words on the GPU, overwritten with zeros before the memory is given back.
class DeviceKeys {
 public:
  static absl::StatusOr<DeviceKeys> CopyOf(const MaskKeys& keys) {
    const size_t n_words = keys.schedules().size() / sizeof(uint32_t);
    HILUM_ASSIGN_OR_RETURN(
        auto words, DeviceArray<uint32_t>::CopyOf(
                        {reinterpret_cast<const uint32_t*>(keys.schedules().data()), n_words}));
    return DeviceKeys(std::move(words), n_words);
  }
  DeviceKeys(DeviceKeys&&) = default;
  ~DeviceKeys() {
    if (words_.data() != nullptr) {
      cudaMemsetAsync(words_.data(), 0, n_words_ * sizeof(uint32_t), Stream());
    }
  }
  const uint32_t* data() const { return words_.data(); }

 private:
  DeviceKeys(DeviceArray<uint32_t> words, size_t n_words)
      : words_(std::move(words)), n_words_(n_words) {}
  DeviceArray<uint32_t> words_;
  size_t n_words_;
};

}  // namespace

absl::Status ChaCha20Add(std::span<uint32_t> tile, const MaskKeys& keys, uint64_t first_coord,
                         uint32_t mask, int device_index) {
  using Program = ChaCha20Program<uint32_t>;
  HILUM_RETURN_IF_ERROR(UseDevice(device_index));
  HILUM_ASSIGN_OR_RETURN(const auto tile_there, DeviceArray<uint32_t>::CopyOf(tile));
  HILUM_ASSIGN_OR_RETURN(const auto keys_there, DeviceKeys::CopyOf(keys));
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

#include "kernels/cuda_entry.h"
#include "kernels/cuda_memory.h"
#include "kernels/pack_program.h"

namespace hilum::kernels::cuda {

absl::Status PackWords(std::span<const uint32_t> ring, int ring_bits, std::span<uint8_t> packed,
                       int device_index) {
  HILUM_RETURN_IF_ERROR(UseDevice(device_index));
  HILUM_ASSIGN_OR_RETURN(const auto ring_there, DeviceArray<uint32_t>::CopyOf(ring));
  HILUM_ASSIGN_OR_RETURN(const auto packed_there, DeviceArray<uint8_t>::Create(packed.size()));
  const PackProgram program{.ring = ring_there.data(),
                            .packed = packed_there.data(),
                            .n = static_cast<int64_t>(ring.size()),
                            .ring_bits = ring_bits,
                            .mask = 0xffffffffu >> (32 - ring_bits)};
  HILUM_RETURN_IF_ERROR(
      FromCuda(Launch(Stream(), program, BlocksFor(program.n, program.kTile)), "start Pack"));
  return packed_there.CopyTo(packed);
}

absl::Status UnpackWords(std::span<const uint8_t> packed, int ring_bits, std::span<uint32_t> ring,
                         int device_index) {
  HILUM_RETURN_IF_ERROR(UseDevice(device_index));
  HILUM_ASSIGN_OR_RETURN(const auto packed_there, DeviceArray<uint8_t>::CopyOf(packed));
  HILUM_ASSIGN_OR_RETURN(const auto ring_there, DeviceArray<uint32_t>::Create(ring.size()));
  const UnpackProgram program{.packed = packed_there.data(),
                              .ring = ring_there.data(),
                              .n_bytes = std::ssize(packed),
                              .n = static_cast<int64_t>(ring.size()),
                              .ring_bits = ring_bits,
                              .mask = 0xffffffffu >> (32 - ring_bits)};
  HILUM_RETURN_IF_ERROR(
      FromCuda(Launch(Stream(), program, BlocksFor(program.n, program.kTile)), "start Unpack"));
  return ring_there.CopyTo(ring);
}

}  // namespace hilum::kernels::cuda

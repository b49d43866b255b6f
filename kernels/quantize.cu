#include "kernels/cuda_entry.h"
#include "kernels/cuda_memory.h"
#include "kernels/quantize_program.h"

namespace hilum::kernels::cuda {

absl::Status Quantize(std::span<const float> values, std::span<const uint32_t> random_words,
                      const QuantizeOptions& options, std::span<uint32_t> ring, int device_index) {
  HILUM_RETURN_IF_ERROR(UseDevice(device_index));
  HILUM_ASSIGN_OR_RETURN(const auto values_there, DeviceArray<float>::CopyOf(values));
  HILUM_ASSIGN_OR_RETURN(const auto random_there, DeviceArray<uint32_t>::CopyOf(random_words));
  HILUM_ASSIGN_OR_RETURN(const auto ring_there, DeviceArray<uint32_t>::Create(ring.size()));
  QuantizeProgram program = MakeQuantizeProgram(options);
  program.values = values_there.data();
  program.random_words = random_there.data();
  program.ring = ring_there.data();
  program.n = static_cast<int64_t>(values.size());
  HILUM_RETURN_IF_ERROR(
      FromCuda(Launch(Stream(), program, BlocksFor(program.n, program.kTile)), "start Quantize"));
  return ring_there.CopyTo(ring);
}

}  // namespace hilum::kernels::cuda

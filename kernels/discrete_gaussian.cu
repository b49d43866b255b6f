#include "kernels/cuda_entry.h"
#include "kernels/cuda_memory.h"
#include "kernels/discrete_gaussian_program.h"

namespace hilum::kernels::cuda {

absl::Status AddDiscreteGaussian(std::span<uint32_t> ring, const GaussianParameters& gaussian,
                                 NoiseKey key, uint32_t mask, int device_index) {
  HILUM_RETURN_IF_ERROR(UseDevice(device_index));
  HILUM_ASSIGN_OR_RETURN(const auto ring_there, DeviceArray<uint32_t>::CopyOf(ring));
  // Cleared at the end, as every DeviceArray is.
  HILUM_ASSIGN_OR_RETURN(const auto key_there, DeviceArray<uint32_t>::CopyOf(key));
  const DiscreteGaussianProgram program{.ring = ring_there.data(),
                                        .n = static_cast<int64_t>(ring.size()),
                                        .key = key_there.data(),
                                        .gaussian = gaussian,
                                        .mask = mask};
  HILUM_RETURN_IF_ERROR(FromCuda(Launch(Stream(), program, BlocksFor(program.n, program.kTile)),
                                 "start the discrete Gaussian"));
  return ring_there.CopyTo(ring);
}

}  // namespace hilum::kernels::cuda

#include "kernels/cuda_entry.h"
#include "kernels/cuda_memory.h"
#include "kernels/dequantize_program.h"

namespace hilum::kernels::cuda {

absl::Status Dequantize(std::span<const uint32_t> ring, const DequantizeOptions& options,
                        std::span<double> mean, int device_index) {
  HILUM_RETURN_IF_ERROR(UseDevice(device_index));
  HILUM_ASSIGN_OR_RETURN(const auto ring_there, DeviceArray<uint32_t>::CopyOf(ring));
  HILUM_ASSIGN_OR_RETURN(const auto mean_there, DeviceArray<double>::Create(mean.size()));
  const DequantizeProgram program{.ring = ring_there.data(),
                                  .mean = mean_there.data(),
                                  .n = static_cast<int64_t>(ring.size()),
                                  .gain = options.gain,
                                  .shift = 32 - options.ring_bits};
  HILUM_RETURN_IF_ERROR(
      FromCuda(Launch(Stream(), program, BlocksFor(program.n, program.kTile)), "start Dequantize"));
  return mean_there.CopyTo(mean);
}

absl::Status AddMean(std::span<const uint32_t> ring, const DequantizeOptions& options, double rate,
                     std::span<float> model, int device_index) {
  HILUM_RETURN_IF_ERROR(UseDevice(device_index));
  HILUM_ASSIGN_OR_RETURN(const auto ring_there, DeviceArray<uint32_t>::CopyOf(ring));
  HILUM_ASSIGN_OR_RETURN(const auto model_there, DeviceArray<float>::CopyOf(model));
  const AddMeanProgram program{.ring = ring_there.data(),
                               .model = model_there.data(),
                               .n = static_cast<int64_t>(ring.size()),
                               .gain = options.gain,
                               .rate = rate,
                               .shift = 32 - options.ring_bits};
  HILUM_RETURN_IF_ERROR(
      FromCuda(Launch(Stream(), program, BlocksFor(program.n, program.kTile)), "start AddMean"));
  return model_there.CopyTo(model);
}

}  // namespace hilum::kernels::cuda

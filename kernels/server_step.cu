#include "kernels/cuda_entry.h"
#include "kernels/cuda_memory.h"
#include "kernels/server_step_program.h"

namespace hilum::kernels::cuda {
namespace {

template <class Mean>
absl::Status RunOnGpu(const Mean& mean, const ServerStepOptions& options,
                      const ServerState& state) {
  HILUM_ASSIGN_OR_RETURN(const auto model, DeviceArray<float>::CopyOf(state.model));
  HILUM_ASSIGN_OR_RETURN(const auto m, DeviceArray<float>::CopyOf(state.m));
  HILUM_ASSIGN_OR_RETURN(const auto v, DeviceArray<float>::CopyOf(state.v));
  HILUM_RETURN_IF_ERROR(WithServerStepProgram(mean, options, [&](auto program) {
    program.model = model.data();
    program.m = m.data();
    program.v = v.data();
    program.n = static_cast<int64_t>(state.model.size());
    return FromCuda(Launch(Stream(), program, BlocksFor(program.n, program.kTile)),
                    "start ServerStep");
  }));
  HILUM_RETURN_IF_ERROR(m.CopyTo(state.m));
  HILUM_RETURN_IF_ERROR(v.CopyTo(state.v));
  return model.CopyTo(state.model);
}

}  // namespace

absl::Status ServerStepFromRing(std::span<const uint32_t> ring, const DequantizeOptions& dequantize,
                                const ServerStepOptions& options, const ServerState& state,
                                int device_index) {
  HILUM_RETURN_IF_ERROR(UseDevice(device_index));
  HILUM_ASSIGN_OR_RETURN(const auto ring_there, DeviceArray<uint32_t>::CopyOf(ring));
  return RunOnGpu(
      RingMean{
          .ring = ring_there.data(), .gain = dequantize.gain, .shift = 32 - dequantize.ring_bits},
      options, state);
}

absl::Status ServerStep(std::span<const float> mean, const ServerStepOptions& options,
                        const ServerState& state, int device_index) {
  HILUM_RETURN_IF_ERROR(UseDevice(device_index));
  HILUM_ASSIGN_OR_RETURN(const auto mean_there, DeviceArray<float>::CopyOf(mean));
  return RunOnGpu(FloatMean{.mean = mean_there.data()}, options, state);
}

}  // namespace hilum::kernels::cuda

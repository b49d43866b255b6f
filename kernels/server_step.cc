#include "kernels/server_step.h"

#include <cmath>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/cuda_entry.h"
#include "kernels/server_step_program.h"
#include "kernels/sum_of_squares.h"

namespace hilum::kernels {
namespace {

absl::Status CheckOptions(const ServerStepOptions& options) {
  if (!(options.rate > 0.0f && std::isfinite(options.rate))) {
    return absl::InvalidArgumentError(
        absl::StrCat("server rate ", options.rate, " is not a finite number above 0"));
  }
  if (!(options.tau > 0.0f && std::isfinite(options.tau))) {
    return absl::InvalidArgumentError(
        absl::StrCat("tau ", options.tau, " is not a finite number above 0"));
  }
  for (const float beta : {options.beta1, options.beta2}) {
    if (!(beta >= 0.0f && beta < 1.0f)) {
      return absl::InvalidArgumentError(absl::StrCat("beta1 ", options.beta1, " and beta2 ",
                                                     options.beta2, ": needed is 0 <= beta < 1"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckLengths(size_t n_mean, const ServerState& state) {
  if (state.model.size() != n_mean || state.m.size() != n_mean || state.v.size() != n_mean) {
    return absl::InvalidArgumentError(
        absl::StrCat("a mean of ", n_mean, " parameters was given for a model of ",
                     state.model.size(), ", m of ", state.m.size(), " and v of ", state.v.size()));
  }
  return absl::OkStatus();
}

template <class Mean>
absl::Status RunOnCpu(const Mean& mean, const ServerStepOptions& options,
                      const ServerState& state) {
  return WithServerStepProgram(mean, options, [&](auto program) {
    program.model = state.model.data();
    program.m = state.m.data();
    program.v = state.v.data();
    program.n = static_cast<int64_t>(state.model.size());
    Launch(program, BlocksFor(program.n, program.kTile));
    return absl::OkStatus();
  });
}

}  // namespace

absl::Status ServerStepFromRing(std::span<const uint32_t> ring, const DequantizeOptions& dequantize,
                                const ServerStepOptions& options, const ServerState& state,
                                Device device) {
  HILUM_RETURN_IF_ERROR(CheckLengths(ring.size(), state));
  HILUM_RETURN_IF_ERROR(CheckDequantizeOptions(dequantize));
  HILUM_RETURN_IF_ERROR(CheckOptions(options));
  HILUM_RETURN_IF_ERROR(CheckDevice(device));
  if constexpr (kCudaBuild) {
    if (device.kind == Device::kCuda) {
      return cuda::ServerStepFromRing(ring, dequantize, options, state, device.index);
    }
  }
  return RunOnCpu(
      RingMean{.ring = ring.data(), .gain = dequantize.gain, .shift = 32 - dequantize.ring_bits},
      options, state);
}

absl::Status ServerStep(std::span<const float> mean, const ServerStepOptions& options,
                        const ServerState& state, Device device) {
  HILUM_RETURN_IF_ERROR(CheckLengths(mean.size(), state));
  HILUM_RETURN_IF_ERROR(CheckOptions(options));
  // Before anything changes: a NaN would stay in m, v and the model for all rounds to come.
  HILUM_ASSIGN_OR_RETURN(const Norms norms, MeasureNorms(mean, device));
  if (norms.first_not_finite >= 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("the mean holds ", mean[static_cast<size_t>(norms.first_not_finite)],
                     " at coordinate ", norms.first_not_finite, " of ", mean.size()));
  }
  if constexpr (kCudaBuild) {
    if (device.kind == Device::kCuda) return cuda::ServerStep(mean, options, state, device.index);
  }
  return RunOnCpu(FloatMean{.mean = mean.data()}, options, state);
}

void ServerStepReference(std::span<const float> mean, const ServerStepOptions& options,
                         const ServerState& state) {
  for (size_t k = 0; k < mean.size(); ++k) {
    const float d = mean[k], square = d * d;
    float& m = state.m[k];
    float& v = state.v[k];
    m = options.beta1 * m + (1.0f - options.beta1) * d;
    switch (options.rule) {
      case ServerRule::kFedAdagrad:
        v = v + square;
        break;
      case ServerRule::kFedAdam:
        v = options.beta2 * v + (1.0f - options.beta2) * square;
        break;
      case ServerRule::kFedYogi:
        if (v > square) {
          v = v - (1.0f - options.beta2) * square;
        } else if (v < square) {
          v = v + (1.0f - options.beta2) * square;
        }
        break;
    }
    state.model[k] = state.model[k] + options.rate * m / (std::sqrt(v) + options.tau);
  }
}

}  // namespace hilum::kernels

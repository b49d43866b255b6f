// The server's optimizers: one fused pass from the round's mean to the next model.
//
// Reddi et al. 2021, ICLR, arXiv:2003.00295, algorithm 2, with the mean update d as
// pseudo-gradient:
//   m <- beta1 * m + (1 - beta1) * d
//   v <- v + d^2                                     FedAdagrad
//   v <- beta2 * v + (1 - beta2) * d^2               FedAdam
//   v <- v - (1 - beta2) * d^2 * sign(v - d^2)       FedYogi
//   model <- model + (rate * m) / (sqrt(v) + tau)
// The paper's step has no bias correction. d is rounded to float once; then every operation is one
// IEEE operation in float32 (no fused multiply-add, square root and division correctly rounded):
// same bits on every device.
#ifndef HILUM_KERNELS_SERVER_STEP_H_
#define HILUM_KERNELS_SERVER_STEP_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "kernels/dequantize.h"
#include "kernels/device.h"

namespace hilum::kernels {

enum class ServerRule { kFedAdagrad, kFedAdam, kFedYogi };  // FedAvg is AddMean

struct ServerStepOptions {
  ServerRule rule = ServerRule::kFedAdam;
  float rate = 0.0f;    // eta, finite, > 0
  float beta1 = 0.9f;   // 0 <= beta1 < 1
  float beta2 = 0.99f;  // 0 <= beta2 < 1; FedAdagrad has none
  float tau = 1e-3f;    // finite, > 0: how adaptive; also what v starts from, as tau^2
};

// What the server keeps between rounds, all [n_params]. Before the first round m = 0, v = tau^2.
struct ServerState {
  std::span<float> model;
  std::span<float> m;
  std::span<float> v;  // >= 0
};

// d from the sum in the ring, as Dequantize makes it, rounded to float.
//   ring  [n_params], each word < 2^ring_bits; 28 bytes of traffic and about 12 operations a
//   coordinate
// InvalidArgument: lengths differ, or an option is out of range. FailedPrecondition: no such
// device. Thread-safe on disjoint states.
absl::Status ServerStepFromRing(std::span<const uint32_t> ring, const DequantizeOptions& dequantize,
                                const ServerStepOptions& options, const ServerState& state,
                                Device device);

// d given, as a robust rule makes it.
//   mean  [n_params] finite; otherwise as above
absl::Status ServerStep(std::span<const float> mean, const ServerStepOptions& options,
                        const ServerState& state, Device device);

// The specification of ServerStep. Preconditions not checked.
void ServerStepReference(std::span<const float> mean, const ServerStepOptions& options,
                         const ServerState& state);

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_SERVER_STEP_H_

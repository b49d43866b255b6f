// The block program of server_step.h.
#ifndef HILUM_KERNELS_SERVER_STEP_PROGRAM_H_
#define HILUM_KERNELS_SERVER_STEP_PROGRAM_H_

#include <cmath>
#include <cstdint>

#include "kernels/dequantize_program.h"
#include "kernels/exec.h"
#include "kernels/server_step.h"

namespace hilum::kernels {

// Where the mean comes from: ring words with their gain, or floats.
struct RingMean {
  const uint32_t* ring;
  double gain;
  int shift;  // 32 - ring_bits
  HILUM_KERNEL float At(int64_t k) const {
    return static_cast<float>(SignedFromRing(ring[k], shift) * gain);
  }
};
struct FloatMean {
  const float* mean;
  HILUM_KERNEL float At(int64_t k) const { return mean[k]; }
};

// One block steps one tile of kTile parameters.
//   model, m, v  [n]; of the options, one_less_beta is 1 - beta, rounded to float
// Launch BlocksFor(n, kTile) blocks.
template <ServerRule kRule, class Mean>
struct ServerStepProgram {
  static constexpr int kThreads = 256;
  static constexpr int kPerThread = 8;
  static constexpr int kTile = kThreads * kPerThread;
  struct Shared {};

  Mean mean;
  float* model;
  float* m;
  float* v;
  int64_t n;
  float rate;
  float beta1;
  float one_less_beta1;
  float beta2;
  float one_less_beta2;
  float tau;

  template <class Block>
  HILUM_KERNEL void operator()(const Block& block) const {
    const ServerStepProgram p = *this;  // a copy that no store can change: the loops vectorise
    for (int j = 0; j < kPerThread; ++j) {
      const int64_t first = block.index * kTile + j * kThreads;
      block.Local(p.n - first, [=](int t) {
        const int64_t k = first + t;
        const float d = p.mean.At(k);
        const float m = p.beta1 * p.m[k] + p.one_less_beta1 * d;
        const float v = p.NextV(p.v[k], d * d);
        p.m[k] = m;
        p.v[k] = v;
        p.model[k] = p.model[k] + p.rate * m / (sqrtf(v) + p.tau);
      });
    }
  }

  HILUM_KERNEL float NextV(float v, float square) const {
    if constexpr (kRule == ServerRule::kFedAdagrad) {
      return v + square;
    } else if constexpr (kRule == ServerRule::kFedAdam) {
      return beta2 * v + one_less_beta2 * square;
    } else {
      const float change = one_less_beta2 * square;
      const float signed_change = v < square ? -change : change;
      return v == square ? v : v - signed_change;
    }
  }
};

// The program for `options`; the caller sets the pointers and n.
template <ServerRule kRule, class Mean>
ServerStepProgram<kRule, Mean> MakeServerStepProgram(const Mean& mean,
                                                     const ServerStepOptions& options) {
  return ServerStepProgram<kRule, Mean>{.mean = mean,
                                        .model = nullptr,
                                        .m = nullptr,
                                        .v = nullptr,
                                        .n = 0,
                                        .rate = options.rate,
                                        .beta1 = options.beta1,
                                        .one_less_beta1 = 1.0f - options.beta1,
                                        .beta2 = options.beta2,
                                        .one_less_beta2 = 1.0f - options.beta2,
                                        .tau = options.tau};
}

// Calls run(program) with the program of the rule.
template <class Mean, class Run>
absl::Status WithServerStepProgram(const Mean& mean, const ServerStepOptions& options, Run run) {
  switch (options.rule) {
    case ServerRule::kFedAdagrad:
      return run(MakeServerStepProgram<ServerRule::kFedAdagrad>(mean, options));
    case ServerRule::kFedAdam:
      return run(MakeServerStepProgram<ServerRule::kFedAdam>(mean, options));
    case ServerRule::kFedYogi:
      return run(MakeServerStepProgram<ServerRule::kFedYogi>(mean, options));
  }
  return absl::InvalidArgumentError("the server rule is none of FedAdagrad, FedAdam and FedYogi");
}

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_SERVER_STEP_PROGRAM_H_

// The arithmetic of the optimizers on one flat vector. Internal to models/.
#ifndef HILUM_MODELS_OPTIMIZER_H_
#define HILUM_MODELS_OPTIMIZER_H_

#include <cstdint>
#include <span>
#include <utility>

#include "models/train.h"

namespace hilum::models {

// AdamW (arXiv:1711.05101; betas 0.9 and 0.999, epsilon 1e-8) or SGD with momentum; both as PyTorch
// computes them.
class OptimizerState {
 public:
  // Goes on from `memory`, whose vectors are empty or [n_params].
  OptimizerState(const TrainOptions& options, int64_t n_params, OptimizerMemory memory = {});

  // One step with rate `learning_rate`. weights and gradient are [n_params].
  void Step(double learning_rate, std::span<const float> gradient, std::span<float> weights);

  const OptimizerMemory& memory() const { return memory_; }
  OptimizerMemory TakeMemory() && { return std::move(memory_); }

 private:
  void StepAdamW(double learning_rate, std::span<const float> gradient, std::span<float> weights);
  void StepSgd(double learning_rate, std::span<const float> gradient, std::span<float> weights);

  Optimizer optimizer_;
  float momentum_;
  float weight_decay_;
  OptimizerMemory memory_;
};

// gradient += mu * (weights - start).
void AddProximalTerm(float mu, std::span<const float> weights, std::span<const float> start,
                     std::span<float> gradient);

// Scales the gradient down to an L2 norm of `max_norm` where it is longer.
void CutToNorm(float max_norm, std::span<float> gradient);

}  // namespace hilum::models

#endif  // HILUM_MODELS_OPTIMIZER_H_

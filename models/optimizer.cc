#include "models/optimizer.h"

#include <cmath>
#include <numbers>
#include <utility>

namespace hilum::models {
namespace {

constexpr float kBeta1 = 0.9f;
constexpr float kBeta2 = 0.999f;
constexpr float kEpsilon = 1e-8f;

// PyTorch's OneCycleLR with its defaults: up for 30 % of the steps from max / 25, then down to
// max / 250000, both along half a cosine.
constexpr double kOneCycleRise = 0.3;
constexpr double kOneCycleStart = 1.0 / 25;
constexpr double kOneCycleEnd = kOneCycleStart / 1e4;
constexpr double kCosineEnd = 0.01;

double AlongCosine(double from, double to, double part) {
  return to + (from - to) * 0.5 * (1 + std::cos(std::numbers::pi * part));
}

double OneCycle(double step, double total) {
  const double top = kOneCycleRise * total - 1, last = total - 1;
  if (step <= top) return AlongCosine(kOneCycleStart, 1, step / top);
  return AlongCosine(1, kOneCycleEnd, last > top ? (step - top) / (last - top) : 1);
}

}  // namespace

double LearningRateAt(const TrainOptions& options, int64_t step) {
  const double at = static_cast<double>(step), total = static_cast<double>(options.total_steps);
  switch (options.schedule) {
    case Schedule::kConstant:
      return options.learning_rate;
    case Schedule::kCosine:
      return options.learning_rate * AlongCosine(1, kCosineEnd, at / total);
    case Schedule::kOneCycle:
      return options.learning_rate * OneCycle(at, total);
  }
  return 0;
}

double LocalProgress(const TrainOptions& options, int64_t n_steps) {
  const double momentum = options.optimizer == Optimizer::kSgd ? options.momentum : 0;
  double progress = 0, decayed = 1;  // momentum ^ step
  for (int64_t step = 0; step < n_steps; ++step) {
    decayed *= momentum;
    const double rate = LearningRateAt(options, options.first_step + step) / options.learning_rate;
    progress += rate * (1 - decayed) / (1 - momentum);
  }
  return progress;
}

OptimizerState::OptimizerState(const TrainOptions& options, int64_t n_params,
                               OptimizerMemory memory)
    : optimizer_(options.optimizer),
      momentum_(options.momentum),
      weight_decay_(options.weight_decay),
      memory_(std::move(memory)) {
  memory_.first.resize(n_params, 0.0f);
  memory_.second.resize(options.optimizer == Optimizer::kAdamW ? n_params : 0, 0.0f);
}

void OptimizerState::Step(double learning_rate, std::span<const float> gradient,
                          std::span<float> weights) {
  ++memory_.n_steps;
  if (optimizer_ == Optimizer::kAdamW) {
    StepAdamW(learning_rate, gradient, weights);
  } else {
    StepSgd(learning_rate, gradient, weights);
  }
}

void OptimizerState::StepAdamW(double learning_rate, std::span<const float> gradient,
                               std::span<float> weights) {
  const double n = static_cast<double>(memory_.n_steps);
  const float keep = static_cast<float>(1 - learning_rate * weight_decay_);
  const float size = static_cast<float>(learning_rate / (1 - std::pow(kBeta1, n)));
  const float correction = static_cast<float>(std::sqrt(1 - std::pow(kBeta2, n)));
  float* const first = memory_.first.data();
  float* const second = memory_.second.data();
  for (size_t i = 0; i < weights.size(); ++i) {
    const float g = gradient[i];
    first[i] = kBeta1 * first[i] + (1 - kBeta1) * g;
    second[i] = kBeta2 * second[i] + (1 - kBeta2) * g * g;
    weights[i] =
        weights[i] * keep - size * first[i] / (std::sqrt(second[i]) / correction + kEpsilon);
  }
}

void OptimizerState::StepSgd(double learning_rate, std::span<const float> gradient,
                             std::span<float> weights) {
  const float rate = static_cast<float>(learning_rate);
  for (size_t i = 0; i < weights.size(); ++i) {
    const float g = gradient[i] + weight_decay_ * weights[i];
    memory_.first[i] = momentum_ * memory_.first[i] + g;
    weights[i] -= rate * memory_.first[i];
  }
}

void AddProximalTerm(float mu, std::span<const float> weights, std::span<const float> start,
                     std::span<float> gradient) {
  for (size_t i = 0; i < weights.size(); ++i) gradient[i] += mu * (weights[i] - start[i]);
}

void CutToNorm(float max_norm, std::span<float> gradient) {
  double squares = 0;
  for (float g : gradient) squares += static_cast<double>(g) * g;
  const double norm = std::sqrt(squares);
  if (norm <= max_norm) return;
  const float factor = static_cast<float>(max_norm / norm);
  for (float& g : gradient) g *= factor;
}

}  // namespace hilum::models

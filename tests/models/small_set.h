// Images that a small network can tell apart, and a recipe for it.
#ifndef HILUM_TESTS_MODELS_SMALL_SET_H_
#define HILUM_TESTS_MODELS_SMALL_SET_H_

#include <cmath>
#include <utility>
#include <vector>

#include "models/train.h"
#include "tests/models/small_network.h"

namespace hilum::models {

// Class 1 has a bright disc in the middle, class 0 a bright frame; noise on both.
inline TrainingSet Separable(int n, uint64_t seed) {
  std::vector<float> pixels = RandomPixels(n, seed);
  std::vector<int32_t> labels;
  for (int i = 0; i < n; ++i) {
    labels.push_back(i % 2);
    for (int y = 0; y < kSide; ++y) {
      for (int x = 0; x < kSide; ++x) {
        const bool middle = std::hypot(y - kSide / 2.0, x - kSide / 2.0) < kSide / 4.0;
        float& pixel = pixels[(i * kSide + y) * kSide + x];
        pixel = 0.3f * pixel + (middle == (i % 2 == 1) ? 0.6f : 0.1f);
      }
    }
  }
  return *InMemory(1, kSide, kSide, std::move(pixels), std::move(labels));
}

inline TrainOptions Steps(int64_t n_steps) {
  TrainOptions options;
  options.n_steps = options.total_steps = n_steps;
  options.batch = 4;
  options.seed = 11;
  return options;
}

}  // namespace hilum::models

#endif  // HILUM_TESTS_MODELS_SMALL_SET_H_

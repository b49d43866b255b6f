// The arithmetic of DP-SGD on one flat vector: Poisson sampling, and a sum of clipped gradients of
// single samples, with noise. Internal to models/.
#ifndef HILUM_MODELS_RECORD_PRIVACY_H_
#define HILUM_MODELS_RECORD_PRIVACY_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "models/train.h"

namespace hilum::models {

// The samples of one step, ascending: each of the n is in it with probability floor(rate 2^64) /
// 2^64, independently of all others. One 64-bit word a sample.
std::vector<int64_t> PoissonSample(int64_t n_samples, double rate, const DrawWords& draw);

// A sum of integer vectors, each the rounding of one sample's clipped gradient. Integers, because a
// sum of floating-point numbers changes by more than the sample that is taken out of it.
class ClippedSum {
 public:
  // `privacy` must outlive this; n_params >= 1. The grid has (sensitivity - sqrt(n_params) / 2) /
  // clip_l2 units for one unit of the gradient.
  ClippedSum(const RecordPrivacy& privacy, int64_t n_params);

  void Clear();
  // Adds one sample's gradient [n_params], scaled down to clip_l2 where it is longer, and rounded
  // to the grid. What is added is never longer than `sensitivity` units: its length is computed
  // exactly. A gradient with NaN or infinity adds nothing: a training that ended there would tell
  // that this sample was drawn.
  void Add(std::span<const float> gradient);
  // Adds noise, and writes sum / (grid * n) to `gradient` [n_params].
  absl::Status Release(int64_t n, std::span<float> gradient);

  std::span<const int64_t> sum() const { return sum_; }
  double grid() const { return grid_; }

 private:
  const RecordPrivacy& privacy_;
  double grid_ = 0.0;
  std::vector<int64_t> sum_;
  std::vector<int64_t> one_;  // the sample at hand
};

// InvalidArgument: a number is out of range, or an edge is missing.
absl::Status CheckRecordPrivacy(const RecordPrivacy& privacy, int64_t n_params);

}  // namespace hilum::models

#endif  // HILUM_MODELS_RECORD_PRIVACY_H_

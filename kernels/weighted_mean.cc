#include "kernels/weighted_mean.h"

#include <cmath>
#include <cstddef>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/cuda_entry.h"
#include "kernels/weighted_mean_program.h"

namespace hilum::kernels {
namespace {

// A sum of 4 MiB and more is not read back from a cache.
constexpr int64_t kStreamedCoords = int64_t{1} << 20;

absl::Status CheckWeights(Updates updates, std::span<const double> weights) {
  if (weights.size() != updates.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        weights.size(), " weights were given for updates of ", updates.size(), " sites"));
  }
  for (size_t site = 0; site < weights.size(); ++site) {
    if (!std::isfinite(weights[site])) {
      return absl::InvalidArgumentError(
          absl::StrCat("site ", site, "'s weight ", weights[site], " is not finite"));
    }
  }
  return absl::OkStatus();
}

// A sum that is not finite comes from a value that is not, or from values that are too large.
absl::Status CheckMarks(Updates updates, std::span<const float> sum,
                        std::span<const int32_t> marks) {
  HILUM_RETURN_IF_ERROR(CheckMarkedTiles(updates, marks, WeightedSumProgram::kTile));
  for (size_t i = 0; i < marks.size(); ++i) {
    if (marks[i] == 0) continue;
    size_t k = i * WeightedSumProgram::kTile;
    while (std::isfinite(sum[k])) ++k;
    return absl::InvalidArgumentError(
        absl::StrCat("the weighted sum of coordinate ", k, " leaves the range of float32"));
  }
  return absl::OkStatus();
}

absl::Status SumTimesGain(Updates updates, std::span<const double> weights, double gain,
                          std::span<float> sum, Device device) {
  using Program = WeightedSumProgram;
  const int64_t n = static_cast<int64_t>(sum.size());
  std::vector<int32_t> marks(static_cast<size_t>(BlocksFor(n, Program::kTile)));
  bool done = false;
  if constexpr (kCudaBuild) {
    if (device.kind == Device::kCuda) {
      HILUM_RETURN_IF_ERROR(cuda::WeightedSum(updates, weights, gain, sum, marks, device.index));
      done = true;
    }
  }
  if (!done) {
    const std::vector<const float*> sites = Addresses(updates);
    Launch(Program{.sites = sites.data(),
                   .weights = weights.data(),
                   .sum = sum.data(),
                   .marks = marks.data(),
                   .n_sites = static_cast<int64_t>(sites.size()),
                   .n = n,
                   .gain = gain,
                   .streaming = n >= kStreamedCoords},
           BlocksFor(n, Program::kTile));
  }
  return CheckMarks(updates, sum, marks);
}

}  // namespace

absl::Status WeightedSum(Updates updates, std::span<const double> weights, std::span<float> sum,
                         Device device) {
  HILUM_RETURN_IF_ERROR(CheckUpdates(updates, sum));
  HILUM_RETURN_IF_ERROR(CheckWeights(updates, weights));
  HILUM_RETURN_IF_ERROR(CheckDevice(device));
  return SumTimesGain(updates, weights, 1.0, sum, device);
}

absl::Status WeightedMean(Updates updates, std::span<const double> weights, std::span<float> mean,
                          Device device) {
  HILUM_RETURN_IF_ERROR(CheckUpdates(updates, mean));
  HILUM_RETURN_IF_ERROR(CheckWeights(updates, weights));
  double total = 0.0;
  for (size_t site = 0; site < weights.size(); ++site) {
    if (weights[site] < 0.0) {
      return absl::InvalidArgumentError(
          absl::StrCat("site ", site, "'s weight ", weights[site], " is below 0"));
    }
    total += weights[site];
  }
  if (!(total > 0.0 && std::isfinite(1.0 / total))) {
    return absl::InvalidArgumentError(
        absl::StrCat("the weights of ", weights.size(), " sites add up to ", total,
                     "; a mean needs a sum above 0 whose reciprocal is finite"));
  }
  HILUM_RETURN_IF_ERROR(CheckDevice(device));
  return SumTimesGain(updates, weights, 1.0 / total, mean, device);
}

void WeightedSumReference(Updates updates, std::span<const double> weights, double gain,
                          std::span<float> sum) {
  for (size_t k = 0; k < sum.size(); ++k) {
    double total = 0.0;
    for (size_t site = 0; site < updates.size(); ++site) {
      total += weights[site] * static_cast<double>(updates[site][k]);
    }
    sum[k] = static_cast<float>(gain * total);
  }
}

}  // namespace hilum::kernels

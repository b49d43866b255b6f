#include "privacy/distributed_noise.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace hilum::privacy {

double RoundedNormBound(const RoundedNorm& norm) {
  HILUM_CHECK(norm.scale > 0.0 && norm.clip_l2 > 0.0 && norm.n_params >= 1);
  const double length = norm.scale * norm.clip_l2;
  const double d = static_cast<double>(norm.n_params), root = std::sqrt(d);
  const double always = (length + root) * (length + root);
  const double redrawn = length * length + d / 4.0 +
                         std::sqrt(2.0 * std::log(1.0 / kRoundingBeta)) * (length + root / 2.0);
  return std::sqrt(std::min(always, redrawn));
}

double DiscreteGaussianGap(uint64_t n_sites, double sigma) {
  HILUM_CHECK(sigma > 0.0);
  const double exponent = -2.0 * std::numbers::pi * std::numbers::pi * sigma * sigma;
  double sum = 0.0;
  for (uint64_t k = 1; k < n_sites; ++k) {
    sum += std::exp(exponent * static_cast<double>(k) / static_cast<double>(k + 1));
  }
  return 10.0 * sum;
}

double DiscreteGaussianRdp(const DistributedNoise& noise, double sigma, double alpha) {
  HILUM_CHECK(noise.n_sites >= 1 && noise.l2 > 0.0 && sigma > 0.0 && alpha > 1.0);
  const double gap = DiscreteGaussianGap(noise.n_sites, sigma);
  const double d = static_cast<double>(noise.n_params);
  const double ratio = noise.l2 / (std::sqrt(static_cast<double>(noise.n_sites)) * sigma);
  const double sum = ratio + gap * std::sqrt(d);
  return alpha / 2.0 * std::min(ratio * ratio + gap * d / 2.0, sum * sum);
}

double SkellamRdp(const DistributedNoise& noise, double variance, int alpha) {
  HILUM_CHECK(noise.l2 > 0.0 && variance > 0.0 && alpha >= 2);
  const double square = noise.l2 * noise.l2;
  const double l1 = std::min(std::sqrt(static_cast<double>(noise.n_params)) * noise.l2, square);
  const double second = ((2.0 * alpha - 1.0) * square + 6.0 * l1) / (4.0 * variance * variance);
  return alpha * square / (2.0 * variance) + std::min(second, 3.0 * l1 / (2.0 * variance));
}

absl::StatusOr<kernels::Variance> SiteVariance(const DistributedNoise& noise, double sigma) {
  HILUM_CHECK(noise.n_sites >= 1 && noise.l2 > 0.0);
  const double variance = sigma * noise.l2 * sigma * noise.l2 / static_cast<double>(noise.n_sites);
  if (!(sigma > 0.0 && variance >= 1.0 && variance <= 0x1p54)) {
    return absl::InvalidArgumentError(
        absl::StrCat("noise of ", sigma, " times the sensitivity ", noise.l2, " from ",
                     noise.n_sites, " sites has a standard deviation of ", std::sqrt(variance),
                     " ring units at each; it is 1 to 2^27"));
  }
  // An integer is fine enough from 2^20 on; below, 2^20 parts. One more covers the roundings above.
  const uint64_t parts = variance >= 0x1p20 ? 1 : uint64_t{1} << 20;
  const double scaled = variance * static_cast<double>(parts) * (1.0 + 0x1p-48);
  return kernels::Variance{
      .numerator = std::min(static_cast<uint64_t>(std::ceil(scaled)) + 1, uint64_t{1} << 54),
      .denominator = parts};
}

}  // namespace hilum::privacy

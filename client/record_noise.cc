#include "client/record_noise.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/discrete_gaussian.h"
#include "privacy/distributed_noise.h"

namespace hilum::client {
namespace {

// Standard deviation of the noise, in units of the grid, at most: half of what the sampler can do.
constexpr double kMostSigma = 0x1p26;
constexpr size_t kSamplesAtOnce = 1 << 16;

}  // namespace

absl::StatusOr<models::RecordPrivacy> MakeRecordPrivacy(const proto::PrivacyPlan& plan,
                                                        int64_t n_params, RecordStreams streams) {
  if (plan.unit != "record" || !(plan.sigma > 0.0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a plan of unit ", plan.unit, " with sigma ", plan.sigma, " has no DP-SGD"));
  }
  models::RecordPrivacy edges;
  edges.sample_rate = plan.sample_rate;
  edges.clip_l2 = plan.sample_clip;
  edges.sensitivity = std::floor(kMostSigma / std::max(1.0, plan.sigma));
  HILUM_ASSIGN_OR_RETURN(
      const kernels::Variance variance,
      privacy::SiteVariance(
          {.n_sites = 1, .n_params = static_cast<uint64_t>(n_params), .l2 = edges.sensitivity},
          plan.sigma));
  HILUM_ASSIGN_OR_RETURN(const kernels::DiscreteGaussian gaussian,
                         kernels::DiscreteGaussian::Create(variance));
  const auto shared = std::make_shared<RecordStreams>(std::move(streams));
  edges.draw = [shared](std::span<uint32_t> words) { shared->sample.Fill(words); };
  edges.add_noise = [shared, gaussian](std::span<int64_t> sums) {
    std::vector<int64_t> noise(std::min(kSamplesAtOnce, sums.size()));
    for (size_t first = 0; first < sums.size(); first += noise.size()) {
      const size_t n = std::min(noise.size(), sums.size() - first);
      gaussian.Sample(std::span<int64_t>(noise).first(n),
                      [&](std::span<uint32_t> words) { shared->noise.Fill(words); });
      for (size_t i = 0; i < n; ++i) sums[first + i] += noise[i];
    }
    return absl::OkStatus();
  };
  return edges;
}

}  // namespace hilum::client

#include "privacy/unmask.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/integer_sum.h"
#include "privacy/policy.h"
#include "privacy/quantize.h"

namespace hilum::privacy {
namespace {

absl::Status CheckLength(size_t n_coords, const RoundConfig& config) {
  if (config.n_extras == kMinExtras && n_coords >= kMinExtras &&
      n_coords - kMinExtras == config.n_params) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("the sum has ", n_coords,
                                                 " coordinates, the round is for ", config.n_params,
                                                 " and ", config.n_extras, " extras"));
}

// The sums that the three extra coordinates of `n_members` updates can have.
absl::Status CheckExtras(const MeanDelta& mean, uint64_t count, uint64_t loss,
                         const RoundConfig& config) {
  const uint64_t n = mean.n_members(), max_weight = config.max_weight;
  if (count != n || n == 0) {
    return absl::DataLossError(
        absl::StrCat("the count coordinate is ", count, ", the sum is of ", n, " updates"));
  }
  if (mean.total_weight() < n || mean.total_weight() > n * max_weight) {
    return absl::DataLossError(absl::StrCat("the weights of ", n, " updates sum to ",
                                            mean.total_weight(), ", each is 1 to ", max_weight));
  }
  if (loss > n * (static_cast<uint64_t>(kMaxLoss) << kLossFractionBits)) {
    return absl::DataLossError(absl::StrCat("the losses of ", n, " updates sum to ", loss,
                                            " * 2^-16, each is at most ", kMaxLoss));
  }
  if (config.unit != PrivacyUnit::kNone && (mean.total_weight() != n * max_weight || loss != 0)) {
    return absl::DataLossError(
        absl::StrCat("with differential privacy ", n, " updates have the weight ", n * max_weight,
                     " and tell no loss; these sum to ", mean.total_weight(), " and ", loss));
  }
  return absl::OkStatus();
}

// S mod 2^b, once each sum is one that its members can reach.
absl::StatusOr<std::vector<uint32_t>> Reduce(const MaskedSum& sum, const RoundConfig& config,
                                             kernels::Device device) {
  HILUM_RETURN_IF_ERROR(CheckLength(sum.sums.size(), config));
  HILUM_RETURN_IF_ERROR(CheckHeadroom(config));
  const uint64_t largest = sum.n_members * ((uint64_t{1} << config.ring_bits) - 1);
  const auto above = std::find_if(sum.sums.begin(), sum.sums.end(),
                                  [largest](uint64_t value) { return value > largest; });
  if (above != sum.sums.end()) {
    return absl::DataLossError(absl::StrCat("coordinate ", above - sum.sums.begin(), " sums to ",
                                            *above, ", ", sum.n_members, " updates reach at most ",
                                            largest));
  }
  std::vector<uint32_t> ring(sum.sums.size());
  HILUM_RETURN_IF_ERROR(kernels::ReduceToRing(sum.sums, config.ring_bits, ring, device));
  return ring;
}

}  // namespace

absl::StatusOr<RingTotal> Unmask(const MaskedTotal& total, const RoundConfig& config,
                                 kernels::Device device) {
  if (config.mode != RoundMode::kOpen || config.suite != Suite::kNone) {
    return absl::PermissionDeniedError(
        absl::StrCat("the round has mode ", static_cast<int>(config.mode), " with mask suite ",
                     static_cast<int>(config.suite), ", and no key was given that removes masks"));
  }
  HILUM_ASSIGN_OR_RETURN(
      std::vector<uint32_t> ring,
      Reduce({.sums = total.sums(), .n_members = total.n_members()}, config, device));
  return RingTotal(std::move(ring), total.n_members());
}

absl::StatusOr<RingTotal> Unmask(const MaskedSum& sum, const RoundConfig& config,
                                 const kernels::MaskKeys& masks, kernels::Device device) {
  if (config.mode == RoundMode::kOpen || masks.ring_bits() != config.ring_bits ||
      static_cast<int>(masks.suite()) != static_cast<int>(config.suite)) {
    return absl::PermissionDeniedError(
        absl::StrCat("keys of suite ", static_cast<int>(masks.suite()), " for ", masks.ring_bits(),
                     " bits do not remove masks of suite ", static_cast<int>(config.suite), " and ",
                     config.ring_bits, " bits"));
  }
  HILUM_ASSIGN_OR_RETURN(std::vector<uint32_t> ring, Reduce(sum, config, device));
  HILUM_RETURN_IF_ERROR(kernels::KeystreamAdd(ring, masks, 0, device));
  return RingTotal(std::move(ring), sum.n_members);
}

absl::StatusOr<MeanDelta> Dequantize(RingTotal total, const RoundConfig& config) {
  HILUM_RETURN_IF_ERROR(CheckLength(total.words().size(), config));
  HILUM_RETURN_IF_ERROR(CheckHeadroom(config));
  MeanDelta mean;
  mean.n_members_ = total.n_members();
  mean.n_params_ = static_cast<int64_t>(config.n_params);
  mean.ring_ = MeanDelta::Take(total);
  const size_t n_params = static_cast<size_t>(config.n_params);
  mean.total_weight_ = mean.ring_[n_params];
  const uint64_t count = mean.ring_[n_params + 1], loss = mean.ring_[n_params + 2];
  HILUM_RETURN_IF_ERROR(CheckExtras(mean, count, loss, config));
  mean.mean_loss_ = static_cast<double>(loss) / (1 << kLossFractionBits) / mean.n_members_;
  // With differential privacy the denominator is fixed: the whole roster, each with weight W.
  const double divisor = config.unit == PrivacyUnit::kNone
                             ? static_cast<double>(mean.total_weight_)
                             : static_cast<double>(config.roster.size()) * config.max_weight;
  mean.options_ = {.ring_bits = config.ring_bits,
                   .gain = config.max_weight / (config.scale * divisor)};
  return mean;
}

absl::Status AddMean(const MeanDelta& mean, double rate, std::span<float> model,
                     kernels::Device device) {
  return kernels::AddMean(mean.words(), mean.options(), rate, model, device);
}

}  // namespace hilum::privacy

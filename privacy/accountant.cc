#include "privacy/accountant.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "privacy/distributed_noise.h"
#include "privacy/renyi.h"

namespace hilum::privacy {
namespace {

constexpr double kLeastSigma = 0.05, kMostSigma = 1e6;
constexpr uint64_t kMostSteps = 1'000'000'000;

absl::Status OutOfRange(absl::string_view what, double value, absl::string_view range) {
  return absl::InvalidArgumentError(
      absl::StrCat("the release's ", what, " is ", value, ", it must be ", range));
}

DistributedNoise NoiseOf(const PrivateRelease& release) {
  return {.n_sites = release.n_honest, .n_params = release.n_params, .l2 = release.l2};
}

}  // namespace

absl::string_view ToString(PrivacyUnit unit) {
  switch (unit) {
    case PrivacyUnit::kNone:
      return "none";
    case PrivacyUnit::kSilo:
      return "silo";
    case PrivacyUnit::kRecord:
      return "record";
  }
  return "";
}

PrivacyUnit UnitOf(absl::string_view name) {
  if (name == "silo") return PrivacyUnit::kSilo;
  return name == "record" ? PrivacyUnit::kRecord : PrivacyUnit::kNone;
}

absl::string_view ToString(NoiseMechanism mechanism) {
  switch (mechanism) {
    case NoiseMechanism::kNone:
      return "none";
    case NoiseMechanism::kDiscreteGaussian:
      return "discrete-gaussian";
    case NoiseMechanism::kSkellam:
      return "skellam";
  }
  return "";
}

absl::string_view AccountantName(uint8_t accountant) {
  return accountant == kRdpAccountant ? "rdp" : "none";
}

absl::Status CheckRelease(const PrivateRelease& release) {
  // Written so that NaN fails too.
  if (!(release.sigma >= kLeastSigma && release.sigma <= kMostSigma)) {
    return OutOfRange("sigma", release.sigma, absl::StrCat(kLeastSigma, " to ", kMostSigma));
  }
  if (release.unit == PrivacyUnit::kRecord) {
    if (!(release.rate > 0.0 && release.rate <= 1.0)) {
      return OutOfRange("sampling rate", release.rate, "above 0 and at most 1");
    }
    if (release.n_steps < 1 || release.n_steps > kMostSteps) {
      return OutOfRange("number of steps", static_cast<double>(release.n_steps),
                        absl::StrCat("1 to ", kMostSteps));
    }
    return absl::OkStatus();
  }
  if (release.unit != PrivacyUnit::kSilo) {
    return absl::InvalidArgumentError("the release has no unit: nothing says what is protected");
  }
  if (release.n_honest < 1 || release.n_honest > kMaxRoster) {
    return OutOfRange("number of honest sites", static_cast<double>(release.n_honest),
                      absl::StrCat("1 to ", kMaxRoster));
  }
  if (release.n_params < 1 || release.n_params > kMaxCoords) {
    return OutOfRange("number of parameters", static_cast<double>(release.n_params),
                      absl::StrCat("1 to ", kMaxCoords));
  }
  if (!(release.l2 > 0.0 && std::isfinite(release.l2))) {
    return OutOfRange("sensitivity", release.l2, "above 0 and finite");
  }
  return SiteVariance(NoiseOf(release), release.sigma).status();
}

absl::StatusOr<RdpCurve> RdpOf(const PrivateRelease& release) {
  HILUM_RETURN_IF_ERROR(CheckRelease(release));
  const double site_sigma =
      release.sigma * release.l2 / std::sqrt(static_cast<double>(release.n_honest));
  RdpCurve curve{};
  for (int order = kSmallestOrder; order <= kLargestOrder; ++order) {
    curve[static_cast<size_t>(order - kSmallestOrder)] =
        release.unit == PrivacyUnit::kSilo
            ? DiscreteGaussianRdp(NoiseOf(release), site_sigma, order)
            : static_cast<double>(release.n_steps) *
                  SampledGaussianRdp({.sigma = release.sigma, .rate = release.rate}, order);
  }
  return curve;
}

absl::Status Accountant::Add(const PrivateRelease& release, uint64_t n) {
  if (n == 0) return absl::OkStatus();
  if (n_releases_ != 0 && unit_ != release.unit) {
    return absl::InvalidArgumentError(absl::StrCat("releases of unit ", ToString(release.unit),
                                                   " do not add up with those of unit ",
                                                   ToString(unit_)));
  }
  if (release != last_) {
    HILUM_ASSIGN_OR_RETURN(last_curve_, RdpOf(release));
    last_ = release;
  }
  for (size_t i = 0; i < curve_.size(); ++i) curve_[i] += static_cast<double>(n) * last_curve_[i];
  unit_ = release.unit;
  n_releases_ += n;
  return absl::OkStatus();
}

int Accountant::BestOrder(double delta) const {
  int best = kSmallestOrder;
  double least = std::numeric_limits<double>::infinity();
  for (int order = kSmallestOrder; order <= kLargestOrder; ++order) {
    const double epsilon =
        EpsilonOfRdp(curve_[static_cast<size_t>(order - kSmallestOrder)], order, delta);
    if (epsilon < least) {
      least = epsilon;
      best = order;
    }
  }
  return best;
}

double Accountant::Epsilon(double delta) const {
  HILUM_CHECK(delta > 0.0 && delta < 1.0);
  if (n_releases_ == 0) return 0.0;
  const int order = BestOrder(delta);
  return std::max(0.0,
                  EpsilonOfRdp(curve_[static_cast<size_t>(order - kSmallestOrder)], order, delta));
}

absl::StatusOr<PrivateRelease> SiloRelease(const RoundConfig& config) {
  const int counted = std::max(config.quorum, config.u_min);
  if (config.unit != PrivacyUnit::kSilo || config.mode != RoundMode::kMaskedMean ||
      config.mechanism != NoiseMechanism::kDiscreteGaussian || counted <= config.c_max) {
    return absl::InvalidArgumentError(
        absl::StrCat("a round of unit ", ToString(config.unit), " with mechanism ",
                     ToString(config.mechanism), ", mode ", static_cast<int>(config.mode), " and ",
                     counted - config.c_max, " honest sites has no distributed noise"));
  }
  if (!(config.scale > 0.0 && config.clip_l2 > 0.0 && config.n_params >= 1)) {
    return absl::InvalidArgumentError(absl::StrCat("a round with scale ", config.scale, ", clip ",
                                                   config.clip_l2, " and ", config.n_params,
                                                   " parameters has no sensitivity"));
  }
  const PrivateRelease release{
      .unit = PrivacyUnit::kSilo,
      .sigma = config.sigma,
      .n_honest = static_cast<uint64_t>(counted - config.c_max),
      .n_params = config.n_params,
      .l2 = RoundedNormBound(
          {.scale = config.scale, .clip_l2 = config.clip_l2, .n_params = config.n_params})};
  HILUM_RETURN_IF_ERROR(CheckRelease(release));
  return release;
}

absl::StatusOr<PrivateRelease> ReleaseOf(const RoundConfig& config,
                                         const RecordSampling& sampling) {
  if (config.unit != PrivacyUnit::kRecord) return SiloRelease(config);
  const PrivateRelease release{.unit = PrivacyUnit::kRecord,
                               .sigma = config.sigma,
                               .rate = sampling.rate,
                               .n_steps = sampling.n_steps};
  HILUM_RETURN_IF_ERROR(CheckRelease(release));
  return release;
}

}  // namespace hilum::privacy

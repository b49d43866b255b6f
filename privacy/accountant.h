// The privacy accountant: what a series of noised releases costs in total.
#ifndef HILUM_PRIVACY_ACCOUNTANT_H_
#define HILUM_PRIVACY_ACCOUNTANT_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "privacy/round_config.h"

namespace hilum::privacy {

// Renyi orders: the integers 2..256.
inline constexpr int kSmallestOrder = 2, kLargestOrder = 256;
using RdpCurve = std::array<double, kLargestOrder - kSmallestOrder + 1>;

// RoundConfig::accountant. RDP is the only one for discrete noise (docs/differential_privacy.md).
inline constexpr uint8_t kNoAccountant = 0, kRdpAccountant = 1;

absl::string_view ToString(PrivacyUnit unit);          // none, silo, record
PrivacyUnit UnitOf(absl::string_view name);            // kNone for any other name
absl::string_view ToString(NoiseMechanism mechanism);  // none, discrete-gaussian, skellam
absl::string_view AccountantName(uint8_t accountant);  // none, rdp

// One release with noise: what its cost follows from. Unit silo: one update in one masked sum,
// "replaced by zero". Unit record: one local training by DP-SGD, one record added or removed.
struct PrivateRelease {
  PrivacyUnit unit = PrivacyUnit::kNone;
  double sigma = 0.0;     // noise multiplier z
  uint64_t n_honest = 1;  // silo: counted sites whose noise nobody knows
  uint64_t n_params = 1;
  double l2 = 0.0;       // silo: sensitivity in ring units
  double rate = 0.0;     // record: q of Poisson sampling
  uint64_t n_steps = 0;  // record: steps of DP-SGD
  friend bool operator==(const PrivateRelease&, const PrivateRelease&) = default;
};

// InvalidArgument: the release has a number that no accountant can take (thing, value, limit).
absl::Status CheckRelease(const PrivateRelease& release);

// RDP of one release at each order. Errors as CheckRelease.
absl::StatusOr<RdpCurve> RdpOf(const PrivateRelease& release);

// Adds up releases of one unit. A value.
class Accountant {
 public:
  // `n` releases of the same kind. A curve takes milliseconds, so that of the last release is kept:
  // the rounds of a job cost the same. InvalidArgument: as CheckRelease, or the unit is another
  // than that of an earlier release.
  absl::Status Add(const PrivateRelease& release, uint64_t n = 1);

  // The epsilon of all that was added, at `delta` in (0, 1): the least over the orders, at least 0.
  // 0 when nothing was added.
  double Epsilon(double delta) const;
  // The order at which Epsilon is attained.
  int BestOrder(double delta) const;

  uint64_t n_releases() const { return n_releases_; }
  PrivacyUnit unit() const { return unit_; }

 private:
  RdpCurve curve_{};
  std::optional<PrivateRelease> last_{};
  RdpCurve last_curve_{};
  uint64_t n_releases_ = 0;
  PrivacyUnit unit_ = PrivacyUnit::kNone;
};

// The release that a round with noise at the silo is: n_honest is the least number of members that
// a transcript can have, max(Q, u_min), less the c_max that may tell the server their noise.
// InvalidArgument: the configuration has no such noise. Nor has one in groups: each group's sum is
// opened by itself, with the noise of its own members only.
absl::StatusOr<PrivateRelease> SiloRelease(const RoundConfig& config);

// How DP-SGD samples: the round plan's, since a configuration only pins the plan.
struct RecordSampling {
  double rate = 0.0;
  uint64_t n_steps = 0;
};
// What one round with differential privacy releases of one member. InvalidArgument: it has none, or
// as CheckRelease.
absl::StatusOr<PrivateRelease> ReleaseOf(const RoundConfig& config, const RecordSampling& sampling);

}  // namespace hilum::privacy

#endif  // HILUM_PRIVACY_ACCOUNTANT_H_

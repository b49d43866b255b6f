#include "aggregator/spending.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "proto/canonical_json.h"

namespace hilum::aggregator {
namespace {

using Dp = ledger_anchor::RoundClose::Dp;

// Rounded up to 10^-6: an entry never says less than was spent.
absl::StatusOr<std::string> EpsilonText(double epsilon) {
  return proto::FormatDecimal(std::ceil(epsilon * 1e6) / 1e6);
}

absl::StatusOr<Dp> Claim(const privacy::RoundConfig& config, double epsilon) {
  Dp dp;
  dp.unit = std::string(privacy::ToString(config.unit));
  dp.mechanism = std::string(privacy::ToString(config.mechanism));
  dp.accountant = std::string(privacy::AccountantName(config.accountant));
  HILUM_ASSIGN_OR_RETURN(dp.epsilon, EpsilonText(epsilon));
  HILUM_ASSIGN_OR_RETURN(dp.delta, proto::FormatDecimal(config.delta));
  return dp;
}

}  // namespace

absl::StatusOr<privacy::PrivateRelease> ReleaseOf(const proto::RoundPlan& plan,
                                                  const privacy::RoundConfig& config) {
  return privacy::ReleaseOf(config, {.rate = plan.privacy.sample_rate,
                                     .n_steps = static_cast<uint64_t>(plan.privacy.steps)});
}

absl::StatusOr<privacy::Accountant> SpentBefore(const proto::RoundPlan& plan,
                                                const std::vector<RoundRow>& rows, RoundId round) {
  privacy::Accountant spent;
  // Equal ones at once: the rounds of a job cost the same, and one curve takes milliseconds.
  std::optional<privacy::PrivateRelease> last;
  uint64_t n_equal = 0;
  for (const RoundRow& row : rows) {
    if (row.round.number >= round.number) continue;
    const absl::StatusOr<privacy::RoundConfig> config = privacy::DecodeRoundConfig(row.config);
    if (!config.ok()) return absl::DataLossError(config.status().message());
    if (config->unit == privacy::PrivacyUnit::kNone) continue;
    HILUM_ASSIGN_OR_RETURN(const privacy::PrivateRelease release, ReleaseOf(plan, *config));
    if (last.has_value() && release != *last) {
      HILUM_RETURN_IF_ERROR(spent.Add(*last, n_equal));
      n_equal = 0;
    }
    last = release;
    ++n_equal;
  }
  if (last.has_value()) HILUM_RETURN_IF_ERROR(spent.Add(*last, n_equal));
  return spent;
}

absl::StatusOr<std::optional<Dp>> DpOfClose(const proto::RoundPlan& plan,
                                            const std::vector<RoundRow>& rows,
                                            const RoundRow& row) {
  const absl::StatusOr<privacy::RoundConfig> config = privacy::DecodeRoundConfig(row.config);
  if (!config.ok()) return absl::DataLossError(config.status().message());
  if (config->unit == privacy::PrivacyUnit::kNone) return std::optional<Dp>();
  HILUM_ASSIGN_OR_RETURN(privacy::Accountant spent, SpentBefore(plan, rows, row.round));
  HILUM_ASSIGN_OR_RETURN(const privacy::PrivateRelease release, ReleaseOf(plan, *config));
  HILUM_RETURN_IF_ERROR(spent.Add(release));
  HILUM_ASSIGN_OR_RETURN(Dp dp, Claim(*config, spent.Epsilon(config->delta)));
  return std::optional<Dp>(std::move(dp));
}

absl::Status CheckDpOfClose(const ledger_anchor::RoundClose& close, const proto::RoundPlan& plan,
                            const privacy::RoundConfig& config) {
  const auto differs = [&](absl::string_view what) {
    return absl::DataLossError(absl::StrCat("round ", close.round, ": ", what));
  };
  const bool is_private = config.unit != privacy::PrivacyUnit::kNone;
  if (close.dp.has_value() != is_private) {
    return differs(is_private ? "the entry tells no epsilon of a round with differential privacy"
                              : "the entry claims differential privacy of a round without noise");
  }
  if (!is_private) return absl::OkStatus();
  privacy::Accountant spent;
  HILUM_ASSIGN_OR_RETURN(const privacy::PrivateRelease release, ReleaseOf(plan, config));
  HILUM_RETURN_IF_ERROR(spent.Add(release));
  const double least = std::max(spent.Epsilon(config.delta), config.epsilon_before);
  HILUM_ASSIGN_OR_RETURN(Dp expected, Claim(config, least));
  HILUM_ASSIGN_OR_RETURN(const double claimed, proto::ParseDecimal(close.dp->epsilon));
  HILUM_ASSIGN_OR_RETURN(const double floor, proto::ParseDecimal(expected.epsilon));
  if (close.dp->unit != expected.unit || close.dp->mechanism != expected.mechanism ||
      close.dp->accountant != expected.accountant || close.dp->delta != expected.delta) {
    return differs("the entry's unit, mechanism, delta or accountant is not the configuration's");
  }
  // The entry was rounded up at 10^-6, and a logarithm may differ in its last bit elsewhere.
  if (claimed + 2e-6 < floor) {
    return differs(absl::StrCat("the entry claims epsilon ", close.dp->epsilon, ", it is at least ",
                                expected.epsilon));
  }
  return absl::OkStatus();
}

}  // namespace hilum::aggregator

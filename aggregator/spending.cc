#include "aggregator/spending.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "proto/canonical_json.h"

namespace hilum::aggregator {
namespace {

using ledger_anchor::RoundClose;
using Dp = RoundClose::Dp;

// An entry was rounded up at 10^-6, and a logarithm may differ in its last bit elsewhere.
constexpr double kEpsilonSlack = 2e-6;

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

absl::Status Differs(const RoundClose& close, absl::string_view what) {
  return absl::DataLossError(absl::StrCat("round ", close.round, ": ", what));
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
  for (const RoundRow& row : rows) {
    if (row.round.number >= round.number) continue;
    const absl::StatusOr<privacy::RoundConfig> config = privacy::DecodeRoundConfig(row.config);
    if (!config.ok()) return absl::DataLossError(config.status().message());
    if (config->unit == privacy::PrivacyUnit::kNone) continue;
    HILUM_ASSIGN_OR_RETURN(const privacy::PrivateRelease release, ReleaseOf(plan, *config));
    HILUM_RETURN_IF_ERROR(spent.Add(release));
  }
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

absl::Status CheckDpOfJob(const RoundClose& close, std::span<const RoundClose> earlier) {
  for (const RoundClose& before : earlier) {
    if (before.dp.has_value() == close.dp.has_value()) continue;
    return Differs(
        close, absl::StrCat("round ", before.round, " of the job told ", before.dp ? "an" : "no",
                            " epsilon and this one tells ", close.dp ? "one" : "none"));
  }
  if (!close.dp.has_value()) return absl::OkStatus();
  bool complete = earlier.size() + 1 == close.round;
  for (size_t i = 0; i < earlier.size(); ++i) complete = complete && earlier[i].round == i + 1;
  if (!complete) {
    return absl::InvalidArgumentError(
        absl::StrCat("round ", close.round, " has differential privacy; its audit needs each of ",
                     close.round - 1, " earlier round-closes, it got ", earlier.size()));
  }
  double spent = 0.0;
  for (size_t i = 0; i <= earlier.size(); ++i) {
    const RoundClose& one = i < earlier.size() ? earlier[i] : close;
    if (one.dp->unit != close.dp->unit || one.dp->mechanism != close.dp->mechanism ||
        one.dp->accountant != close.dp->accountant || one.dp->delta != close.dp->delta) {
      return Differs(one, absl::StrCat("its unit, mechanism, delta or accountant is not that of ",
                                       "round ", close.round));
    }
    HILUM_ASSIGN_OR_RETURN(const double claimed, proto::ParseDecimal(one.dp->epsilon));
    if (claimed + kEpsilonSlack < spent) {
      return Differs(one, absl::StrCat("the entry claims epsilon ", one.dp->epsilon,
                                       ", less than the round before it"));
    }
    spent = std::max(spent, claimed);
  }
  return absl::OkStatus();
}

absl::Status CheckDpOfClose(const RoundClose& close, std::span<const RoundClose> earlier,
                            const proto::RoundPlan& plan, const privacy::RoundConfig& config) {
  const bool is_private = config.unit != privacy::PrivacyUnit::kNone;
  if (close.dp.has_value() != is_private) {
    return Differs(close, is_private
                              ? "the entry tells no epsilon of a round with differential privacy"
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
    return Differs(close,
                   "the entry's unit, mechanism, delta or accountant is not the configuration's");
  }
  if (claimed + kEpsilonSlack < floor) {
    return Differs(close, absl::StrCat("the entry claims epsilon ", close.dp->epsilon,
                                       ", it is at least ", expected.epsilon));
  }
  if (earlier.empty() || !earlier.back().dp.has_value()) return absl::OkStatus();
  HILUM_ASSIGN_OR_RETURN(const double told, proto::ParseDecimal(earlier.back().dp->epsilon));
  if (config.epsilon_before + kEpsilonSlack < told) {
    return Differs(close, absl::StrCat("its configuration counts epsilon ", config.epsilon_before,
                                       " before the round, the round before it told ",
                                       earlier.back().dp->epsilon));
  }
  return absl::OkStatus();
}

}  // namespace hilum::aggregator

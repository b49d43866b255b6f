#include "client/budget.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"

namespace hilum::client {
namespace {

using privacy::Accountant;
using privacy::PrivacyUnit;

// Whether the attempt is on record. PermissionDenied: it is, at another price, so what was paid for
// is another release than this.
absl::StatusOr<bool> IsPaid(const std::vector<SpendRow>& rows, const SpendRow& charge) {
  for (const SpendRow& row : rows) {
    if (row.job != charge.job || row.round != charge.round || row.attempt != charge.attempt) {
      continue;
    }
    if (row.release == charge.release) return true;
    return absl::PermissionDeniedError(absl::StrCat(
        "attempt ", charge.attempt, " at round ", charge.round, " of job ", charge.job,
        " was charged to the privacy budget for another release; this one is not sent."));
  }
  return false;
}

absl::StatusOr<Accountant> SpentOf(const std::vector<SpendRow>& rows, PrivacyUnit unit) {
  Accountant spent;
  for (const SpendRow& row : rows) {
    if (row.release.unit == PrivacyUnit::kNone) {
      return absl::DataLossError(absl::StrCat("the stored charge of round ", row.round, " of job ",
                                              row.job, " has no unit"));
    }
    if (row.release.unit != unit) continue;
    if (const absl::Status added = spent.Add(row.release); !added.ok()) {
      return absl::DataLossError(absl::StrCat("the stored charge of round ", row.round, " of job ",
                                              row.job, ": ", added.message()));
    }
  }
  return spent;
}

double Left(const Accountant& spent, const SiteOptions& options) {
  return std::max(0.0, options.max_epsilon - spent.Epsilon(options.budget_delta));
}

// PermissionDenied: `n` more releases would be beyond the budget.
absl::Status CheckFits(const Accountant& spent, const privacy::PrivateRelease& release, uint64_t n,
                       const SiteOptions& options, const std::string& what) {
  if (options.max_epsilon == 0.0) return absl::OkStatus();
  Accountant after = spent;
  HILUM_RETURN_IF_ERROR(after.Add(release, n));
  const double epsilon = after.Epsilon(options.budget_delta);
  if (epsilon <= options.max_epsilon) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrFormat(
      "%s would bring this site's privacy loss (unit %s, delta %g) to epsilon %.4g; [policy] "
      "max_epsilon is %g, and %.4g of it is left.",
      what, privacy::ToString(release.unit), options.budget_delta, epsilon, options.max_epsilon,
      Left(spent, options)));
}

}  // namespace

absl::string_view UnitName(const UnitSpending& spending) {
  return privacy::ToString(spending.unit);
}

absl::StatusOr<std::vector<UnitSpending>> SpentAtSite(State& state, const SiteOptions& options) {
  HILUM_ASSIGN_OR_RETURN(const std::vector<SpendRow> rows, state.Spends());
  std::vector<UnitSpending> all;
  for (const PrivacyUnit unit : {PrivacyUnit::kSilo, PrivacyUnit::kRecord}) {
    HILUM_ASSIGN_OR_RETURN(const Accountant spent, SpentOf(rows, unit));
    all.push_back({.unit = unit,
                   .n_releases = spent.n_releases(),
                   .epsilon = spent.Epsilon(options.budget_delta),
                   .left = Left(spent, options)});
  }
  return all;
}

absl::StatusOr<std::optional<SpendRow>> ChargeOf(const privacy::RoundConfig& config,
                                                 const proto::RoundPlan& plan,
                                                 const RoundRecord& round, int64_t now_s) {
  if (config.unit == PrivacyUnit::kNone) return std::optional<SpendRow>();
  HILUM_ASSIGN_OR_RETURN(
      const privacy::PrivateRelease release,
      privacy::ReleaseOf(config, {.rate = plan.privacy.sample_rate,
                                  .n_steps = static_cast<uint64_t>(plan.privacy.steps)}));
  SpendRow charge{.job = round.job,
                  .round = round.round,
                  .attempt = round.attempt,
                  .release = release,
                  .charged_at_s = now_s};
  return std::optional<SpendRow>(std::move(charge));
}

absl::Status CheckBudget(State& state, const SiteOptions& options, const SpendRow& charge) {
  HILUM_ASSIGN_OR_RETURN(const std::vector<SpendRow> rows, state.Spends());
  HILUM_ASSIGN_OR_RETURN(const bool paid, IsPaid(rows, charge));
  if (paid) return absl::OkStatus();
  HILUM_ASSIGN_OR_RETURN(const Accountant spent, SpentOf(rows, charge.release.unit));
  return CheckFits(spent, charge.release, 1, options,
                   absl::StrCat("round ", charge.round, " of job ", charge.job));
}

absl::Status Charge(State& state, const SiteOptions& options, const SpendRow& charge) {
  return state.Atomically([&]() -> absl::Status {
    HILUM_RETURN_IF_ERROR(CheckBudget(state, options, charge));
    return state.PutSpend(charge);
  });
}

absl::Status CheckPlanBudget(State& state, const SiteOptions& options,
                             const proto::RoundPlan& plan) {
  if (options.max_epsilon == 0.0 || plan.privacy.unit == "none") return absl::OkStatus();
  HILUM_ASSIGN_OR_RETURN(const std::vector<SpendRow> rows, state.Spends());
  std::set<uint64_t> done;
  for (const SpendRow& row : rows) {
    if (row.job == plan.job) done.insert(row.round);
  }
  const uint64_t n_done = done.size();
  const uint64_t n_left = plan.rounds > n_done ? plan.rounds - n_done : 0;
  // The cohort is not known yet. Its size changes epsilon only through the gap of a sum of discrete
  // Gaussians, which is 0 to double precision at every scale that a ring allows.
  const privacy::PrivateRelease release{.unit = privacy::UnitOf(plan.privacy.unit),
                                        .sigma = plan.privacy.sigma,
                                        .n_honest = 1,
                                        .n_params = static_cast<uint64_t>(plan.spec.n_params()),
                                        .l2 = 65536.0,
                                        .rate = plan.privacy.sample_rate,
                                        .n_steps = static_cast<uint64_t>(plan.privacy.steps)};
  HILUM_ASSIGN_OR_RETURN(const Accountant spent, SpentOf(rows, release.unit));
  return CheckFits(spent, release, n_left, options,
                   absl::StrCat("job ", plan.job, " with ", n_left, " rounds"));
}

}  // namespace hilum::client

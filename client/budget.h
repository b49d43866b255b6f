// The privacy budget of a site: what has been spent in all rounds with differential privacy, on
// disk across restarts, and whether one more fits ([policy] max_epsilon;
// docs/differential_privacy.md).
#ifndef HILUM_CLIENT_BUDGET_H_
#define HILUM_CLIENT_BUDGET_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/site_folder.h"
#include "client/state.h"
#include "privacy/accountant.h"
#include "privacy/round_config.h"
#include "proto/round_plan.h"

namespace hilum::client {

// What one unit's releases came to, over all jobs.
struct UnitSpending {
  privacy::PrivacyUnit unit = privacy::PrivacyUnit::kNone;
  uint64_t n_releases = 0;
  double epsilon = 0.0;  // at the site's delta
  double left = 0.0;     // of the budget; 0 without one
};

absl::string_view UnitName(const UnitSpending& spending);  // silo, record

// Silo and record, in this order, whatever has been spent. Units have one budget each: a silo's
// epsilon and a record's say different things and do not add up.
absl::StatusOr<std::vector<UnitSpending>> SpentAtSite(State& state, const SiteOptions& options);

// The charge of a round; a round without differential privacy has none.
// InvalidArgument: the configuration's noise cannot be charged.
absl::StatusOr<std::optional<SpendRow>> ChargeOf(const privacy::RoundConfig& config,
                                                 const proto::RoundPlan& plan,
                                                 const RoundRecord& round, int64_t now_s);

// Whether `charge` fits the budget. One that is on record already does: it was paid for.
// PermissionDenied: it does not; the sentence says what it would come to, the budget and what is
// left. Or its attempt was charged for another release.
absl::Status CheckBudget(State& state, const SiteOptions& options, const SpendRow& charge);

// CheckBudget, and then the charge is on disk, in one transaction. To be called before anything of
// the release leaves: an attempt that fails later has spent it all the same.
absl::Status Charge(State& state, const SiteOptions& options, const SpendRow& charge);

// Whether the rounds of a job that are still to come fit: before somebody approves it. Errors as
// CheckBudget.
absl::Status CheckPlanBudget(State& state, const SiteOptions& options,
                             const proto::RoundPlan& plan);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_BUDGET_H_

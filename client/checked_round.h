// A round as a site may take part in it: every part of the notice agrees with what was approved,
// with the ledger and with the site's own floors. Private to client/participate and
// client/round_worker.
#ifndef HILUM_CLIENT_CHECKED_ROUND_H_
#define HILUM_CLIENT_CHECKED_ROUND_H_

#include <optional>

#include "absl/status/statusor.h"
#include "client/ledger_gate.h"
#include "client/participate.h"
#include "client/rpc.h"
#include "client/state.h"
#include "client/update.h"
#include "privacy/policy.h"
#include "privacy/round_config.h"
#include "proto/round_plan.h"

namespace hilum::client {

// A notice whose every part agrees with the plan that was approved and with the ledger.
struct CheckedRound {
  proto::RoundPlan plan;
  privacy::RoundConfig config;
  ProvenRound proven;
  UpdateFacts facts;
};

// Errors as TakePart.
absl::StatusOr<CheckedRound> CheckNotice(const RoundContext& context, const RoundNotice& notice);

// What the round costs this site; absent without differential privacy (budget.h).
absl::StatusOr<std::optional<SpendRow>> ChargeOf(const RoundContext& context,
                                                 const CheckedRound& round);

// What this site asks of the round, whatever the server says.
absl::StatusOr<privacy::SiteFloors> FloorsOf(const RoundContext& context,
                                             const CheckedRound& round);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_CHECKED_ROUND_H_

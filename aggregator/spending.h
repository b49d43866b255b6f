// What the rounds of a job with differential privacy have spent: for cfg of the next round, and for
// the `dp` field of a round-close.
#ifndef HILUM_AGGREGATOR_SPENDING_H_
#define HILUM_AGGREGATOR_SPENDING_H_

#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "aggregator/state.h"
#include "ledger_anchor/entry.h"
#include "privacy/accountant.h"
#include "privacy/round_config.h"
#include "proto/round_plan.h"

namespace hilum::aggregator {

// The release that a round of `plan` with this configuration is. InvalidArgument: it has none.
absl::StatusOr<privacy::PrivateRelease> ReleaseOf(const proto::RoundPlan& plan,
                                                  const privacy::RoundConfig& config);

// Rounds of `rows` below `round` that have differential privacy, aborted ones too: the server
// cannot prove that nothing of them was opened. Members that were not in all of them spent less.
// DataLoss: a stored configuration cannot be read. InvalidArgument: as Accountant::Add.
absl::StatusOr<privacy::Accountant> SpentBefore(const proto::RoundPlan& plan,
                                                const std::vector<RoundRow>& rows, RoundId round);

// The `dp` field of the round-close of `row`: the sum up to and with this round. Absent without
// differential privacy. Errors as SpentBefore.
absl::StatusOr<std::optional<ledger_anchor::RoundClose::Dp>> DpOfClose(
    const proto::RoundPlan& plan, const std::vector<RoundRow>& rows, const RoundRow& row);

// That the rounds of a job up to `close` tell one story: each has an epsilon or none has, of one
// unit, mechanism, delta and accountant, and none is smaller than the one before it. Aborted rounds
// count; what a server spent it cannot take back.
//   earlier  round-closes of the job before `close`, ascending
// DataLoss: the sentence says what differs. InvalidArgument: `close` has an epsilon, and `earlier`
// is not each round before it once.
absl::Status CheckDpOfJob(const ledger_anchor::RoundClose& close,
                          std::span<const ledger_anchor::RoundClose> earlier);

// That `close` claims what cfg and plan say, and no smaller epsilon than cfg's epsilon before the
// round or that of this round alone; and that cfg counts what the last of `earlier` told.
// DataLoss: the sentence says what differs.
absl::Status CheckDpOfClose(const ledger_anchor::RoundClose& close,
                            std::span<const ledger_anchor::RoundClose> earlier,
                            const proto::RoundPlan& plan, const privacy::RoundConfig& config);

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_SPENDING_H_

// The server's own look at the tags of a masked round before it publishes them: a member that
// signed a wrong one must not spoil the round for everybody who verifies it.
#ifndef HILUM_AGGREGATOR_MASKED_TAGS_H_
#define HILUM_AGGREGATOR_MASKED_TAGS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "aggregator/round.h"
#include "ledger_anchor/store.h"
#include "privacy/secagg/server_r4.h"

namespace hilum::aggregator {

// Checks S against the tags; the stored vector stands for a tag that did not come. When that fails,
// each tag is computed again from the stored vector, and a wrong one is taken out: its member then
// counts as one without a tag, and its vector is published instead. Returns those members.
// DataLoss: S is not the sum of the stored vectors. Errors of the store are passed on.
absl::StatusOr<privacy::secagg::Indices> SettleTags(const ledger_anchor::Store& store,
                                                    const std::vector<CountedUpdate>& counted,
                                                    privacy::secagg::OpenedRound& opened);

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_MASKED_TAGS_H_

// Who takes part in a round.
#ifndef HILUM_AGGREGATOR_COHORT_H_
#define HILUM_AGGREGATOR_COHORT_H_

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "aggregator/round.h"
#include "base/ids.h"
#include "ledger_anchor/members.h"

namespace hilum::aggregator {

// How many connected sites a round waits for: all approved ones, or `target` when that is set (> 0)
// and smaller.
size_t WantedSites(size_t n_approved, int target);

// The connected sites, ascending by name. With a target, that many of them: those whose
// SHA-256(job || LF || round || LF || name) is smallest, so that every site gets its turn and
// anyone can repeat the choice.
std::vector<SiteId> ChooseCohort(const Recruiting& state);

// The cohort with the entry keys that the ledger has. PermissionDenied: a site is not, or no
// longer, a member of the federation.
absl::StatusOr<std::vector<RosterSite>> MakeRoster(const std::vector<SiteId>& cohort,
                                                   const ledger_anchor::Members& members);

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_COHORT_H_

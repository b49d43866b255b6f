#include "aggregator/cohort.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "crypto/hash.h"

namespace hilum::aggregator {

size_t WantedSites(size_t n_approved, int target) {
  return target > 0 ? std::min(n_approved, static_cast<size_t>(target)) : n_approved;
}

std::vector<SiteId> ChooseCohort(const Recruiting& state) {
  std::vector<SiteId> cohort(state.connected.begin(), state.connected.end());
  const size_t wanted = WantedSites(cohort.size(), state.target);
  if (wanted == cohort.size()) return cohort;
  std::vector<std::pair<Digest, SiteId>> drawn;
  for (const SiteId& site : cohort) {
    const std::string ticket =
        absl::StrCat(state.facts.job.name, "\n", state.facts.round.number, "\n", site.name);
    drawn.emplace_back(crypto::Sha256(ticket), site);
  }
  std::sort(drawn.begin(), drawn.end());
  cohort.clear();
  for (size_t i = 0; i < wanted; ++i) cohort.push_back(drawn[i].second);
  std::sort(cohort.begin(), cohort.end());
  return cohort;
}

absl::StatusOr<std::vector<RosterSite>> MakeRoster(const std::vector<SiteId>& cohort,
                                                   const ledger_anchor::Members& members) {
  std::vector<RosterSite> roster;
  for (const SiteId& site : cohort) {
    const ledger_anchor::Member* member = members.Find(site.name);
    if (member == nullptr || member->left_index.has_value() || member->role != "site") {
      return absl::PermissionDeniedError(
          absl::StrCat("site ", site.name, " is not a member of the federation"));
    }
    roster.push_back({.site = site, .entry_key = member->entry_key});
  }
  return roster;
}

}  // namespace hilum::aggregator

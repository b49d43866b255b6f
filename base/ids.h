// Names of members and numbers of rounds, as types: a site can never be taken for a round.
#ifndef HILUM_BASE_IDS_H_
#define HILUM_BASE_IDS_H_

#include <compare>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace hilum {

// A member of the federation as the ledger knows it, for example "hospital-a".
struct SiteId {
  std::string name;
  friend auto operator<=>(const SiteId&, const SiteId&) = default;
};

// A round of one job, counted from 1. 0 is the state before the first round.
struct RoundId {
  uint64_t number = 0;
  friend auto operator<=>(const RoundId&, const RoundId&) = default;
};

// A job as the ledger's `study` names it, for example "cxr-demo".
struct JobId {
  std::string name;
  friend auto operator<=>(const JobId&, const JobId&) = default;
};

// Names of members and jobs: 1 to 63 of [a-z0-9-], not starting or ending with '-'. They go into
// file names, certificates and ledger entries, so nothing else is taken.
// InvalidArgument: any other name; the sentence names `what`, the name and the rule.
absl::Status CheckName(absl::string_view what, absl::string_view name);

}  // namespace hilum

#endif  // HILUM_BASE_IDS_H_

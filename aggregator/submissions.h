// Entries that members sign for themselves and ask the sequencer to append.
#ifndef HILUM_AGGREGATOR_SUBMISSIONS_H_
#define HILUM_AGGREGATOR_SUBMISSIONS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "aggregator/federation.h"
#include "base/ids.h"

namespace hilum::aggregator {

// By how much the `t` of an entry may differ from the server's clock.
inline constexpr int64_t kEntryClockDifferenceS = 86'400;

struct SubmittedEntry {
  uint64_t index = 0;
  Digest leaf_hash{};
  std::string proof;      // empty: the witnesses have not cosigned the entry yet
  bool repeated = false;  // it stood in the ledger already
};

// Appends `entry`, signed by `site` itself; it is durable when this returns. The same bytes again
// give the index that they have, so a retry after a lost answer is safe. Needs no other lock.
// InvalidArgument: longer than an entry may be, not canonical, a type that sites do not submit, a
// time more than a day off. PermissionDenied: it is in another member's name. FailedPrecondition:
// the ledger does not take it (key, signature, round, repetition): the sentence says why.
// ResourceExhausted: the disk is full.
absl::StatusOr<SubmittedEntry> SubmitEntry(Federation& federation, const SiteId& site,
                                           const std::string& entry, int64_t now_s);

// The tlog-proof of the `nth` key-rotate of a member, from 1. NotFound: it has fewer.
absl::StatusOr<std::string> ProveRotation(const Federation& federation, absl::string_view member,
                                          uint64_t nth);

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_SUBMISSIONS_H_

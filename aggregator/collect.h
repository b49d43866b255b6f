// Deletes stored objects that nothing names any more, and updates whose retention has ended.
#ifndef HILUM_AGGREGATOR_COLLECT_H_
#define HILUM_AGGREGATOR_COLLECT_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "aggregator/federation.h"

namespace hilum::aggregator {

struct CollectOptions {
  int64_t now_s = 0;
  int64_t grace_s = 7 * 86'400;  // what was stored later than this ago is kept
  // Also the updates of closed rounds that are older than the audit_days which the round's own
  // configuration promises. Such a round can no longer be replayed.
  bool expired_updates = false;
  bool dry_run = false;  // counts, deletes nothing
};

struct CollectReport {
  uint64_t n_objects = 0;  // before
  uint64_t n_unnamed = 0;  // deleted: nothing names them
  uint64_t n_expired = 0;  // deleted: updates past their retention
  uint64_t n_young = 0;    // nothing names them either, but they are younger than grace_s
  uint64_t deleted_bytes = 0;
};

// The folder must be open, so that no server stores or names anything meanwhile. Kept: every digest
// in an entry of the log; every digest in the round record of a closed round, and so its
// configuration, plan and updates; what open rounds, jobs and entries yet to be logged need
// (state.sqlite). Of sealed copies the same.
// DataLoss: an entry or a round record cannot be read, so that what it names is not known; nothing
// is deleted then. InvalidArgument: grace_s is negative.
absl::StatusOr<CollectReport> CollectObjects(Federation& federation, const CollectOptions& options);

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_COLLECT_H_

// The sum that a masked round published, computed again by a site. Private to round_check.
#ifndef HILUM_CLIENT_PUBLISHED_SUM_H_
#define HILUM_CLIENT_PUBLISHED_SUM_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/participate.h"
#include "ledger_anchor/round_record.h"

namespace hilum::client {

// Whether an error contradicts the server: DataLoss, InvalidArgument, and NotFound, since a server
// that shows no evidence is no better than one whose evidence is wrong.
bool IsContradiction(const absl::Status& status);

// What this site's own database and disk say goes through here: a fault of theirs is none of the
// server's. Internal: in place of what would be a contradiction.
absl::Status OwnFault(const absl::Status& status);
template <class T>
absl::StatusOr<T> Own(absl::StatusOr<T> found) {
  if (found.ok()) return found;
  return OwnFault(found.status());
}

// `record` is pinned by a proven round-close, whose H(cfg), H(T) and models it has. By
// [policy] verify: "tags" (VerifySum), "sampled" (VerifySampled, and then the new model, which is
// fetched, in the drawn chunks) or "full" (VerifyRound, and then the new model's file, byte for
// byte). The model is kept in models/. Returns what was verified: "tags", "sampled", "full", or
// "sum" where the server's optimizer keeps moments: they do not come to the sites, so the model is
// not derived. DataLoss, InvalidArgument: something of it is false. Others: as CheckClosedRound.
absl::StatusOr<std::string> VerifyPublishedSum(const RoundContext& context,
                                               const ledger_anchor::RoundRecord& record);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_PUBLISHED_SUM_H_

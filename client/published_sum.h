// The sum that a masked round published, computed again by a site. Private to round_check.
#ifndef HILUM_CLIENT_PUBLISHED_SUM_H_
#define HILUM_CLIENT_PUBLISHED_SUM_H_

#include "absl/status/status.h"
#include "client/participate.h"
#include "ledger_anchor/round_record.h"

namespace hilum::client {

// `record` is pinned by a proven round-close, whose H(cfg), H(T) and models it has. By
// [policy] verify: "tags" (VerifySum) or "full" (VerifyRound, and then the new model's file, byte
// for byte, which is kept in models/).
// DataLoss, InvalidArgument: something of it is false. Others: as CheckClosedRound.
absl::Status VerifyPublishedSum(const RoundContext& context,
                                const ledger_anchor::RoundRecord& record);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_PUBLISHED_SUM_H_

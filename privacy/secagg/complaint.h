// Complaints of flight R1.2 that can be decided: how one is judged, by the server and by whoever
// replays the round, and how the round record keeps it (docs/secure_aggregation.md, sections 5, 9).
#ifndef HILUM_PRIVACY_SECAGG_COMPLAINT_H_
#define HILUM_PRIVACY_SECAGG_COMPLAINT_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "privacy/secagg/facts.h"
#include "privacy/secagg/r1_messages.h"

namespace hilum::privacy::secagg {

// An upheld complaint of kind 2, with what a third party needs to judge it again: the accused's
// signed bundle, and the accuser's signed acknowledgement.
struct UpheldComplaint {
  uint16_t accused = 0, accuser = 0;
  ShareBundle bundle;
  ShareAck ack;
  friend bool operator==(const UpheldComplaint&, const UpheldComplaint&) = default;
};

// The share of the bundle for `receiver`, or null.
const SealedShare* FindShare(const ShareBundle& bundle, uint16_t receiver);

// OK: `complaint` of kind 2 is true: the key that it reveals opens the share that the accused
// signed for `accuser`, and the share is bad. InvalidArgument: it is false, or there is no such
// share.
absl::Status JudgeBadShare(const Facts& facts, uint16_t accuser, const Complaint& complaint,
                           const ShareBundle& bundle);

// For each: accused u16, accuser u16, u32 length and the bundle, u32 length and the
// acknowledgement; strictly ascending by accused. One complaint excludes a member, so the record
// keeps one of each: what a few members can add to it stays small.
Bytes EncodeComplaints(const std::vector<UpheldComplaint>& complaints);
// InvalidArgument: too short, too long, out of order, or a part that its own reader refuses.
// `points_per_list` as PointsPerList.
absl::StatusOr<std::vector<UpheldComplaint>> DecodeComplaints(ByteView bytes,
                                                              size_t points_per_list);

// Judges the complaint again, as somebody who saw none of the round: both signatures, that the
// bundle is for exactly the accused's holders, that the acknowledgement holds this complaint, that
// it is true, and that the accused is not of U2. DataLoss: the first of these that fails.
absl::Status CheckUpheld(const Facts& facts, const UpheldComplaint& complaint);

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_COMPLAINT_H_

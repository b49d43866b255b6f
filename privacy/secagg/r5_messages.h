// What R5 publishes beside S and z: the opened secrets and the tags (docs/secure_aggregation.md,
// sections 5 and 9). It is a part of the round record.
#ifndef HILUM_PRIVACY_SECAGG_R5_MESSAGES_H_
#define HILUM_PRIVACY_SECAGG_R5_MESSAGES_H_

#include <vector>

#include "absl/status/statusor.h"
#include "privacy/secagg/masks.h"
#include "privacy/secagg/r4_messages.h"

namespace hilum::privacy::secagg {

struct MemberTag {
  uint16_t index = 0;
  SumTag tag;
  friend bool operator==(const MemberTag&, const MemberTag&) = default;
};

// list (i, b_i) of U3, list (j, a_j) of U2 \ U3, list (i, tag 3 x u64, signature) of those of U3
// who answered. Public once it is sent: opened secrets show the sum only.
struct RoundOpening {
  OpenedSecrets secrets;
  std::vector<MemberTag> tags;
};
Bytes Encode(const RoundOpening& opening);
// InvalidArgument: too short, too long, out of order, above its limit, or a scalar or tag out of
// its range.
absl::StatusOr<RoundOpening> DecodeRoundOpening(ByteView body);

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_R5_MESSAGES_H_

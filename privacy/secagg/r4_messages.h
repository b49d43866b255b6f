// Flight R4: one kind of share a peer, and the tag of one's own vector
// (docs/secure_aggregation.md, section 5).
#ifndef HILUM_PRIVACY_SECAGG_R4_MESSAGES_H_
#define HILUM_PRIVACY_SECAGG_R4_MESSAGES_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/tag_polynomial.h"
#include "privacy/secagg/context.h"
#include "privacy/secagg/shamir.h"

namespace hilum::privacy::secagg {

// A share or an opened secret: list (j, 32 bytes).
struct IndexedScalar {
  uint16_t index = 0;  // whose secret
  Scalar value;
};
using IndexedScalars = std::vector<IndexedScalar>;
Indices IndicesOf(const IndexedScalars& scalars);

// The public tag of a member's vector, with a signature of its own.
struct SumTag {
  kernels::TagValues values{};
  crypto::Signature signature;  // Sign(tag, TagFields)
  friend bool operator==(const SumTag&, const SumTag&) = default;
};
Bytes TagFields(const Digest& transcript_hash, const Digest& votes_hash,
                const kernels::TagValues& values);  // H(T) || V || t

// R4 up. Movable only: it holds shares.
struct Unmasking {
  Digest votes_hash{};          // V
  IndexedScalars b_shares;      // of U3, held shares only
  IndexedScalars a_shares;      // of U2 \ U3, held shares only
  crypto::Signature signature;  // Sign(r4-unmask, UnmaskingFields)
  SumTag tag;
};
Bytes UnmaskingFields(const Unmasking& unmasking);
Bytes Encode(const Unmasking& unmasking);
// InvalidArgument: too short, too long, out of order, above its limit, a member in both lists, a
// scalar that is not below l, or a tag that is not below 2^61 - 1.
absl::StatusOr<Unmasking> DecodeUnmasking(ByteView body);

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_R4_MESSAGES_H_

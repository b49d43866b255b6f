// What a site writes before it sends (docs/secure_aggregation.md, section 10), as bytes. No secret
// is in it but the stored answer, which the caller erases when the round ends.
#ifndef HILUM_PRIVACY_SECAGG_JOURNAL_H_
#define HILUM_PRIVACY_SECAGG_JOURNAL_H_

#include <array>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "crypto/sign.h"
#include "privacy/secagg/context.h"

namespace hilum::privacy::secagg {

// Before the KeyAdvertisement: rid (25).
Bytes EncodeRidRecord(const crypto::Rid& rid);
absl::StatusOr<crypto::Rid> DecodeRidRecord(ByteView record);
// A site starts every rid once, in ascending order, whatever was lost: a restored disk or a crash
// after the record cannot sign again.
// FailedPrecondition: `rid` is not above `last`, or is of another federation.
absl::Status CheckFreshRid(const crypto::Rid& rid, const std::optional<crypto::Rid>& last);

// Before the first chunk of y_i, beside the words themselves: rid (25), H(U2), R_i.
struct InputRecord {
  crypto::Rid rid{};
  Digest u2_hash{};
  Digest root{};
  friend bool operator==(const InputRecord&, const InputRecord&) = default;
};
Bytes Encode(const InputRecord& record);
absl::StatusOr<InputRecord> DecodeInputRecord(ByteView record);

// Before the TranscriptVote: rid (25), H(T), nonce, H(model), n u16, U3 as ceil(n / 8) bytes
// (member i is bit i % 8 of byte i / 8).
struct VoteRecord {
  crypto::Rid rid{};
  Digest transcript_hash{};
  std::array<uint8_t, 32> nonce{};
  Digest model_hash{};
  uint16_t n = 0;  // members of the roster
  Indices u3;
  friend bool operator==(const VoteRecord&, const VoteRecord&) = default;
};
Bytes Encode(const VoteRecord& record);
absl::StatusOr<VoteRecord> DecodeVoteRecord(ByteView record);

// Before the Unmask: rid (25), H(T), then the whole message, to be sent again as it is.
struct AnswerRecord {
  crypto::Rid rid{};
  Digest transcript_hash{};
  Bytes message;
  friend bool operator==(const AnswerRecord&, const AnswerRecord&) = default;
};
Bytes Encode(const AnswerRecord& record);
absl::StatusOr<AnswerRecord> DecodeAnswerRecord(ByteView record);

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_JOURNAL_H_

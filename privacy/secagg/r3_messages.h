// Flight R3: the signed transcript and the votes on it (docs/secure_aggregation.md, section 5).
#ifndef HILUM_PRIVACY_SECAGG_R3_MESSAGES_H_
#define HILUM_PRIVACY_SECAGG_R3_MESSAGES_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "privacy/secagg/context.h"
#include "privacy/transcript.h"

namespace hilum::privacy::secagg {

// R3 down: the fields of T, then Sign(transcript, H(T)).
struct SignedTranscript {
  Transcript transcript;
  crypto::Signature server_signature;
  friend bool operator==(const SignedTranscript&, const SignedTranscript&) = default;
};
Bytes Encode(const SignedTranscript& transcript);
// InvalidArgument: as DecodeTranscript.
absl::StatusOr<SignedTranscript> DecodeSignedTranscript(ByteView body);
Digest HashOf(const Context& context, const Transcript& transcript);  // H(T)
Indices MembersOf(const Transcript& transcript);                      // U3

// R3 up.
struct TranscriptVote {
  Digest transcript_hash{};  // H(T)
  std::array<uint8_t, 32> nonce{};
  crypto::Signature signature;  // Sign(r3-vote, VoteFields)
  friend bool operator==(const TranscriptVote&, const TranscriptVote&) = default;
};
Bytes VoteFields(const Digest& transcript_hash, const std::array<uint8_t, 32>& nonce);
Bytes Encode(const TranscriptVote& vote);  // 128 bytes
// InvalidArgument: another length.
absl::StatusOr<TranscriptVote> DecodeTranscriptVote(ByteView body);

// R4 down, as it is made of R3's answers.
struct VoteEntry {
  uint16_t index = 0;
  std::array<uint8_t, 32> nonce{};
  crypto::Signature signature;
  friend bool operator==(const VoteEntry&, const VoteEntry&) = default;
};
using VoteList = std::vector<VoteEntry>;
Digest HashVotes(const Digest& transcript_hash, const VoteList& votes);  // V
Bytes Encode(const VoteList& votes);
// InvalidArgument: too short, too long, out of order or above the largest roster.
absl::StatusOr<VoteList> DecodeVoteList(ByteView body);

// DataLoss: fewer than Q members, or a vote that is not its member's on this transcript. What a
// site does before it opens a share, and what an auditor repeats.
absl::Status CheckVotes(const Context& context, const Digest& transcript_hash,
                        const VoteList& votes);

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_R3_MESSAGES_H_

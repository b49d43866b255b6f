#include "privacy/secagg/r3_messages.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "crypto/labels.h"

namespace hilum::privacy::secagg {
namespace {

constexpr ListName kVotes{.what = "the vote list"};
constexpr size_t kSignatureBytes = 64;

}  // namespace

Bytes Encode(const SignedTranscript& transcript) {
  Bytes out = EncodeTranscript(transcript.transcript);
  AppendBytes(out, transcript.server_signature.bytes);
  return out;
}

absl::StatusOr<SignedTranscript> DecodeSignedTranscript(ByteView body) {
  if (body.size() < kSignatureBytes) {
    return absl::InvalidArgumentError("the signed transcript ends too early");
  }
  SignedTranscript result;
  HILUM_ASSIGN_OR_RETURN(result.transcript,
                         DecodeTranscript(body.first(body.size() - kSignatureBytes)));
  Reader in(body.last(kSignatureBytes));
  result.server_signature.bytes = in.Array<kSignatureBytes>();
  return result;
}

Digest HashOf(const Context& context, const Transcript& transcript) {
  return HashTranscript(transcript, context.rid(), context.cfg_hash());
}

Indices MembersOf(const Transcript& transcript) {
  Indices members;
  for (const TranscriptMember& member : transcript.members) members.push_back(member.index);
  return members;
}

Bytes VoteFields(const Digest& transcript_hash, const std::array<uint8_t, 32>& nonce) {
  Bytes out(transcript_hash.begin(), transcript_hash.end());
  AppendBytes(out, nonce);
  return out;
}

Bytes Encode(const TranscriptVote& vote) {
  Bytes out = VoteFields(vote.transcript_hash, vote.nonce);
  AppendBytes(out, vote.signature.bytes);
  return out;
}

absl::StatusOr<TranscriptVote> DecodeTranscriptVote(ByteView body) {
  Reader in(body);
  TranscriptVote vote;
  vote.transcript_hash = in.Array<32>();
  vote.nonce = in.Array<32>();
  vote.signature.bytes = in.Array<64>();
  HILUM_RETURN_IF_ERROR(in.Finish("the transcript vote"));
  return vote;
}

Bytes Encode(const VoteList& votes) {
  Bytes out;
  AppendU32(out, static_cast<uint32_t>(votes.size()));
  for (const VoteEntry& vote : votes) {
    AppendU16(out, vote.index);
    AppendBytes(out, vote.nonce);
    AppendBytes(out, vote.signature.bytes);
  }
  return out;
}

Digest HashVotes(const Digest& transcript_hash, const VoteList& votes) {
  Bytes message(transcript_hash.begin(), transcript_hash.end());
  AppendBytes(message, Encode(votes));
  return crypto::LabelledHash(crypto::kLabelVotes, message);
}

absl::StatusOr<VoteList> DecodeVoteList(ByteView body) {
  Reader in(body);
  VoteList votes;
  HILUM_RETURN_IF_ERROR(ReadList(in, kVotes, votes, [](Reader& reader) {
    VoteEntry vote;
    vote.index = reader.U16();
    vote.nonce = reader.Array<32>();
    vote.signature.bytes = reader.Array<64>();
    return vote;
  }));
  HILUM_RETURN_IF_ERROR(in.Finish(kVotes.what));
  return votes;
}

absl::Status CheckVotes(const Context& context, const Digest& transcript_hash,
                        const VoteList& votes) {
  if (votes.size() < context.config().quorum) {
    return absl::DataLossError(absl::StrCat("the transcript has ", votes.size(),
                                            " votes, the quorum is ", context.config().quorum));
  }
  for (const VoteEntry& vote : votes) {
    HILUM_RETURN_IF_ERROR(context.Verify(crypto::kLabelR3Vote, vote.index,
                                         VoteFields(transcript_hash, vote.nonce), vote.signature,
                                         "a vote on this transcript"));
  }
  return absl::OkStatus();
}

}  // namespace hilum::privacy::secagg

#include "privacy/secagg/server_r3.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/labels.h"

namespace hilum::privacy::secagg {

ServerConfirming::ServerConfirming(ServerSelf self, Facts facts,
                                   std::map<uint16_t, ShareCommitments> commitments,
                                   std::vector<uint64_t> sums, Transcript transcript)
    : self_(self),
      facts_(std::move(facts)),
      commitments_(std::move(commitments)),
      sums_(std::move(sums)),
      transcript_(std::move(transcript)),
      transcript_hash_(HashOf(*facts_.context, transcript_)) {}

absl::StatusOr<Receipt> ServerConfirming::Take(ByteView message) {
  HILUM_ASSIGN_OR_RETURN(const Opened opened, OpenFrame(*facts_.context, message));
  if (!Holds(MembersOf(transcript_), opened.sender)) {
    return absl::InvalidArgumentError(absl::StrCat("member ", opened.sender, " is not of U3"));
  }
  HILUM_ASSIGN_OR_RETURN(const Receipt receipt, inbox_.Look(opened.sender, message));
  if (!receipt.is_new) return receipt;
  HILUM_ASSIGN_OR_RETURN(const TranscriptVote vote, DecodeTranscriptVote(opened.body));
  if (vote.transcript_hash != transcript_hash_) {
    return absl::DataLossError(
        absl::StrCat("member ", opened.sender, " votes for another transcript"));
  }
  HILUM_RETURN_IF_ERROR(facts_.context->Verify(crypto::kLabelR3Vote, opened.sender,
                                               VoteFields(vote.transcript_hash, vote.nonce),
                                               vote.signature, "a vote"));
  inbox_.Put(opened.sender, message);
  votes_.emplace(opened.sender, vote);
  return receipt;
}

absl::StatusOr<Step<ServerUnmasking>> ServerConfirming::Close() && {
  const Context& context = *facts_.context;
  VoteList votes;
  for (const auto& [member, vote] : votes_) {
    votes.push_back({.index = member, .nonce = vote.nonce, .signature = vote.signature});
  }
  if (votes.size() < context.config().quorum) {
    return absl::UnavailableError(absl::StrCat("the transcript has ", votes.size(),
                                               " votes, the quorum is ", context.config().quorum));
  }
  Bytes message = Frame(context, crypto::kServerSender, Encode(votes));
  ServerUnmasking::Round round{.facts = std::move(facts_),
                               .commitments = std::move(commitments_),
                               .sums = std::move(sums_),
                               .transcript = std::move(transcript_),
                               .transcript_hash = transcript_hash_,
                               .votes_hash = HashVotes(transcript_hash_, votes),
                               .votes = std::move(votes)};
  return Step<ServerUnmasking>{.next = ServerUnmasking(std::move(round)),
                               .message = std::move(message)};
}

}  // namespace hilum::privacy::secagg

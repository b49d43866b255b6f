#include "privacy/secagg/site_r4.h"

#include <algorithm>

#include "base/status_macros.h"
#include "crypto/labels.h"
#include "privacy/secagg/journal.h"
#include "privacy/secagg/r4_messages.h"
#include "privacy/secagg/tags.h"

namespace hilum::privacy::secagg {
namespace {

// b-shares of U3, a-shares of U2 \ U3: never both, and of nobody else.
void TakeShares(std::map<uint16_t, HeldShare> held, const Facts& facts, const Indices& u3,
                Unmasking& unmasking) {
  for (auto& [owner, share] : held) {
    if (Holds(u3, owner)) {
      unmasking.b_shares.push_back({.index = owner, .value = std::move(share.b)});
    } else if (Holds(facts.u2, owner)) {
      unmasking.a_shares.push_back({.index = owner, .value = std::move(share.a)});
    }
  }
}

}  // namespace

absl::StatusOr<DurableStep<SiteAnswered>> SiteVoted::TakeVotes(ByteView message) && {
  Voted own = std::move(own_);
  Facts facts = std::move(facts_);
  const Context& context = *facts.context;
  HILUM_ASSIGN_OR_RETURN(const ByteView body, OpenServerFrame(context, message));
  HILUM_ASSIGN_OR_RETURN(const VoteList votes, DecodeVoteList(body));
  HILUM_RETURN_IF_ERROR(CheckVotes(context, own.transcript_hash, votes));
  const bool has_own = std::any_of(votes.begin(), votes.end(), [&own](const VoteEntry& vote) {
    return vote.index == own.index && vote.nonce == own.nonce;
  });
  if (!has_own) return absl::DataLossError("the vote list does not have this site's vote");

  Unmasking unmasking;
  unmasking.votes_hash = HashVotes(own.transcript_hash, votes);
  TakeShares(std::move(own.held), facts, MembersOf(own.transcript), unmasking);
  unmasking.signature =
      context.Sign(*own.signing_key, crypto::kLabelR4Unmask, own.index, UnmaskingFields(unmasking));
  HILUM_ASSIGN_OR_RETURN(
      unmasking.tag.values,
      kernels::EvaluateTags(own.vector->words(), ChallengeOf(context, unmasking.votes_hash),
                            kernels::Device::kCpu));
  unmasking.tag.signature =
      context.Sign(*own.signing_key, crypto::kLabelTag, own.index,
                   TagFields(own.transcript_hash, unmasking.votes_hash, unmasking.tag.values));
  Bytes out = Frame(context, own.index, Encode(unmasking));
  Bytes record = Encode(
      AnswerRecord{.rid = context.rid(), .transcript_hash = own.transcript_hash, .message = out});
  SiteAnswered next;
  next.facts_ = std::move(facts);
  next.transcript_ = std::move(own.transcript);
  next.transcript_hash_ = own.transcript_hash;
  next.vector_ = std::move(own.vector);
  return DurableStep<SiteAnswered>{.next = std::move(next),
                                   .out = Outgoing(std::move(record), std::move(out))};
}

}  // namespace hilum::privacy::secagg

#include "privacy/secagg/site_r3.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/labels.h"
#include "privacy/secagg/journal.h"
#include "privacy/secagg/r3_messages.h"

namespace hilum::privacy::secagg {
namespace {

absl::Status CheckOwnEntry(const Transcript& transcript, uint16_t index, const Digest& root) {
  const auto own = std::find_if(transcript.members.begin(), transcript.members.end(),
                                [index](const TranscriptMember& m) { return m.index == index; });
  if (own == transcript.members.end()) {
    return absl::FailedPreconditionError("this site is not in the transcript");
  }
  if (own->root != root) {
    return absl::DataLossError("the transcript has another root of this site's vector");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DurableStep<SiteVoted>> SiteMasked::TakeTranscript(
    ByteView message, std::span<const SumRow> earlier) && {
  Input own = std::move(own_);
  Facts facts = std::move(facts_);
  const Context& context = *facts.context;
  HILUM_ASSIGN_OR_RETURN(const ByteView body, OpenServerFrame(context, message));
  HILUM_ASSIGN_OR_RETURN(const SignedTranscript shown, DecodeSignedTranscript(body));
  const Digest hash = HashOf(context, shown.transcript);
  HILUM_RETURN_IF_ERROR(context.Verify(crypto::kLabelTranscript, crypto::kServerSender, hash,
                                       shown.server_signature, "the transcript"));
  HILUM_RETURN_IF_ERROR(CheckTranscript(facts, shown.transcript));
  HILUM_RETURN_IF_ERROR(CheckOwnEntry(shown.transcript, own.index, own.root));
  const Indices u3 = MembersOf(shown.transcript);
  const size_t n_holders = facts.graph->HoldersIn(own.index, u3);
  if (n_holders < facts.graph->threshold()) {
    return absl::DataLossError(absl::StrCat("the transcript has ", n_holders,
                                            " holders of this site, ", facts.graph->threshold(),
                                            " are needed"));
  }
  const RoundConfig& config = context.config();
  HILUM_RETURN_IF_ERROR(CheckCohort(earlier, RowOf(config, u3), config.u_min));

  TranscriptVote vote{.transcript_hash = hash, .nonce = own.nonce};
  vote.signature =
      context.Sign(*own.signing_key, crypto::kLabelR3Vote, own.index, VoteFields(hash, own.nonce));
  Bytes record = Encode(VoteRecord{.rid = context.rid(),
                                   .transcript_hash = hash,
                                   .nonce = own.nonce,
                                   .model_hash = config.model_hash,
                                   .n = context.n(),
                                   .u3 = u3});
  Outgoing out(std::move(record), Frame(context, own.index, Encode(vote)));
  SiteVoted next({.index = own.index,
                  .signing_key = own.signing_key,
                  .nonce = own.nonce,
                  .held = std::move(own.held),
                  .vector = std::move(own.vector),
                  .transcript = shown.transcript,
                  .transcript_hash = hash},
                 std::move(facts));
  return DurableStep<SiteVoted>{.next = std::move(next), .out = std::move(out)};
}

}  // namespace hilum::privacy::secagg

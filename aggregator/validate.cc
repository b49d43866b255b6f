#include "aggregator/validate.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/labels.h"
#include "privacy/transcript.h"

namespace hilum::aggregator {
namespace {

// "site hospital-b, round 3 of job cxr-1: " before every reason.
std::string Start(const SiteId& site, const RoundFacts& facts) {
  return absl::StrCat("site ", site.name, ", round ", facts.round.number, " of job ",
                      facts.job.name, ": ");
}

absl::Status CheckPlace(const UpdateClaim& claim, const SiteId& sender,
                        const UpdateContext& context) {
  const Collecting& round = context.round;
  const std::string start = Start(sender, round.facts);
  if (claim.job != round.facts.job || claim.round != round.facts.round ||
      claim.attempt != context.attempt) {
    return absl::FailedPreconditionError(absl::StrCat(
        start, "the update is for round ", claim.round.number, " of job ", claim.job.name,
        ", attempt ", claim.attempt, "; the open one is attempt ", context.attempt));
  }
  uint32_t own_index = 0;
  while (own_index < round.roster.size() && round.roster[own_index].site != sender) ++own_index;
  if (own_index == round.roster.size()) {
    return absl::PermissionDeniedError(absl::StrCat(start, "the site is not in the roster"));
  }
  if (claim.site_index != own_index) {
    return absl::PermissionDeniedError(absl::StrCat(
        start, "the update names site index ", claim.site_index, ", the sender's is ", own_index));
  }
  const auto dropped = round.dropped.find(static_cast<uint16_t>(own_index));
  if (dropped != round.dropped.end()) {
    return absl::FailedPreconditionError(
        absl::StrCat(start, "the site was dropped from this round: ", dropped->second));
  }
  if (round.masked && context.u2_hash == Digest{}) {
    return absl::FailedPreconditionError(
        absl::StrCat(start, "the vectors of a masked round come after its shares"));
  }
  return absl::OkStatus();
}

absl::Status CheckContent(const UpdateClaim& claim, const SiteId& sender,
                          const UpdateContext& context) {
  const std::string start = Start(sender, context.round.facts);
  if (claim.cfg_hash != context.round.cfg_hash) {
    return absl::InvalidArgumentError(absl::StrCat(start, "the update is for configuration ",
                                                   ToHex(claim.cfg_hash), ", the round's is ",
                                                   ToHex(context.round.cfg_hash)));
  }
  if (claim.n_words != context.config.n_coords()) {
    return absl::InvalidArgumentError(absl::StrCat(start, "the site sends ", claim.n_words,
                                                   " values, the round has ",
                                                   context.config.n_coords()));
  }
  if (claim.profile_digest != context.profile_digest) {
    return absl::InvalidArgumentError(absl::StrCat(start, "the images were prepared with profile ",
                                                   ToHex(claim.profile_digest), ", the plan's is ",
                                                   ToHex(context.profile_digest)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<UpdateTicket> CheckClaim(const UpdateClaim& claim, const SiteId& sender,
                                        const UpdateContext& context) {
  HILUM_RETURN_IF_ERROR(CheckPlace(claim, sender, context));
  HILUM_RETURN_IF_ERROR(CheckContent(claim, sender, context));
  UpdateTicket ticket;
  ticket.facts_ = context.round.facts;
  ticket.site_index_ = static_cast<uint16_t>(claim.site_index);
  ticket.member_ = context.round.roster[ticket.site_index_];
  ticket.n_coords_ = claim.n_words;
  ticket.rid_ = privacy::RidOf(context.config, context.attempt);
  ticket.cfg_hash_ = claim.cfg_hash;
  ticket.u2_hash_ = context.u2_hash;
  ticket.attempt_ = context.attempt;
  ticket.masked_ = context.round.masked;
  ticket.repeated_ = context.round.accepted.contains(ticket.site_index_);
  return ticket;
}

absl::Status AcceptedUpdate::CheckSignature(const UpdateSeal& seal, const UpdateTicket& ticket) {
  const Bytes message = privacy::UpdateMessage(
      {.u2_hash = ticket.u2_hash_, .root = seal.root, .n_coords = ticket.n_coords_});
  return crypto::VerifyLabelled(ticket.member_.entry_key,
                                {.label = crypto::kLabelR2Root,
                                 .rid = ticket.rid_,
                                 .sender = ticket.site_index_,
                                 .cfg_hash = ticket.cfg_hash_,
                                 .message = message},
                                seal.signature);
}

absl::StatusOr<AcceptedUpdate> Validate(const ReceivedUpdate& received, const UpdateSeal& seal,
                                        const UpdateTicket& ticket) {
  const std::string start = Start(ticket.site(), ticket.round());
  if (seal.root != received.root()) {
    return absl::DataLossError(absl::StrCat(start, "the bytes received have the root ",
                                            ToHex(received.root()), ", the update names ",
                                            ToHex(seal.root)));
  }
  if (!AcceptedUpdate::CheckSignature(seal, ticket).ok()) {
    return absl::DataLossError(absl::StrCat(
        start, "the update's signature is not of the key that the ledger has for the site"));
  }
  AcceptedUpdate accepted;
  accepted.site_index_ = ticket.site_index();
  accepted.root_ = seal.root;
  accepted.signature_ = seal.signature;
  accepted.statistics_ = received.statistics();
  return accepted;
}

}  // namespace hilum::aggregator

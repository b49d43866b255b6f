#include "privacy/secagg/server_r4.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/labels.h"

namespace hilum::privacy::secagg {
namespace {

// Those of `owners` whose shares `holder` has.
Indices HeldOf(const Graph& graph, const Indices& owners, uint16_t holder) {
  Indices held;
  for (const uint16_t owner : owners) {
    if (Holds(graph.HoldersOf(owner), holder)) held.push_back(owner);
  }
  return held;
}

absl::Status CheckShare(const std::vector<Point>& commitments, uint16_t sender,
                        const IndexedScalar& share) {
  if (commitments.empty() || VerifyShare(commitments, sender, share.value).ok()) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat("member ", sender, " opens a share of member ",
                                          share.index, " that does not fit its commitment"));
}

}  // namespace

ServerUnmasking::ServerUnmasking(Round round)
    : round_(std::move(round)), u3_(MembersOf(round_.transcript)) {
  std::set_difference(round_.facts.u2.begin(), round_.facts.u2.end(), u3_.begin(), u3_.end(),
                      std::back_inserter(dropped_));
}

absl::Status ServerUnmasking::CheckLists(uint16_t sender, const Unmasking& unmasking) const {
  const Graph& graph = *round_.facts.graph;
  if (IndicesOf(unmasking.b_shares) == HeldOf(graph, u3_, sender) &&
      IndicesOf(unmasking.a_shares) == HeldOf(graph, dropped_, sender)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "member ", sender, " does not open exactly the shares that the transcript asks of it"));
}

absl::Status ServerUnmasking::CheckShares(uint16_t sender, const Unmasking& unmasking) const {
  for (const IndexedScalar& share : unmasking.b_shares) {
    HILUM_RETURN_IF_ERROR(CheckShare(round_.commitments.at(share.index).b, sender, share));
  }
  for (const IndexedScalar& share : unmasking.a_shares) {
    HILUM_RETURN_IF_ERROR(CheckShare(round_.commitments.at(share.index).a, sender, share));
  }
  return absl::OkStatus();
}

absl::StatusOr<Receipt> ServerUnmasking::Take(ByteView message) {
  const Context& context = *round_.facts.context;
  HILUM_ASSIGN_OR_RETURN(const Opened opened, OpenFrame(context, message));
  const uint16_t sender = opened.sender;
  if (!Holds(u3_, sender)) {
    return absl::InvalidArgumentError(absl::StrCat("member ", sender, " is not of U3"));
  }
  HILUM_ASSIGN_OR_RETURN(const Receipt receipt, inbox_.Look(sender, message));
  if (!receipt.is_new) return receipt;
  HILUM_ASSIGN_OR_RETURN(Unmasking unmasking, DecodeUnmasking(opened.body));
  if (unmasking.votes_hash != round_.votes_hash) {
    return absl::DataLossError(absl::StrCat("member ", sender, " answers another vote list"));
  }
  HILUM_RETURN_IF_ERROR(context.Verify(crypto::kLabelR4Unmask, sender, UnmaskingFields(unmasking),
                                       unmasking.signature, "an unmasking"));
  HILUM_RETURN_IF_ERROR(
      context.Verify(crypto::kLabelTag, sender,
                     TagFields(round_.transcript_hash, round_.votes_hash, unmasking.tag.values),
                     unmasking.tag.signature, "a tag"));
  HILUM_RETURN_IF_ERROR(CheckLists(sender, unmasking));
  HILUM_RETURN_IF_ERROR(CheckShares(sender, unmasking));
  for (IndexedScalars* list : {&unmasking.b_shares, &unmasking.a_shares}) {
    for (IndexedScalar& share : *list) {
      shares_[share.index].push_back({.index = sender, .value = std::move(share.value)});
    }
  }
  tags_.push_back({.index = sender, .tag = unmasking.tag});
  inbox_.Put(sender, message);
  return receipt;
}

bool ServerUnmasking::enough() const {
  return std::all_of(round_.facts.u2.begin(), round_.facts.u2.end(), [this](uint16_t owner) {
    const auto found = shares_.find(owner);
    return found != shares_.end() && found->second.size() >= round_.facts.graph->threshold();
  });
}

absl::StatusOr<OpenedSecrets> ServerUnmasking::OpenSecrets() const {
  OpenedSecrets secrets;
  for (const uint16_t owner : round_.facts.u2) {
    const auto found = shares_.find(owner);
    const size_t n_shares = found == shares_.end() ? 0 : found->second.size();
    const uint16_t threshold = round_.facts.graph->threshold();
    if (n_shares < threshold) {
      return absl::UnavailableError(absl::StrCat("the secret of member ", owner, " has ", n_shares,
                                                 " shares, ", threshold, " open it"));
    }
    HILUM_ASSIGN_OR_RETURN(Scalar secret, Reconstruct(found->second, threshold));
    (Holds(u3_, owner) ? secrets.b : secrets.a)
        .push_back({.index = owner, .value = std::move(secret)});
  }
  return secrets;
}

absl::StatusOr<OpenedRound> ServerUnmasking::Close(kernels::Device device) && {
  const RoundConfig& config = round_.facts.context->config();
  RoundOpening opening;
  HILUM_ASSIGN_OR_RETURN(opening.secrets, OpenSecrets());
  HILUM_ASSIGN_OR_RETURN(const SignedKeys keys, KeysToRemove(round_.facts, u3_, opening.secrets));
  HILUM_ASSIGN_OR_RETURN(const kernels::MaskKeys masks, keys.Schedule(config));
  const MaskedSum sum{.sums = round_.sums, .n_members = static_cast<uint32_t>(u3_.size())};
  HILUM_ASSIGN_OR_RETURN(RingTotal total, Unmask(sum, config, masks, device));
  const uint32_t count = total.words()[static_cast<size_t>(config.n_params) + 1];
  if (count != u3_.size()) {
    return absl::DataLossError(absl::StrCat("the count coordinate is ", count,
                                            ", the transcript has ", u3_.size(), " members"));
  }
  std::sort(tags_.begin(), tags_.end(),
            [](const MemberTag& a, const MemberTag& b) { return a.index < b.index; });
  Indices untagged;
  for (const uint16_t member : u3_) {
    if (!inbox_.Has(member)) untagged.push_back(member);
  }
  opening.tags = std::move(tags_);
  return OpenedRound{.facts = std::move(round_.facts),
                     .transcript = std::move(round_.transcript),
                     .votes = std::move(round_.votes),
                     .opening = std::move(opening),
                     .untagged = std::move(untagged),
                     .sums = std::move(round_.sums),
                     .total = std::move(total)};
}

}  // namespace hilum::privacy::secagg

#include "privacy/secagg/server_r1.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/labels.h"

namespace hilum::privacy::secagg {
namespace {

template <class... Parts>
absl::Status Invalid(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

Indices ReceiversOf(const std::vector<SealedShare>& shares) {
  Indices receivers;
  for (const SealedShare& share : shares) receivers.push_back(share.index);
  return receivers;
}

Indices Without(Indices indices, uint16_t index) {
  std::erase(indices, index);
  return indices;
}

absl::StatusOr<Opened> OpenOfU1(const Facts& facts, ByteView message) {
  HILUM_ASSIGN_OR_RETURN(const Opened opened, OpenFrame(*facts.context, message));
  if (Holds(facts.graph->members(), opened.sender)) return opened;
  return Invalid("member ", opened.sender, " is not of U1");
}

}  // namespace

absl::StatusOr<Receipt> ServerSharing::Take(ByteView message) {
  HILUM_ASSIGN_OR_RETURN(const Opened opened, OpenOfU1(facts_, message));
  HILUM_ASSIGN_OR_RETURN(const Receipt receipt, inbox_.Look(opened.sender, message));
  if (!receipt.is_new) return receipt;
  HILUM_ASSIGN_OR_RETURN(
      ShareBundle bundle,
      DecodeShareBundle(opened.body, PointsPerList(*facts_.context, *facts_.graph)));
  if (ReceiversOf(bundle.shares) !=
      Without(facts_.graph->HoldersOf(opened.sender), opened.sender)) {
    return Invalid("the shares of member ", opened.sender, " are not for its holders");
  }
  HILUM_RETURN_IF_ERROR(
      facts_.context->Verify(crypto::kLabelR1Share, opened.sender,
                             BundleFields(bundle.commitments, DigestsOf(bundle.shares)),
                             bundle.signature, "a share bundle"));
  inbox_.Put(opened.sender, message);
  bundles_.emplace(opened.sender, std::move(bundle));
  return receipt;
}

absl::StatusOr<ServerSharing::Closed> ServerSharing::Close() && {
  const Context& context = *facts_.context;
  if (bundles_.size() < context.min_count()) {
    return absl::UnavailableError(absl::StrCat(
        bundles_.size(), " members sent shares, the round needs ", context.min_count()));
  }
  std::map<uint16_t, Bytes> messages;
  for (const auto& [receiver, own] : bundles_) {
    ShareDelivery delivery;
    for (const uint16_t sender : facts_.graph->NeighboursOf(receiver)) {
      const auto found = bundles_.find(sender);
      if (found == bundles_.end()) continue;
      const ShareBundle& bundle = found->second;
      delivery.shares.push_back({.index = sender,
                                 .commitments = bundle.commitments,
                                 .digests = DigestsOf(bundle.shares),
                                 .ciphertext = FindShare(bundle, receiver)->ciphertext,
                                 .signature = bundle.signature});
    }
    messages.emplace(receiver, Frame(context, crypto::kServerSender, Encode(delivery)));
  }
  return Closed{.next = ServerAcknowledging(self_, std::move(facts_), std::move(bundles_)),
                .messages = std::move(messages)};
}

// Every share that was delivered to `sender` is accepted or complained about, once.
absl::Status ServerAcknowledging::CheckAnswersAll(uint16_t sender, const ShareAck& ack) const {
  Indices delivered;
  for (const uint16_t neighbour : facts_.graph->NeighboursOf(sender)) {
    if (bundles_.count(neighbour) != 0) delivered.push_back(neighbour);
  }
  Indices answered = ack.accepted;
  for (const Complaint& complaint : ack.complaints) answered.push_back(complaint.index);
  std::sort(answered.begin(), answered.end());
  if (answered == delivered) return absl::OkStatus();
  return Invalid("member ", sender, " does not answer for each of its ", delivered.size(),
                 " shares once");
}

absl::Status ServerAcknowledging::CheckComplaint(uint16_t accuser,
                                                 const Complaint& complaint) const {
  if (complaint.kind != ComplaintKind::kBadShare) return absl::OkStatus();
  return JudgeBadShare(facts_, accuser, complaint, bundles_.at(complaint.index));
}

absl::StatusOr<Receipt> ServerAcknowledging::Take(ByteView message) {
  HILUM_ASSIGN_OR_RETURN(const Opened opened, OpenOfU1(facts_, message));
  HILUM_ASSIGN_OR_RETURN(const Receipt receipt, inbox_.Look(opened.sender, message));
  if (!receipt.is_new) return receipt;
  if (bundles_.count(opened.sender) == 0) {
    return Invalid("member ", opened.sender, " sent no shares, and acknowledges some");
  }
  HILUM_ASSIGN_OR_RETURN(ShareAck ack, DecodeShareAck(opened.body));
  HILUM_RETURN_IF_ERROR(facts_.context->Verify(crypto::kLabelR1Ack, opened.sender, AckFields(ack),
                                               ack.signature, "a share acknowledgement"));
  HILUM_RETURN_IF_ERROR(CheckAnswersAll(opened.sender, ack));
  for (const Complaint& complaint : ack.complaints) {
    HILUM_RETURN_IF_ERROR(CheckComplaint(opened.sender, complaint));
  }
  inbox_.Put(opened.sender, message);
  acks_.emplace(opened.sender, std::move(ack));
  return receipt;
}

Indices ServerAcknowledging::MembersOfU2() const {
  std::set<uint16_t> out;
  for (const auto& [accuser, ack] : acks_) {
    for (const Complaint& complaint : ack.complaints) {
      out.insert(complaint.index);
      if (complaint.kind == ComplaintKind::kDoesNotOpen) out.insert(accuser);
    }
  }
  Indices members;
  for (const auto& [member, ack] : acks_) {
    if (out.count(member) == 0) members.push_back(member);
  }
  for (;;) {  // who leaves may take a holder from others
    Indices kept;
    std::copy_if(members.begin(), members.end(), std::back_inserter(kept), [&](uint16_t member) {
      return facts_.graph->HoldersIn(member, members) >= facts_.graph->threshold();
    });
    if (kept.size() == members.size()) return members;
    members = std::move(kept);
  }
}

std::vector<UpheldComplaint> ServerAcknowledging::UpheldComplaints() const {
  std::map<uint16_t, UpheldComplaint> first;  // by accused
  for (const auto& [accuser, ack] : acks_) {
    for (const Complaint& complaint : ack.complaints) {
      if (complaint.kind != ComplaintKind::kBadShare || first.count(complaint.index) != 0) continue;
      first.emplace(complaint.index, UpheldComplaint{.accused = complaint.index,
                                                     .accuser = accuser,
                                                     .bundle = bundles_.at(complaint.index),
                                                     .ack = ack});
    }
  }
  std::vector<UpheldComplaint> upheld;
  for (auto& [accused, complaint] : first) upheld.push_back(std::move(complaint));
  return upheld;
}

absl::StatusOr<ServerAcknowledging::Closed> ServerAcknowledging::Close() && {
  const Context& context = *facts_.context;
  U2 u2{.members = MembersOfU2(), .server_signature = {}};
  if (u2.members.size() < context.min_count()) {
    return absl::UnavailableError(absl::StrCat("U2 would have ", u2.members.size(),
                                               " members, the round needs ", context.min_count()));
  }
  std::vector<UpheldComplaint> evidence = UpheldComplaints();
  facts_.u2 = u2.members;
  facts_.u2_hash = HashU2(facts_.u1_hash, u2.members);
  u2.server_signature = self_.Sign(context, crypto::kLabelU2, facts_.u2_hash);
  std::map<uint16_t, ShareCommitments> commitments;
  for (const uint16_t member : u2.members) {
    commitments.emplace(member, std::move(bundles_.at(member).commitments));
  }
  Bytes message = Frame(context, crypto::kServerSender, Encode(u2));
  return Closed{.next = ServerCollecting(self_, std::move(facts_), std::move(commitments)),
                .message = std::move(message),
                .evidence = std::move(evidence)};
}

}  // namespace hilum::privacy::secagg

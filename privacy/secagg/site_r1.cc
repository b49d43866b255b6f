#include "privacy/secagg/site_r1.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "crypto/labels.h"

namespace hilum::privacy::secagg {
namespace {

struct ChannelKeys {
  SecretKey outgoing;  // K_(i->j)
  SecretKey incoming;  // K_(j->i)
};

absl::StatusOr<ChannelKeys> AgreeWith(const SiteSelf& self, const Facts& facts, uint16_t peer) {
  auto shared = crypto::Agree(self.channel_private, facts.keys.at(peer).channel_key);
  if (!shared.ok()) {
    return absl::DataLossError(absl::StrCat("member ", peer, ": ", shared.status().message()));
  }
  static const SecretKey kNone;
  const auto psk = self.psks.find(peer);
  const auto key = [&](uint16_t sender, uint16_t receiver) {
    return ChannelKey(*self.context, {.shared = *shared,
                                      .psk = psk == self.psks.end() ? kNone : psk->second,
                                      .sender = sender,
                                      .receiver = receiver,
                                      .u1_hash = facts.u1_hash});
  };
  return ChannelKeys{.outgoing = key(self.index, peer), .incoming = key(peer, self.index)};
}

Indices Without(Indices indices, uint16_t index) {
  std::erase(indices, index);
  return indices;
}

// What the server passes on is what `share.index` signed, for exactly its holders.
absl::Status CheckPassedOn(const Facts& facts, uint16_t receiver, const DeliveredShare& share) {
  if (!Holds(facts.graph->NeighboursOf(receiver), share.index)) {
    return absl::DataLossError(
        absl::StrCat("a share of member ", share.index, " was delivered, which is no neighbour"));
  }
  HILUM_RETURN_IF_ERROR(facts.context->Verify(crypto::kLabelR1Share, share.index,
                                              BundleFields(share.commitments, share.digests),
                                              share.signature, "a share bundle"));
  Indices receivers;
  for (const ShareDigest& digest : share.digests) receivers.push_back(digest.index);
  if (receivers != Without(facts.graph->HoldersOf(share.index), share.index)) {
    return absl::DataLossError(
        absl::StrCat("the shares of member ", share.index, " are not for its holders"));
  }
  const auto own = std::lower_bound(receivers.begin(), receivers.end(), receiver);
  const Digest& signed_digest = share.digests[static_cast<size_t>(own - receivers.begin())].digest;
  if (crypto::Sha256(ByteView(share.ciphertext)) != signed_digest) {
    return absl::DataLossError(
        absl::StrCat("the share of member ", share.index, " is not the one that it signed"));
  }
  return absl::OkStatus();
}

Complaint ComplainAbout(uint16_t sender, const absl::Status& fault, const SecretKey& key) {
  if (fault.code() == absl::StatusCode::kDataLoss) {
    return {.index = sender, .kind = ComplaintKind::kDoesNotOpen};
  }
  Complaint complaint{.index = sender, .kind = ComplaintKind::kBadShare};
  std::copy(key.bytes().begin(), key.bytes().end(), complaint.channel_key.begin());
  return complaint;
}

}  // namespace

absl::StatusOr<Step<SiteShared>> SiteShared::Deal(SiteSelf self, Facts facts) {
  const Graph& graph = *facts.graph;
  HILUM_ASSIGN_OR_RETURN(const Polynomial a,
                         Polynomial::Create(self.a, graph.threshold(), self.share_stream));
  HILUM_ASSIGN_OR_RETURN(const Polynomial b,
                         Polynomial::Create(self.b, graph.threshold(), self.share_stream));
  ShareBundle bundle;
  if (PointsPerList(*self.context, graph) != 0) {
    bundle.commitments = {.a = a.Commitments(), .b = b.Commitments()};
  }
  std::map<uint16_t, HeldShare> held;
  std::map<uint16_t, SecretKey> incoming;
  for (const uint16_t holder : graph.HoldersOf(self.index)) {
    HeldShare share{.a = a.ShareOf(holder), .b = b.ShareOf(holder)};
    if (holder == self.index) {
      held.emplace(holder, std::move(share));
      continue;
    }
    HILUM_ASSIGN_OR_RETURN(ChannelKeys keys, AgreeWith(self, facts, holder));
    const ShareRoute route{.sender = self.index, .receiver = holder};
    bundle.shares.push_back(
        {.index = holder, .ciphertext = SealShare(facts, route, keys.outgoing, share)});
    incoming.emplace(holder, std::move(keys.incoming));
  }
  bundle.signature =
      self.Sign(crypto::kLabelR1Share, BundleFields(bundle.commitments, DigestsOf(bundle.shares)));
  Bytes message = Frame(*self.context, self.index, Encode(bundle));
  SiteKeep keep{.index = self.index,
                .signing_key = self.signing_key,
                .nonce = self.nonce,
                .b = std::move(self.b),
                .mask_private = std::move(self.mask_private),
                .held = std::move(held)};
  return Step<SiteShared>{
      .next = SiteShared(std::move(keep), std::move(facts), std::move(incoming)),
      .message = std::move(message)};
}

absl::StatusOr<Step<SiteAcknowledged>> SiteShared::TakeDelivery(ByteView message) && {
  SiteKeep keep = std::move(keep_);
  Facts facts = std::move(facts_);
  const std::map<uint16_t, SecretKey> incoming = std::move(incoming_);
  const Context& context = *facts.context;
  HILUM_ASSIGN_OR_RETURN(const ByteView body, OpenServerFrame(context, message));
  HILUM_ASSIGN_OR_RETURN(const ShareDelivery delivery,
                         DecodeShareDelivery(body, PointsPerList(context, *facts.graph)));
  ShareAck ack;
  for (const DeliveredShare& share : delivery.shares) {
    HILUM_RETURN_IF_ERROR(CheckPassedOn(facts, keep.index, share));
    const SecretKey& key = incoming.at(share.index);
    auto opened = OpenShare(facts, {.sender = share.index, .receiver = keep.index}, key,
                            share.ciphertext, share.commitments);
    if (opened.ok()) {
      ack.accepted.push_back(share.index);
      keep.held.emplace(share.index, *std::move(opened));
    } else {
      ack.complaints.push_back(ComplainAbout(share.index, opened.status(), key));
    }
  }
  ack.signature = context.Sign(*keep.signing_key, crypto::kLabelR1Ack, keep.index, AckFields(ack));
  Bytes out = Frame(context, keep.index, Encode(ack));
  return Step<SiteAcknowledged>{.next = SiteAcknowledged(std::move(keep), std::move(facts)),
                                .message = std::move(out)};
}

absl::StatusOr<SiteReady> SiteAcknowledged::TakeU2(ByteView message) && {
  SiteKeep keep = std::move(keep_);
  Facts facts = std::move(facts_);
  HILUM_ASSIGN_OR_RETURN(const ByteView body, OpenServerFrame(*facts.context, message));
  HILUM_ASSIGN_OR_RETURN(const U2 u2, DecodeU2(body));
  HILUM_RETURN_IF_ERROR(AcceptU2(u2.members, u2.server_signature, facts));
  if (!Holds(facts.u2, keep.index)) {
    return absl::FailedPreconditionError("this site was left out of U2");
  }
  const size_t n_holders = facts.graph->HoldersIn(keep.index, facts.u2);
  if (n_holders < facts.graph->threshold()) {
    return absl::DataLossError(absl::StrCat("U2 has ", n_holders, " holders of this site, ",
                                            facts.graph->threshold(), " are needed"));
  }
  for (const uint16_t neighbour : facts.NeighboursInU2(keep.index)) {
    if (keep.held.count(neighbour) == 0) {
      return absl::DataLossError(
          absl::StrCat("U2 has member ", neighbour, ", of which this site holds no share"));
    }
  }
  return SiteReady(std::move(keep), std::move(facts));
}

}  // namespace hilum::privacy::secagg

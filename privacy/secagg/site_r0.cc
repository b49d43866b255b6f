#include "privacy/secagg/site_r0.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/labels.h"
#include "privacy/secagg/journal.h"

namespace hilum::privacy::secagg {
namespace {

std::array<uint8_t, 32> Draw32(crypto::SeededStream stream) {
  std::array<uint8_t, 32> bytes;
  stream.Fill(std::span<uint8_t>(bytes));
  return bytes;
}

SiteSelf DrawSelf(SiteAdvertised::Options options) {
  const Context& context = *options.context;
  const SecretKey& fixed = options.site_secret;
  const SiteEntropy& entropy = options.entropy;
  const auto stream = [&](const crypto::Secret<64>& fresh, Purpose purpose) {
    return LocalStream(context, fixed, fresh, purpose);
  };
  crypto::SeededStream a = stream(entropy.a, Purpose::kA), b = stream(entropy.b, Purpose::kB);
  SiteSelf self{.context = options.context,
                .index = options.index,
                .signing_key = options.signing_key,
                .a = Scalar::Random(a),
                .b = Scalar::Random(b),
                .share_stream = stream(entropy.share, Purpose::kShare),
                .nonce = Draw32(stream(entropy.nonce, Purpose::kNonce)),
                .psks = std::move(options.psks)};
  self.mask_private = MaskPrivateKey(context, options.index, self.a);
  stream(entropy.c, Purpose::kC).Fill(self.channel_private.mutable_bytes());
  return self;
}

}  // namespace

absl::StatusOr<DurableStep<SiteAdvertised>> SiteAdvertised::Start(Options options) {
  const Context& context = *options.context;
  HILUM_RETURN_IF_ERROR(CheckPolicy(context.config(), options.floors));
  HILUM_RETURN_IF_ERROR(CheckFreshRid(context.rid(), options.last_rid));
  if (options.index >= context.n() ||
      options.signing_key->public_key() != context.config().roster[options.index].key) {
    return absl::InvalidArgumentError(
        absl::StrCat("this site's key is not that of member ", options.index));
  }
  const std::array<uint8_t, 32> r =
      Draw32(LocalStream(context, options.site_secret, options.entropy.r, Purpose::kR));
  SiteSelf self = DrawSelf(std::move(options));
  KeyAdvertisement own{.mask_key = crypto::AgreementKeyOf(self.mask_private),
                       .channel_key = crypto::AgreementKeyOf(self.channel_private),
                       .graph_commit = GraphCommitment(r),
                       .b_commit = SelfCommitment(*self.context, self.index, self.b)};
  own.signature = self.Sign(crypto::kLabelR0Key, AdvertisementFields(own));
  Outgoing out(EncodeRidRecord(self.context->rid()), Frame(*self.context, self.index, Encode(own)));
  return DurableStep<SiteAdvertised>{.next = SiteAdvertised(std::move(self), own, r),
                                     .out = std::move(out)};
}

absl::StatusOr<Step<SiteRevealed>> SiteAdvertised::TakeKeyList(ByteView message) && {
  SiteSelf self = std::move(self_);  // wiped on every way out but the last
  HILUM_ASSIGN_OR_RETURN(const ByteView body, OpenServerFrame(*self.context, message));
  HILUM_ASSIGN_OR_RETURN(const KeyList list, DecodeKeyList(body));
  HILUM_ASSIGN_OR_RETURN(Facts facts, AcceptKeyList(self.context, list));
  const auto own = facts.keys.find(self.index);
  if (own == facts.keys.end() || own->second != own_) {
    return absl::DataLossError("the key list does not have this site's keys as it sent them");
  }
  GraphReveal reveal{.list_hash = facts.list_hash, .r = r_};
  reveal.signature = self.Sign(crypto::kLabelR0Reveal, RevealFields(reveal.list_hash, reveal.r));
  Bytes out = Frame(*self.context, self.index, Encode(reveal));
  return Step<SiteRevealed>{.next = SiteRevealed(std::move(self), std::move(facts), r_),
                            .message = std::move(out)};
}

absl::StatusOr<Step<SiteShared>> SiteRevealed::TakeU1(ByteView message) && {
  SiteSelf self = std::move(self_);
  HILUM_ASSIGN_OR_RETURN(const ByteView body, OpenServerFrame(*self.context, message));
  HILUM_ASSIGN_OR_RETURN(const U1 u1, DecodeU1(body));
  HILUM_RETURN_IF_ERROR(AcceptU1(u1, facts_));
  // AcceptU1 took only the members of the key list, so this site is among them.
  const auto own =
      std::lower_bound(u1.entries.begin(), u1.entries.end(), self.index,
                       [](const U1Entry& entry, uint16_t index) { return entry.index < index; });
  if (own->r != r_) return absl::DataLossError("U1 has another reveal of this site");
  return SiteShared::Deal(std::move(self), std::move(facts_));
}

}  // namespace hilum::privacy::secagg

#include "privacy/secagg/keys.h"

#include <algorithm>

#include "base/status_macros.h"
#include "crypto/hash.h"
#include "crypto/labels.h"

namespace hilum::privacy::secagg {
namespace {

// label (with its length) || rid and what follows: the info of HKDF.
Bytes Info(absl::string_view label) {
  Bytes info;
  AppendU8(info, static_cast<uint8_t>(label.size()));
  AppendText(info, label);
  return info;
}

void AppendMaskBinding(Bytes& info, const Context& context, const Digest& u2_hash) {
  AppendBytes(info, context.config().model_hash);
  AppendBytes(info, context.cfg_hash());
  AppendBytes(info, u2_hash);
}

absl::string_view NameOf(Purpose purpose) {
  switch (purpose) {
    case Purpose::kA:
      return "a";
    case Purpose::kB:
      return "b";
    case Purpose::kShare:
      return "share";
    case Purpose::kC:
      return "c";
    case Purpose::kR:
      return "r";
    case Purpose::kNonce:
      break;
  }
  return "nonce";
}

}  // namespace

SecretKey MaskPrivateKey(const Context& context, uint16_t index, const crypto::Scalar& a) {
  Bytes info = Info(crypto::kLabelMaskSk);
  AppendBytes(info, context.rid());
  AppendU16(info, index);
  return crypto::DeriveKey(a.bytes(), info);
}

SecretKey ChannelKey(const Context& context, const ChannelKeyInput& input) {
  crypto::Secret<64> material;
  std::copy_n(input.shared.data(), 32, material.data());
  std::copy_n(input.psk.data(), 32, material.data() + 32);
  Bytes info = Info(crypto::kLabelChannel);
  AppendBytes(info, context.rid());
  AppendU16(info, input.sender);
  AppendU16(info, input.receiver);
  AppendBytes(info, context.cfg_hash());
  AppendBytes(info, input.u1_hash);
  return crypto::DeriveKey(material.bytes(), info);
}

absl::StatusOr<SecretKey> PairMaskKey(const Context& context, const PairKeyInput& input) {
  HILUM_ASSIGN_OR_RETURN(const SecretKey shared, crypto::Agree(input.mask_private, input.peer));
  Bytes info = Info(crypto::kLabelPairMask);
  AppendU8(info, static_cast<uint8_t>(context.config().suite));
  AppendBytes(info, context.rid());
  AppendU16(info, std::min(input.i, input.j));
  AppendU16(info, std::max(input.i, input.j));
  AppendMaskBinding(info, context, input.u2_hash);
  return crypto::DeriveKey(shared.bytes(), info);
}

SecretKey SelfMaskKey(const Context& context, uint16_t index, const crypto::Scalar& b,
                      const Digest& u2_hash) {
  Bytes info = Info(crypto::kLabelSelfMask);
  AppendU8(info, static_cast<uint8_t>(context.config().suite));
  AppendBytes(info, context.rid());
  AppendU16(info, index);
  AppendMaskBinding(info, context, u2_hash);
  return crypto::DeriveKey(b.bytes(), info);
}

Digest GraphCommitment(const std::array<uint8_t, 32>& r) {
  return crypto::LabelledHash(crypto::kLabelGraphCommit, r);
}

Digest SelfCommitment(const Context& context, uint16_t index, const crypto::Scalar& b) {
  crypto::Sha256Stream stream = crypto::LabelledStream(crypto::kLabelBCommit);
  Bytes head(context.rid().begin(), context.rid().end());
  AppendU16(head, index);
  stream.Update(ByteView(head));
  stream.Update(ByteView(b.bytes()));
  return stream.Finish();
}

SiteEntropy SiteEntropy::Draw() {
  SiteEntropy entropy;
  for (crypto::Secret<64>* fresh :
       {&entropy.a, &entropy.b, &entropy.share, &entropy.c, &entropy.r, &entropy.nonce}) {
    crypto::RandomBytes(fresh->mutable_bytes());
  }
  return entropy;
}

crypto::SeededStream LocalStream(const Context& context, const SecretKey& site_secret,
                                 const crypto::Secret<64>& fresh, Purpose purpose) {
  crypto::Secret<96> material;
  std::copy_n(fresh.data(), 64, material.data());
  std::copy_n(site_secret.data(), 32, material.data() + 64);
  Bytes info = Info(crypto::kLabelRng);
  AppendBytes(info, context.rid());
  AppendText(info, NameOf(purpose));
  const SecretKey key = crypto::DeriveKey(material.bytes(), info);
  std::array<uint8_t, 32> plain;
  std::copy(key.bytes().begin(), key.bytes().end(), plain.begin());
  crypto::SeededStream stream(plain);
  crypto::Wipe(plain);
  return stream;
}

}  // namespace hilum::privacy::secagg

#include "privacy/secagg/sealed_share.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/aead.h"

namespace hilum::privacy::secagg {
namespace {

Bytes AssociatedData(const Facts& facts, const ShareRoute& route) {
  Bytes data(facts.context->rid().begin(), facts.context->rid().end());
  AppendU16(data, route.sender);
  AppendU16(data, route.receiver);
  AppendBytes(data, facts.context->cfg_hash());
  AppendBytes(data, facts.u1_hash);
  return data;
}

absl::Status BadShare(const ShareRoute& route, absl::string_view fault) {
  return absl::InvalidArgumentError(absl::StrCat("the share of member ", route.sender,
                                                 " for member ", route.receiver, " ", fault));
}

}  // namespace

ShareCiphertext SealShare(const Facts& facts, const ShareRoute& route, const SecretKey& key,
                          const HeldShare& share) {
  crypto::Secret<kSharePlainBytes> plain;
  uint8_t* out = plain.data();
  for (const uint16_t index : {route.sender, route.receiver}) {
    *out++ = static_cast<uint8_t>(index >> 8);
    *out++ = static_cast<uint8_t>(index);
  }
  out = std::copy_n(share.a.bytes().data(), 32, out);
  std::copy_n(share.b.bytes().data(), 32, out);
  const Bytes associated = AssociatedData(facts, route);
  const Bytes sealed =
      crypto::AeadSeal({.key = key, .nonce = {}, .associated = associated}, plain.bytes());
  ShareCiphertext ciphertext;
  std::copy(sealed.begin(), sealed.end(), ciphertext.begin());
  return ciphertext;
}

absl::Status CheckHeldShare(const ShareCommitments& commitments, uint16_t receiver,
                            const HeldShare& share) {
  if (commitments.a.empty() && commitments.b.empty()) return absl::OkStatus();
  HILUM_RETURN_IF_ERROR(VerifyShare(commitments.a, receiver, share.a));
  return VerifyShare(commitments.b, receiver, share.b);
}

absl::StatusOr<HeldShare> OpenShare(const Facts& facts, const ShareRoute& route,
                                    const SecretKey& key, const ShareCiphertext& ciphertext,
                                    const ShareCommitments& commitments) {
  crypto::Secret<kSharePlainBytes> plain;
  const Bytes associated = AssociatedData(facts, route);
  HILUM_RETURN_IF_ERROR(crypto::AeadOpen({.key = key, .nonce = {}, .associated = associated},
                                         ciphertext, plain.mutable_bytes()));
  Reader in{ByteView(plain.bytes())};
  const uint16_t sender = in.U16(), receiver = in.U16();
  if (sender != route.sender || receiver != route.receiver) {
    return BadShare(route, "names other members inside");
  }
  auto a = Scalar::FromBytes(plain.bytes().subspan<4, 32>());
  auto b = Scalar::FromBytes(plain.bytes().subspan<36, 32>());
  if (!a.ok() || !b.ok()) return BadShare(route, "is not below the order of the group");
  HeldShare share{.a = *std::move(a), .b = *std::move(b)};
  if (!CheckHeldShare(commitments, receiver, share).ok()) {
    return BadShare(route, "does not fit its commitment");
  }
  return share;
}

}  // namespace hilum::privacy::secagg

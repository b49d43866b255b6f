#include "crypto/key_agreement.h"

#include <sodium.h>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace hilum::crypto {

AgreementKey AgreementKeyOf(const SecretKey& private_key) {
  AgreementKey key;
  HILUM_CHECK(crypto_scalarmult_curve25519_base(key.bytes.data(), private_key.data()) == 0);
  return key;
}

absl::StatusOr<SecretKey> Agree(const SecretKey& private_key, const AgreementKey& peer) {
  SecretKey shared;
  if (crypto_scalarmult_curve25519(shared.data(), private_key.data(), peer.bytes.data()) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("the X25519 key ", ToHex(peer.bytes), " is a point of small order"));
  }
  return shared;
}

}  // namespace hilum::crypto

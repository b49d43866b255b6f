// X25519 (RFC 7748): two parties agree on a secret.
#ifndef HILUM_CRYPTO_KEY_AGREEMENT_H_
#define HILUM_CRYPTO_KEY_AGREEMENT_H_

#include <array>
#include <compare>
#include <cstdint>

#include "absl/status/statusor.h"
#include "crypto/secret.h"

namespace hilum::crypto {

struct AgreementKey {  // public: a u-coordinate
  std::array<uint8_t, 32> bytes{};
  friend auto operator<=>(const AgreementKey&, const AgreementKey&) = default;
};

// X25519(private_key, 9). Any 32 bytes are a private key; they are clamped as the RFC says.
AgreementKey AgreementKeyOf(const SecretKey& private_key);

// X25519(private_key, peer). InvalidArgument: the output is zero, so `peer` is a point of small
// order and anybody knows the secret (RFC 7748, section 6.1). Constant time.
absl::StatusOr<SecretKey> Agree(const SecretKey& private_key, const AgreementKey& peer);

}  // namespace hilum::crypto

#endif  // HILUM_CRYPTO_KEY_AGREEMENT_H_

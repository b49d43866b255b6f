// HMAC-SHA-256 (RFC 2104) and HKDF-SHA-256 (RFC 5869).
#ifndef HILUM_CRYPTO_MAC_H_
#define HILUM_CRYPTO_MAC_H_

#include <cstddef>

#include "base/bytes.h"

namespace hilum::crypto {

Digest HmacSha256(ByteView key, ByteView message);

struct HkdfInput {
  ByteView key_material;
  ByteView salt;  // empty: 32 zero bytes, as the RFC says
  ByteView info;
};
// `size_bytes` is 1 to 8,160 (255 digests).
Bytes HkdfSha256(const HkdfInput& input, size_t size_bytes);

// Compares in a time that depends on the lengths only: for secrets and codes.
bool ConstantTimeEqual(ByteView a, ByteView b);

}  // namespace hilum::crypto

#endif  // HILUM_CRYPTO_MAC_H_

#include "crypto/secret.h"

#include <sodium.h>

namespace hilum::crypto {

void Wipe(std::span<uint8_t> bytes) {
  if (!bytes.empty()) sodium_memzero(bytes.data(), bytes.size());
}

SecretKey DeriveKey(ByteView key_material, ByteView info) {
  Bytes bytes = HkdfSha256({.key_material = key_material, .salt = {}, .info = info}, 32);
  SecretKey key = SecretKey::CopyOf(std::span<const uint8_t, 32>(bytes));
  Wipe(bytes);
  return key;
}

}  // namespace hilum::crypto

#include "crypto/mac.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

#include "base/check.h"

namespace hilum::crypto {

Digest HmacSha256(ByteView key, ByteView message) {
  static constexpr uint8_t kNoKey = 0;  // OpenSSL takes a null key for "as before"
  Digest digest;
  unsigned int size = 0;
  HILUM_CHECK(HMAC(EVP_sha256(), key.empty() ? &kNoKey : key.data(), static_cast<int>(key.size()),
                   message.data(), message.size(), digest.data(), &size) != nullptr);
  return digest;
}

Bytes HkdfSha256(const HkdfInput& input, size_t size_bytes) {
  HILUM_CHECK(size_bytes >= 1 && size_bytes <= 255 * 32);
  Digest extracted = HmacSha256(input.salt, input.key_material);
  Bytes out;
  Bytes block;
  out.reserve(size_bytes);  // a vector that grows would leave key bytes behind
  block.reserve(extracted.size() + input.info.size() + 1);
  Digest next;
  for (uint8_t counter = 1; out.size() < size_bytes; ++counter) {
    AppendBytes(block, input.info);
    AppendU8(block, counter);
    next = HmacSha256(extracted, block);
    block.assign(next.begin(), next.end());
    AppendBytes(out, ByteView(next).first(std::min(next.size(), size_bytes - out.size())));
  }
  OPENSSL_cleanse(extracted.data(), extracted.size());
  OPENSSL_cleanse(block.data(), block.size());
  OPENSSL_cleanse(next.data(), next.size());
  return out;
}

bool ConstantTimeEqual(ByteView a, ByteView b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace hilum::crypto

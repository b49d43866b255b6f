// ChaCha20-Poly1305 (RFC 8439, section 2.8): authenticated encryption.
#ifndef HILUM_CRYPTO_AEAD_H_
#define HILUM_CRYPTO_AEAD_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "crypto/secret.h"

namespace hilum::crypto {

inline constexpr size_t kAeadTagBytes = 16;

// A key may seal one message for each nonce, never two.
struct AeadInput {
  const SecretKey& key;
  std::array<uint8_t, 12> nonce{};
  ByteView associated;  // authenticated, not sent
};

// Ciphertext || tag: plaintext.size() + 16 bytes.
Bytes AeadSeal(const AeadInput& input, ByteView plaintext);

// Writes the plaintext, sealed.size() - 16 bytes, which is the size `plaintext` must have.
// DataLoss: the tag does not fit, or the sizes do not; `plaintext` then holds zeros.
absl::Status AeadOpen(const AeadInput& input, ByteView sealed, std::span<uint8_t> plaintext);

}  // namespace hilum::crypto

#endif  // HILUM_CRYPTO_AEAD_H_

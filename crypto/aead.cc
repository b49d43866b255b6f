#include "crypto/aead.h"

#include <sodium.h>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace hilum::crypto {

Bytes AeadSeal(const AeadInput& input, ByteView plaintext) {
  Bytes sealed(plaintext.size() + kAeadTagBytes);
  unsigned long long size = 0;  // NOLINT: the library's type
  HILUM_CHECK(crypto_aead_chacha20poly1305_ietf_encrypt(
                  sealed.data(), &size, plaintext.data(), plaintext.size(), input.associated.data(),
                  input.associated.size(), nullptr, input.nonce.data(), input.key.data()) == 0 &&
              size == sealed.size());
  return sealed;
}

absl::Status AeadOpen(const AeadInput& input, ByteView sealed, std::span<uint8_t> plaintext) {
  if (sealed.size() == plaintext.size() + kAeadTagBytes &&
      crypto_aead_chacha20poly1305_ietf_decrypt(
          plaintext.data(), nullptr, nullptr, sealed.data(), sealed.size(), input.associated.data(),
          input.associated.size(), input.nonce.data(), input.key.data()) == 0) {
    return absl::OkStatus();
  }
  Wipe(plaintext);
  return absl::DataLossError(
      absl::StrCat("a sealed message of ", sealed.size(), " bytes does not open with this key"));
}

}  // namespace hilum::crypto

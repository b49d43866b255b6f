// Secrets of a fixed length: never copied unasked, compared in constant time, wiped at the end.
#ifndef HILUM_CRYPTO_SECRET_H_
#define HILUM_CRYPTO_SECRET_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "crypto/mac.h"

namespace hilum::crypto {

// Writes zeros that the compiler may not leave out.
void Wipe(std::span<uint8_t> bytes);

// N secret bytes, zeros at first. Movable only: the source of a move holds zeros.
// Keeping the process' memory out of swap and core dumps is the program's task.
template <size_t N>
class Secret {
 public:
  Secret() = default;
  static Secret CopyOf(std::span<const uint8_t, N> bytes) {
    Secret secret;
    std::copy(bytes.begin(), bytes.end(), secret.bytes_.begin());
    return secret;
  }
  Secret Copy() const { return CopyOf(bytes()); }

  Secret(Secret&& other) noexcept : bytes_(other.bytes_) { other.Erase(); }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      bytes_ = other.bytes_;
      other.Erase();
    }
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { Erase(); }

  void Erase() { Wipe(bytes_); }

  std::span<const uint8_t, N> bytes() const { return bytes_; }
  std::span<uint8_t, N> mutable_bytes() { return bytes_; }
  const uint8_t* data() const { return bytes_.data(); }
  uint8_t* data() { return bytes_.data(); }

  friend bool operator==(const Secret& a, const Secret& b) {
    return ConstantTimeEqual(a.bytes(), b.bytes());
  }

 private:
  std::array<uint8_t, N> bytes_{};
};

using SecretKey = Secret<32>;

// HKDF-SHA-256 with empty salt and 32 bytes out: the keys of docs/secure_aggregation.md.
SecretKey DeriveKey(ByteView key_material, ByteView info);

}  // namespace hilum::crypto

#endif  // HILUM_CRYPTO_SECRET_H_

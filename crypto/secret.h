// Secrets of a fixed length: never copied unasked, compared in constant time, wiped at the end.
#ifndef HILUM_CRYPTO_SECRET_H_
#define HILUM_CRYPTO_SECRET_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "crypto/locked_memory.h"
#include "crypto/mac.h"

namespace hilum::crypto {

// Writes zeros that the compiler may not leave out.
void Wipe(std::span<uint8_t> bytes);

// N secret bytes, zeros at first, in locked memory. Movable only: the source of a move holds zeros.
template <size_t N>
class Secret {
  static_assert(N <= kSecretSlotBytes);

 public:
  Secret() : slot_(TakeSecretSlot()) {}
  static Secret CopyOf(std::span<const uint8_t, N> bytes) {
    Secret secret;
    std::copy(bytes.begin(), bytes.end(), secret.slot_);
    return secret;
  }
  Secret Copy() const { return CopyOf(bytes()); }

  Secret(Secret&& other) noexcept : slot_(std::exchange(other.slot_, TakeSecretSlot())) {}
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      std::swap(slot_, other.slot_);
      other.Erase();
    }
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { ReturnSecretSlot(slot_); }

  void Erase() { Wipe(mutable_bytes()); }

  std::span<const uint8_t, N> bytes() const { return std::span<const uint8_t, N>(slot_, N); }
  std::span<uint8_t, N> mutable_bytes() { return std::span<uint8_t, N>(slot_, N); }
  const uint8_t* data() const { return slot_; }
  uint8_t* data() { return slot_; }

  friend bool operator==(const Secret& a, const Secret& b) {
    return ConstantTimeEqual(a.bytes(), b.bytes());
  }

 private:
  uint8_t* slot_;
};

using SecretKey = Secret<32>;

// HKDF-SHA-256 with empty salt and 32 bytes out: the keys of docs/secure_aggregation.md.
SecretKey DeriveKey(ByteView key_material, ByteView info);

}  // namespace hilum::crypto

#endif  // HILUM_CRYPTO_SECRET_H_

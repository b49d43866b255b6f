// Where secrets lie: pages that are locked into memory and left out of core dumps, between guard
// pages (libsodium's sodium_malloc). Behind crypto/secret.h.
#ifndef HILUM_CRYPTO_LOCKED_MEMORY_H_
#define HILUM_CRYPTO_LOCKED_MEMORY_H_

#include <cstddef>
#include <cstdint>

namespace hilum::crypto {

// The longest secret.
inline constexpr size_t kSecretSlotBytes = 128;

// kSecretSlotBytes zeros. Thread-safe. The process ends where the system has no memory left.
uint8_t* TakeSecretSlot();
// Wipes the slot, which is then given to others. Thread-safe.
void ReturnSecretSlot(uint8_t* slot) noexcept;

// Whether every page of secrets so far could be locked. Otherwise they may reach a swap partition:
// RLIMIT_MEMLOCK (ulimit -l) is too small.
bool SecretsAreLocked();

}  // namespace hilum::crypto

#endif  // HILUM_CRYPTO_LOCKED_MEMORY_H_

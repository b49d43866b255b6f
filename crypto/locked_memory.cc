#include "crypto/locked_memory.h"

#include <sodium.h>

#include <mutex>
#include <vector>

#include "base/check.h"

namespace hilum::crypto {
namespace {

// 512 secrets: a site of the largest federation needs two or three of these. A whole number of
// pages, so that a region is aligned and no other data shares its pages.
constexpr size_t kRegionBytes = 64 << 10;
static_assert(kRegionBytes % kSecretSlotBytes == 0);

class Pool {
 public:
  uint8_t* Take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) AddRegion();
    uint8_t* const slot = free_.back();
    free_.pop_back();
    return slot;
  }
  void Return(uint8_t* slot) {
    const std::lock_guard lock(mutex_);
    free_.push_back(slot);  // never grows: AddRegion has reserved for every slot
  }
  bool locked() {
    const std::lock_guard lock(mutex_);
    return locked_;
  }

 private:
  void AddRegion() {
    HILUM_CHECK(sodium_init() >= 0);
    auto* const region = static_cast<uint8_t*>(sodium_malloc(kRegionBytes));
    HILUM_CHECK(region != nullptr);
    // sodium_malloc locks as well, and does not say whether it could.
    locked_ = sodium_mlock(region, kRegionBytes) == 0 && locked_;
    sodium_memzero(region, kRegionBytes);
    n_slots_ += kRegionBytes / kSecretSlotBytes;
    free_.reserve(n_slots_);
    for (size_t at = 0; at < kRegionBytes; at += kSecretSlotBytes) free_.push_back(region + at);
  }

  std::mutex mutex_;
  std::vector<uint8_t*> free_;  // all zeros
  size_t n_slots_ = 0;
  bool locked_ = true;
};

// Lives for ever: secrets of static objects end after it would.
Pool& ThePool() {
  static auto* const pool = new Pool();
  return *pool;
}

}  // namespace

uint8_t* TakeSecretSlot() { return ThePool().Take(); }

void ReturnSecretSlot(uint8_t* slot) noexcept {
  sodium_memzero(slot, kSecretSlotBytes);
  ThePool().Return(slot);
}

bool SecretsAreLocked() { return ThePool().locked(); }

}  // namespace hilum::crypto

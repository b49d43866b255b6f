// How long to wait before the next try: doubling, with jitter, so that many sites that lost one
// server do not all come back at once.
#ifndef HILUM_CLIENT_BACKOFF_H_
#define HILUM_CLIENT_BACKOFF_H_

#include <algorithm>
#include <cstdint>

#include "absl/status/status.h"
#include "crypto/random.h"

namespace hilum::client {

class Backoff {
 public:
  static constexpr int64_t kFirstMs = 100;
  static constexpr int64_t kMostMs = 5000;

  explicit Backoff(int64_t first_ms = kFirstMs, int64_t most_ms = kMostMs)
      : first_ms_(first_ms), most_ms_(most_ms) {}

  // The wait before the next try: first_ms, twice, four times ... up to most_ms, each times 0.75 to
  // 1.25 as `random` says. By default 100, 200, 400, ... 5,000 ms.
  int64_t NextMs(uint32_t random) {
    const int64_t wait = next_ms_;
    next_ms_ = std::min(2 * next_ms_, most_ms_);
    return wait * (75 + static_cast<int64_t>(random % 51)) / 100;
  }
  void Reset() { next_ms_ = first_ms_; }

 private:
  int64_t first_ms_;
  int64_t most_ms_;
  int64_t next_ms_ = first_ms_;
};

// What NextMs spreads its waits with.
inline uint32_t RandomWord() {
  const auto bytes = crypto::RandomArray<4>();
  return uint32_t{bytes[0]} | uint32_t{bytes[1]} << 8 | uint32_t{bytes[2]} << 16 |
         uint32_t{bytes[3]} << 24;
}

// Errors that another try may mend: the other side is away, the disk is full, a lock is held.
inline bool MayMend(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status) ||
         absl::IsInternal(status) || absl::IsUnknown(status);
}

}  // namespace hilum::client

#endif  // HILUM_CLIENT_BACKOFF_H_

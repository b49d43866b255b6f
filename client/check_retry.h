// When rounds that are over are looked at again, after a look that decided nothing. A look may
// fetch megabytes, and what is missing may be missing for ever. Private to client/agent*.
#ifndef HILUM_CLIENT_CHECK_RETRY_H_
#define HILUM_CLIENT_CHECK_RETRY_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "client/backoff.h"

namespace hilum::client {

using CheckKey = std::pair<std::string, uint64_t>;  // job, round

// Times are of a monotonic clock.
class CheckRetries {
 public:
  static constexpr int64_t kFirstMs = 5000;
  static constexpr int64_t kMostMs = 3'600'000;

  // Whether the round is not to be looked at yet.
  bool IsLater(const CheckKey& key, int64_t now_ms) const {
    const auto found = retries_.find(key);
    return found != retries_.end() && now_ms < found->second.at_ms;
  }
  // A look decided nothing: the next is 5, 10, 20, ... s and at last an hour later, each times
  // 0.75 to 1.25 as `random` says. Whether it was the first one.
  bool Postpone(const CheckKey& key, int64_t now_ms, uint32_t random) {
    const auto [found, is_first] = retries_.try_emplace(key);
    found->second.at_ms = now_ms + found->second.wait.NextMs(random);
    return is_first;
  }

 private:
  struct Retry {
    int64_t at_ms = 0;
    Backoff wait{kFirstMs, kMostMs};
  };
  std::map<CheckKey, Retry> retries_;
};

}  // namespace hilum::client

#endif  // HILUM_CLIENT_CHECK_RETRY_H_

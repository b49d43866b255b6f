#include "aggregator/rate_limit.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace hilum::aggregator {

absl::Status RateLimit::Take(absl::string_view what, const std::string& member) {
  const absl::MutexLock lock(&mutex_);
  const int64_t now_ms = clock_.MonotonicMs();
  const auto [place, added] = buckets_.try_emplace(member, Bucket{rate_.burst, now_ms});
  Bucket& bucket = place->second;
  const double seconds = static_cast<double>(now_ms - bucket.filled_ms) / 1000;
  bucket.tokens = std::min(rate_.burst, bucket.tokens + seconds * rate_.per_second);
  bucket.filled_ms = now_ms;
  if (bucket.tokens < 1) {
    return absl::ResourceExhaustedError(absl::StrCat(member, " sends more than ", rate_.per_second,
                                                     " ", what, " a second: wait a moment"));
  }
  bucket.tokens -= 1;
  return absl::OkStatus();
}

}  // namespace hilum::aggregator

// How often a member may do one thing. Without it one member can make state, log and the work of
// the conductor grow as it likes.
#ifndef HILUM_AGGREGATOR_RATE_LIMIT_H_
#define HILUM_AGGREGATOR_RATE_LIMIT_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"

namespace hilum::aggregator {

// A token bucket a member: `burst` calls at once, then `per_second`. Thread-safe.
class RateLimit {
 public:
  struct Rate {
    double per_second = 1;
    double burst = 1;
  };
  RateLimit(const Rate& rate, const Clock* clock) : rate_(rate), clock_(*clock) {}
  // ResourceExhausted: the member's bucket is empty; `what` names the calls in the sentence.
  absl::Status Take(absl::string_view what, const std::string& member);

 private:
  struct Bucket {
    double tokens = 0;
    int64_t filled_ms = 0;
  };
  const Rate rate_;
  const Clock& clock_;
  absl::Mutex mutex_;
  std::map<std::string, Bucket> buckets_ ABSL_GUARDED_BY(mutex_);  // by member; never more
};

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_RATE_LIMIT_H_

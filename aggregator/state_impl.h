// The connection behind State. Private to aggregator/state*.
#ifndef HILUM_AGGREGATOR_STATE_IMPL_H_
#define HILUM_AGGREGATOR_STATE_IMPL_H_

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "aggregator/state.h"
#include "aggregator/state_sql.h"

namespace hilum::aggregator {

struct State::Impl {
  explicit Impl(SqlDatabase d) : database(std::move(d)) {}

  absl::Status PutMember(const MemberRow& member) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status PutJob(const JobRow& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status PutRound(const RoundRow& round) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status PutDrop(const JobId& job, RoundId round, const DropRow& drop)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  absl::Mutex mutex;
  SqlDatabase database ABSL_GUARDED_BY(mutex);
};

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_STATE_IMPL_H_

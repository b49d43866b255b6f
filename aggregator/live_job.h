// A job and its open round as the server holds them in memory. Private to aggregator/server*.
#ifndef HILUM_AGGREGATOR_LIVE_JOB_H_
#define HILUM_AGGREGATOR_LIVE_JOB_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "aggregator/accumulate.h"
#include "aggregator/masked_attempt.h"
#include "aggregator/round.h"
#include "aggregator/state.h"
#include "privacy/round_config.h"
#include "proto/round_plan.h"

namespace hilum::aggregator {

// What others see of the flight that is on, under the core's lock.
struct FlightView {
  Flight flight = Flight::kAdvertise;
  std::shared_ptr<const DownMessages> down;
  Indices members;              // awaited
  std::set<uint16_t> answered;  // durable
  Digest u2_hash{};             // while R2 is on, else zero
  int64_t deadline_ms = 0;
  absl::Status over;  // why the attempt ended
};

// One attempt at a masked round, with a lock of its own: checking the shares of a large federation
// must not hold up everybody else. Lock order: this one, then the core's.
struct MaskedRun {
  absl::Mutex mutex;
  std::unique_ptr<MaskedAttempt> attempt;
  std::map<uint16_t, Bytes> unsaved;  // taken, not durable yet: not acknowledged
  Digest sum_object{};                // S in the store, once R2 is over
  absl::Status restored;              // whether the stored messages were taken again
  bool confirmed = false;             // votes were shown: from here on nothing is tried again

  // Durable, or in `unsaved`.
  absl::Status Save(State& state, const RoundRow& row, uint16_t member, ByteView message);
  absl::Status SaveAll(State& state, const RoundRow& row);
  absl::Status SaveEnd(State& state, const RoundRow& row, ByteView sum_object);
  FlightView Look() const;  // without a deadline
};

// A round from Recruiting to its close, with what the pure value does not hold.
struct ActiveRound {
  Round round;
  RoundRow row;                 // filled from Opening on
  privacy::RoundConfig config;  // from Collecting on
  std::shared_ptr<Accumulator> sum;
  std::vector<CountedUpdate> to_restore;  // counted before a restart, not in `sum` yet
  int64_t deadline_ms = 0;                // to return while Recruiting, of the round afterwards

  // Of a masked round.
  std::shared_ptr<MaskedRun> masked;
  FlightView flight;
  std::map<uint16_t, std::string> barred;                // from all further attempts
  std::shared_ptr<privacy::secagg::OpenedRound> opened;  // from Closing on
};

struct SiteProgress {
  uint64_t round = 0;
  std::string phase;
  uint32_t percent = 0;
  std::string reason;
};

struct LiveJob {
  JobRow row;
  proto::RoundPlan plan;
  std::map<SiteId, AnswerRow> answers;
  std::vector<RoundRow> history;  // closed rounds, without cfg and entries
  std::map<SiteId, SiteProgress> progress;
  std::map<SiteId, UpdateStatistics> statistics;
  std::optional<ActiveRound> active;
  int64_t recruit_deadline_ms = 0;
  int64_t retry_at_ms = 0;  // after a fault of the disk
};

struct Presence {
  int n_streams = 0;
  int n_uploads = 0;
  int64_t away_since_ms = 0;
  uint64_t version = 1;  // raised when something that concerns the site changes
  absl::CondVar changed;
};

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_LIVE_JOB_H_

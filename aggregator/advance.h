// The one step of the round's state machine.
#ifndef HILUM_AGGREGATOR_ADVANCE_H_
#define HILUM_AGGREGATOR_ADVANCE_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "aggregator/round.h"

namespace hilum::aggregator {

// Returns the round after `event`. Pure: no clock, thread, socket or file; thread-safe.
// An event that had its effect before (a repeated update with the same root, a second drop, a
// repeated record of the same close) changes nothing and is OK.
// FailedPrecondition: this state does not take this event. InvalidArgument: the event names a site
// outside the roster, or its fields contradict the state. AlreadyExists: another update of a site
// whose update was accepted. The caller's round stays as it was.
absl::StatusOr<Round> Advance(Round round, const Event& event);

// The round of a server that restarted, from what is durable: accepted updates and dropped sites.
Round Resume(Collecting stored);

// "recruiting", "opening", "collecting", "confirming", "unmasking", "closing", "committed" or
// "failed".
absl::string_view StateName(const Round& round);
const RoundFacts& Facts(const Round& round);

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_ADVANCE_H_

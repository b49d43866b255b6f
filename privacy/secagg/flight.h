// The flights of a masked round by number, as both ends and the wire name them
// (docs/secure_aggregation.md, section 5).
#ifndef HILUM_PRIVACY_SECAGG_FLIGHT_H_
#define HILUM_PRIVACY_SECAGG_FLIGHT_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace hilum::privacy::secagg {

// A flight begins with the server's message (but the first) and collects one of each site.
enum class Flight : uint8_t {
  kAdvertise = 1,    // R0.1: keys
  kReveal = 2,       // R0.2: after the key list
  kShare = 3,        // R1.1: after U1
  kAcknowledge = 4,  // R1.2: after the shares
  kVector = 5,       // R2: after U2; vectors travel by SubmitUpdate
  kVote = 6,         // R3: after the transcript
  kAnswer = 7,       // R4: after the vote list
};

constexpr uint32_t NumberOf(Flight flight) { return static_cast<uint32_t>(flight); }
constexpr Flight After(Flight flight) { return static_cast<Flight>(NumberOf(flight) + 1); }
constexpr bool IsFlight(uint32_t number) { return number >= 1 && number <= 7; }

// "R0.1, keys": for sentences.
constexpr absl::string_view NameOf(Flight flight) {
  constexpr absl::string_view kNames[] = {"R0.1, keys",    "R0.2, reveals", "R1.1, shares",
                                          "R1.2, answers", "R2, vectors",   "R3, votes",
                                          "R4, unmasking"};
  return kNames[NumberOf(flight) - 1];
}

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_FLIGHT_H_

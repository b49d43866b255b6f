// The round as a value: who takes part, what has arrived, how it ended. No sum, no vector, no I/O.
//
//   Recruiting --CohortFixed--> Opening --RoundOpened--> Collecting --(all sites answered)-->
//   Closing Closing --RoundRecorded--> Committed;  Collecting --(too few)--> Failed
//   --RoundRecorded--> Failed
//
// That is mode 0 (open). A masked round has flights before and after its vectors
// (secure_aggregation.md, section 5): R0 to R2 are Collecting, R3 is Confirming, R4 Unmasking.
//
//   Collecting --(all sites answered)--> Confirming --TranscriptConfirmed--> Unmasking
//   --SumOpened--> Closing;  Collecting, Confirming --AttemptFailed--> Collecting (next attempt)
//   or Failed;  Unmasking --AttemptFailed--> Failed
#ifndef HILUM_AGGREGATOR_ROUND_H_
#define HILUM_AGGREGATOR_ROUND_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "base/ids.h"
#include "crypto/sign.h"
#include "ledger_anchor/round_record.h"

namespace hilum::aggregator {

// The server's name as a member: `by` of its entries.
inline constexpr absl::string_view kAggregatorName = "aggregator";

// The evidence of a round, which sites read too.
using ledger_anchor::CountedUpdate;
using ledger_anchor::EncodeRoundRecord;
using ledger_anchor::kRecordLimitBytes;
using ledger_anchor::MaskedEvidence;
using ledger_anchor::OptimiserState;
using ledger_anchor::ParseRoundRecord;
using ledger_anchor::RoundRecord;

// What does not change while the round lives.
struct RoundFacts {
  JobId job;
  RoundId round;
  int minimum = 2;  // fewer counted sites abort the round
  friend bool operator==(const RoundFacts&, const RoundFacts&) = default;
};

// A site that takes part; its position in the roster is its index.
struct RosterSite {
  SiteId site;
  crypto::PublicKey entry_key;
  friend bool operator==(const RosterSite&, const RosterSite&) = default;
};

// Waits until the approved sites are connected. Ends with all (or `target`) of them connected, or
// when the time to return is over and at least `minimum` are.
struct Recruiting {
  RoundFacts facts;
  std::set<SiteId> approved;
  std::set<SiteId> connected;  // a subset of `approved`
  int target = 0;              // 0: every approved site
  bool return_time_over = false;
};

// The cohort is fixed; `round-open` is being logged.
struct Opening {
  RoundFacts facts;
  std::vector<SiteId> cohort;  // ascending by name
};

// Sites train and send. Ends when each of the roster is accepted or dropped.
struct Collecting {
  RoundFacts facts;
  Digest cfg_hash{};
  std::vector<RosterSite> roster;              // ascending by name
  std::map<uint16_t, CountedUpdate> accepted;  // by site index
  std::map<uint16_t, std::string> dropped;     // by site index: the reason
  bool masked = false;
  uint8_t attempt = 0;  // of a masked round; keys, masks and vectors are one attempt's
};

// Masked: the transcript of the counted set is being made, or sites vote on it.
struct Confirming {
  RoundFacts facts;
  Digest cfg_hash{};
  std::vector<RosterSite> roster;
  std::vector<CountedUpdate> counted;  // U3, ascending by index, at least `minimum`
  std::map<uint16_t, std::string> dropped;
  uint8_t attempt = 0;
};

// Masked: a quorum stands behind the transcript; sites open shares. From here on nothing is tried
// again: a failure aborts the round.
struct Unmasking {
  RoundFacts facts;
  Digest cfg_hash{};
  std::vector<RosterSite> roster;
  std::vector<CountedUpdate> counted;
  std::map<uint16_t, std::string> dropped;
};

// The counted set is fixed; sum, model and `round-close` are being made.
struct Closing {
  RoundFacts facts;
  Digest cfg_hash{};
  std::vector<RosterSite> roster;
  std::vector<CountedUpdate> counted;  // ascending by index, at least `minimum`
  std::map<uint16_t, std::string> dropped;
};

// The ledger holds the round's `round-close`. Final.
struct Committed {
  RoundFacts facts;
  Digest close_leaf{};
  Digest model{};  // SHA-256 of the new model's file
};

// Too few updates. Once the aborted `round-close` is logged, `close_leaf` is set. Final.
struct Failed {
  RoundFacts facts;
  std::vector<RosterSite> roster;
  std::map<uint16_t, std::string> dropped;  // the accepted ones are not here, and not counted
  std::string reason;
  Digest close_leaf{};
};

using Round = std::variant<Recruiting, Opening, Collecting, Confirming, Unmasking, Closing,
                           Committed, Failed>;

struct SiteConnected {
  SiteId site;
};
struct SiteAway {
  SiteId site;
};
// While Recruiting: the time to return is over. While Collecting: the round's deadline.
struct DeadlinePassed {};
// `round-open` is durable in the ledger.
struct RoundOpened {
  Digest cfg_hash{};
  std::vector<RosterSite> roster;
  bool masked = false;
};
struct UpdateAccepted {
  CountedUpdate update;
};
// The site was away for too long, refused, failed or left the federation.
struct SiteDropped {
  SiteId site;
  std::string reason;
};
// Masked: the attempt cannot be finished. `barred` may not come back in a later attempt.
struct AttemptFailed {
  std::string reason;
  std::map<uint16_t, std::string> barred;  // by site index: the reason
};
// Masked: a quorum has voted for the transcript.
struct TranscriptConfirmed {};
// Masked: enough shares came, and the masks are out of the sum.
struct SumOpened {};
// The lead cancelled the job.
struct RoundCancelled {};
// `round-close` is durable in the ledger. `model` equals the base model when the round failed.
struct RoundRecorded {
  Digest close_leaf{};
  Digest model{};
};

using Event =
    std::variant<SiteConnected, SiteAway, DeadlinePassed, RoundOpened, UpdateAccepted, SiteDropped,
                 AttemptFailed, TranscriptConfirmed, SumOpened, RoundCancelled, RoundRecorded>;

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_ROUND_H_

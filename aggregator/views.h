// What the server shows of itself, as plain structs: rpc and http turn them into messages.
#ifndef HILUM_AGGREGATOR_VIEWS_H_
#define HILUM_AGGREGATOR_VIEWS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "aggregator/state.h"
#include "base/bytes.h"

namespace hilum::aggregator {

// For one site (SiteSnapshot of proto/hilum/v1/round.proto).
struct OfferView {
  std::string job;
  std::string plan;  // empty once the job is over
  bool approved = false;
  bool denied = false;
  JobState state = JobState::kRecruiting;
  uint64_t closed_round = 0;
};
struct NoticeView {
  std::string job;
  uint64_t round = 0;
  uint8_t attempt = 0;
  Bytes config;
  std::string plan;
  std::string open_proof;
  std::string close_proof;  // empty before the second round
  bool update_accepted = false;
  uint32_t flight = 0;  // of a masked round; 0: open
  Digest flight_digest{};
  uint64_t flight_bytes = 0;  // of the message that the flight begins with
  bool flight_answered = false;
};
struct SiteView {
  std::vector<OfferView> jobs;
  std::vector<NoticeView> rounds;
};

// For the lead.
struct SiteStatusView {
  std::string site;
  bool connected = false;
  std::string answer;  // pending, approved, denied
  std::string phase;   // absent, waiting, training, sending, accepted, dropped, refused
  uint32_t percent = 0;
  std::string reason;
  std::optional<UpdateStatistics> statistics;  // of its last update in this job
};
struct RoundView {
  uint64_t round = 0;
  std::string status;  // open, ok, aborted
  std::vector<std::string> cohort;
  std::vector<std::string> dropped;
  uint64_t total_weight = 0;
  double mean_loss = 0.0;
  Digest model{};
  double seconds = 0.0;
  uint64_t received_bytes = 0;
  std::string reason;
};
struct JobView {
  std::string job;
  JobState state = JobState::kRecruiting;
  uint64_t rounds = 0;
  std::vector<SiteStatusView> sites;
  std::vector<RoundView> history;
  std::string message;
  std::string plan;
  uint64_t ledger_size = 0;
};
struct MemberView {
  std::string name;
  std::string role;
  bool connected = false;
  int64_t joined_s = 0;
};
struct FederationView {
  std::string federation;
  std::string origin;
  std::string log_vkey;
  std::vector<MemberView> members;
  uint64_t ledger_size = 0;
};

struct ProofView {
  std::string proof;  // .tlog-proof
  Digest model{};     // zero for a round-open
};

// What `hilum server status` shows of one witness.
struct WitnessView {
  std::string name;
  bool connected = false;
  uint64_t size = 0;    // of the checkpoint that it cosigned last; 0: none since the start
  std::string trouble;  // why it is not counted now, in its words too; empty: nothing is wrong
};

// Since this process started.
struct CounterView {
  uint64_t rounds_ok = 0;
  uint64_t rounds_aborted = 0;
  uint64_t updates_accepted = 0;
  uint64_t updates_refused = 0;
  uint64_t received_bytes = 0;
  double sum_seconds = 0.0;  // from the last update to the signed close, all rounds
  uint64_t sites_connected = 0;
  uint64_t uploads = 0;         // updates on their way
  uint64_t ledger_size = 0;     // durable entries, signed or not
  uint64_t published_size = 0;  // entries under the published checkpoint
  uint64_t witnesses = 0;       // that the policy names
  uint64_t witnesses_connected = 0;
  std::vector<WitnessView> each_witness;
  uint64_t anchor_receipts = 0;
  uint64_t anchor_failures = 0;
  uint64_t anchored_size = 0;   // entries under the newest checkpoint with a receipt
  int64_t anchored_time_s = 0;  // the authority's time in it; 0: none
};

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_VIEWS_H_

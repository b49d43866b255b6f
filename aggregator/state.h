// What the server must know after a crash, in SQLite (D/state.sqlite). Big things are in the store
// and facts for others in the ledger; here is who is who, what was launched and how far it is.
//
// Every write is one transaction that survives a power cut once it returned OK.
#ifndef HILUM_AGGREGATOR_STATE_H_
#define HILUM_AGGREGATOR_STATE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "aggregator/round.h"
#include "aggregator/validate.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/ids.h"

namespace hilum::aggregator {

// An invitation that has not been used. The secret itself is not kept.
struct InviteRow {
  Digest secret_hash{};
  std::string member;
  std::string role;
  int64_t expires_s = 0;
};

// A certificate that the CA issued: TLS alone does not make a member.
struct MemberRow {
  std::string name;
  std::string role;      // site, lead
  Digest fingerprint{};  // of the certificate
  int64_t joined_s = 0;
  std::string join_entry;   // canonical; empty for a lead. Logged again after a crash
  std::string certificate;  // PEM
  bool removed = false;
};

enum class JobState { kRecruiting, kRunning, kPaused, kDone, kFailed, kCancelled };
absl::string_view ToText(JobState state);  // "recruiting", ...
inline bool IsActive(JobState state) {
  return state == JobState::kRecruiting || state == JobState::kRunning ||
         state == JobState::kPaused;
}

struct JobRow {
  JobId job;
  std::string plan;  // canonical RoundPlan; `rounds` in it may grow
  JobState state = JobState::kRecruiting;
  std::string message;  // one sentence for people
  Digest initial_model{};
  Digest model{};              // after the last closed round
  uint64_t closed_round = 0;   // 0: none yet
  uint64_t last_ok_round = 0;  // the round that made `model`; 0: none
  uint32_t aborted_in_row = 0;
  int64_t launched_s = 0;
  uint64_t launch_order = 0;  // ascending in order of launch; given by PutJob
  std::string release_entry;  // canonical model-release; fixed before it is logged
  std::optional<uint64_t> release_index;
  std::string fault;  // why the stored row cannot be used; set by Jobs(), never stored
};

struct AnswerRow {
  SiteId site;
  bool approved = false;
  std::string reason;
};

// One round. What is to be logged is fixed here first, so that a crash between state and ledger
// leads to the same bytes again.
struct RoundRow {
  JobId job;
  RoundId round;
  uint8_t attempt = 0;
  std::string status = "open";  // open, ok, aborted
  Bytes config;                 // encoded RoundConfig
  std::vector<RosterSite> roster;
  std::vector<std::string> dropped;  // once it is closed: whose updates do not count
  Digest base_model{};
  int64_t opened_s = 0;
  std::string open_entry;
  std::optional<uint64_t> open_index;  // once it is logged
  Digest open_leaf{};
  std::string close_entry;  // empty until the model is made
  std::optional<uint64_t> close_index;
  Digest close_leaf{};
  int64_t closed_s = 0;
  Digest model{};
  uint64_t total_weight = 0;
  double mean_loss = 0.0;
  uint64_t received_bytes = 0;
  std::string reason;  // why aborted
  std::string fault;   // why the stored row cannot be used; set by Rounds(), never stored
};

struct DropRow {
  uint16_t site_index = 0;
  std::string reason;
};

// What a masked round has received in a flight, or that the flight is over.
struct FlightRow {
  static constexpr uint16_t kEnd = 0xffff;  // as `sender`: the flight is over
  uint8_t attempt = 0;
  uint8_t flight = 0;
  uint16_t sender = 0;  // index in the roster
  Bytes message;        // as it came; of the end of R2 the address of S in the store
};

// Thread-safe. Each function fails with ResourceExhausted (disk full), Unavailable (I/O) or
// DataLoss (damaged file).
class State {
 public:
  // Opens the database, or makes it when there is none.
  // FailedPrecondition: it was written by another version; the sentence names both and says what
  // to do.
  static absl::StatusOr<std::unique_ptr<State>> Open(const fs::path& path);
  ~State();

  absl::Status PutInvite(const InviteRow& invite);
  // NotFound: unknown or used.
  absl::StatusOr<InviteRow> FindInvite(const Digest& secret_hash);
  // Uses the invitation up and stores the member, both or none. NotFound: it was used meanwhile.
  absl::Status UseInvite(const Digest& secret_hash, const MemberRow& member);

  absl::Status PutMember(const MemberRow& member);
  absl::StatusOr<std::vector<MemberRow>> Members();  // by name
  // NotFound: no such member, ever.
  absl::StatusOr<MemberRow> FindMember(absl::string_view name);

  // Requests of `hilum server remove`, done by whoever holds the log.
  absl::Status RequestRemoval(const SiteId& site);
  absl::StatusOr<std::vector<SiteId>> RequestedRemovals();
  // Marks the member as removed and forgets the request.
  absl::Status FinishRemoval(const SiteId& site);

  absl::Status PutJob(JobRow job);
  // In order of launch. A row with an unknown state comes with its `fault`, as failed.
  absl::StatusOr<std::vector<JobRow>> Jobs();
  absl::Status PutAnswer(const JobId& job, const AnswerRow& answer);
  absl::StatusOr<std::vector<AnswerRow>> Answers(const JobId& job);

  absl::Status PutRound(const RoundRow& round);
  // A closed round and its job in one transaction, which also erases what was sent in the round's
  // flights: a close is never half known, and no share outlives it.
  absl::Status CloseRound(const RoundRow& round, const JobRow& job);
  // Ascending. A row whose roster is damaged comes with its `fault`.
  absl::StatusOr<std::vector<RoundRow>> Rounds(const JobId& job);
  absl::Status PutUpdate(const JobId& job, RoundId round, const StoredUpdate& update);
  absl::StatusOr<std::vector<StoredUpdate>> Updates(const JobId& job, RoundId round);
  absl::Status PutDrop(const JobId& job, RoundId round, const DropRow& drop);
  absl::StatusOr<std::vector<DropRow>> Drops(const JobId& job, RoundId round);

  // Messages of masked rounds. A site's is there before it is acknowledged, and the end of a flight
  // before what follows from it is shown.
  absl::Status PutFlight(const JobId& job, RoundId round, const FlightRow& row);
  // Ascending by flight, then sender; the end of a flight is the last of it.
  absl::StatusOr<std::vector<FlightRow>> Flights(const JobId& job, RoundId round, uint8_t attempt);
  // The next attempt of a round: `round` as it is now, with these drops and no update.
  absl::Status BeginAttempt(const RoundRow& round, const std::vector<DropRow>& drops);
  // Files that members may fetch: models and what is released with them, never updates.
  absl::Status PutModel(const Digest& sha256);
  absl::StatusOr<bool> IsModel(const Digest& sha256);

 private:
  struct Impl;
  explicit State(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_STATE_H_

// One round at one site: checks, training, and the update, along the straight line.
#ifndef HILUM_CLIENT_PARTICIPATE_H_
#define HILUM_CLIENT_PARTICIPATE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "client/consent_book.h"
#include "client/film_cache.h"
#include "client/ledger_gate.h"
#include "client/own_entry.h"
#include "client/pseudonym.h"
#include "client/rotation.h"
#include "client/rpc.h"
#include "client/site_folder.h"
#include "client/state.h"
#include "client/update.h"
#include "crypto/sign.h"
#include "privacy/noise.h"
#include "proto/round_plan.h"

namespace hilum::client {

// What a round needs of the site and of the world. Functions are the I/O edges: a test replaces
// the server, never the arithmetic.
struct RoundContext {
  const SiteFolder& folder;
  const SiteOptions& options;
  State& state;
  LedgerGate& gate;
  const SiteSecret& secret;
  const crypto::SigningKey& key;
  int64_t now_s = 0;
  ProveConsistency prove;
  // What the ledger holds about this site's consents, and how an entry gets there. Null: nothing
  // about consents is logged; only tests of the arithmetic do that.
  ConsentStore* consents = nullptr;
  LogEntry log_entry{};
  FetchRotation fetch_rotation{};  // empty: no member's key may have changed
  std::function<absl::StatusOr<Bytes>(const Digest& sha256, uint64_t limit_bytes)> fetch_model;
  // Proofs of a round's entries and the objects that they name (round_check.h); a new proof also
  // when the notice's was made under an older checkpoint than this site has accepted since, by
  // entries of its own. Empty: no round is checked; only tests of the arithmetic do that.
  std::function<absl::StatusOr<std::string>(const std::string& job, uint64_t round,
                                            const std::string& type)>
      fetch_proof{};
  std::function<absl::StatusOr<Bytes>(const RoundObject& object, uint64_t limit_bytes)>
      fetch_object{};
  std::function<void(uint32_t percent)> on_training;  // may be empty
  // Ends training before its next step and a check before its next part, with Cancelled.
  const std::atomic<bool>* cancel = nullptr;
};

// Whether this site's policy allows the job at all, before any round. PermissionDenied: the first
// rule of [policy] that it breaks, in a sentence for the hospital. InvalidArgument: the plan cannot
// be parsed, or is for another network or profile than this program has.
absl::StatusOr<proto::RoundPlan> CheckPlan(const std::string& plan, const SiteOptions& options);

// Whether `approved`, the plan that somebody approved, covers `offered`: they are the same but for
// `rounds`, which may have grown. With differential privacy it may not: that is more epsilon.
bool Covers(const std::string& approved, const std::string& offered);

// Logs an entry of this site's own about a round, in the gate's ledger. Errors: as LogOwnEntry
// (own_entry.h).
absl::Status LogOwnEntry(const RoundContext& context, const OwnEntry& own);

// How the reason of a refusal starts when it speaks of this site's films, patients or their
// numbers: `hilum site status` shows it, the server never hears it.
inline constexpr char kNotSent[] = "(not told to the server) ";

// What the server may hear of `reason`: the sentence itself, or, when it starts with kNotSent or
// names a path of the site's folder, only that the site's own films or files stand in the way.
std::string ReasonForServer(const std::string& reason, const SiteFolder& folder);

struct CheckedRound;  // client/checked_round.h

// What a site has trained, as its vector before masks.
struct TrainedInput {
  privacy::NoisedDelta input;
  RoundRecord record;  // phase "training", with what was trained on
};

// Whether the site's films suffice for the round, its consents as the ledger pins them. Reads no
// pixels. FailedPrecondition: no films, or too few. Unavailable: the server went away. DataLoss:
// the ledger pins other consents than this site's.
absl::Status CheckFilms(const RoundContext& context, const CheckedRound& round);

// Trains for a round. Errors as TakePart.
absl::StatusOr<TrainedInput> TrainInput(const RoundContext& context, const CheckedRound& round);

// Checks the notice against approval, ledger and policy, trains, and returns the stored update; if
// an update of this round is stored already, that one, byte for byte. Its record is in the state.
// For rounds in open mode.
// PermissionDenied: not approved, below a floor of the site, or a round beyond the plan's or before
// one that this site took part in. DataLoss: a proof, hash or plan does not verify, a second
// attempt in open mode, or training gave NaN. FailedPrecondition: no films, or too few.
// InvalidArgument: the notice is malformed. Unavailable: the server went away. Cancelled: the flag
// was set.
absl::StatusOr<SignedUpdate> TakePart(const RoundContext& context, const RoundNotice& notice);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_PARTICIPATE_H_

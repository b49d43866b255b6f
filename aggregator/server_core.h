// The state behind Server. Private to aggregator/server*.
#ifndef HILUM_AGGREGATOR_SERVER_CORE_H_
#define HILUM_AGGREGATOR_SERVER_CORE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "aggregator/anchors.h"
#include "aggregator/live_job.h"
#include "aggregator/publish.h"
#include "aggregator/server.h"
#include "aggregator/witnesses.h"
#include "privacy/round_config.h"
#include "proto/round_plan.h"

namespace hilum::aggregator {

VectorShape ShapeOf(const privacy::RoundConfig& config);  // server_rounds.cc
// server_masked.cc
const std::map<uint16_t, std::string>& DroppedOf(const Round& round);
bool IsOpenForSites(const Round& round);  // Collecting, Confirming, Unmasking

class ServerCore {
 public:
  ServerCore(std::unique_ptr<Federation> federation, const ServerOptions& options);

  // server.cc: life.
  absl::Status Load() ABSL_LOCKS_EXCLUDED(mutex);
  void RunConductor() ABSL_LOCKS_EXCLUDED(mutex);
  void RequestStop() ABSL_LOCKS_EXCLUDED(mutex);
  int64_t NowMs() const { return options.clock->MonotonicMs(); }
  int64_t NowS() const { return options.clock->NowSeconds(); }
  Publisher MakePublisher() const;
  // FailedPrecondition: copies are to be sealed, and nobody could open them.
  absl::StatusOr<Publisher> MakeSealingPublisher() const;
  absl::Status OpenSealed();
  Presence& PresenceOf(const SiteId& site) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void TouchSite(const SiteId& site) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void TouchAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);   // every site and the lead
  void TouchLead() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);  // also wakes the conductor
  absl::Status RefreshMembers() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  bool IsMember(const SiteId& site) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  LiveJob* FindJob(const JobId& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  LiveJob* ActiveJob() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);  // null: none
  // A job whose rows cannot be used is set aside: failed, with the reason, its rows untouched.
  absl::Status LoadJob(JobRow row) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status FillJob(LiveJob& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status LoadRound(LiveJob& job, RoundRow row) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  // server_rounds.cc: what the conductor does. Each step leaves state, store and ledger so that it
  // can be taken again after a crash in its middle.
  absl::Status Step() ABSL_LOCKS_EXCLUDED(mutex);
  absl::Status StepMembership() ABSL_LOCKS_EXCLUDED(mutex);
  absl::Status StepJob(LiveJob& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status StepRecruiting(LiveJob& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status StepTimers(LiveJob& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status StepRestore(LiveJob& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status BeginRound(LiveJob& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status OpenRound(LiveJob& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // A round-open that pins the newest consents, logged. DataLoss: the ledger does not take it.
  absl::StatusOr<RoundRow> LogOpening(const LiveJob& job, const Opening& opening)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status CloseRound(LiveJob& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // What a close is made from, beside the round.
  struct CloseWork {
    std::shared_ptr<Accumulator> sum;
    std::shared_ptr<MaskedRun> masked;  // null: open mode
    std::shared_ptr<privacy::secagg::OpenedRound> opened;
  };
  absl::StatusOr<RoundRow> MakeClose(const RoundRow& row, const Round& round, const CloseWork& work)
      ABSL_LOCKS_EXCLUDED(mutex);
  // S of exactly these updates: from the running sum, or added again from the store.
  absl::StatusOr<privacy::MaskedTotal> TotalOf(const privacy::RoundConfig& config,
                                               const std::vector<CountedUpdate>& counted,
                                               Accumulator& sum) const ABSL_LOCKS_EXCLUDED(mutex);
  absl::Status RecordClose(LiveJob& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status Release(LiveJob& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status SetState(LiveJob& job, JobState state, const std::string& message)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void HandleFault(LiveJob& job, const absl::Status& fault) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  // server_masked.cc: the flights of masked rounds.
  absl::Status StepMasked(LiveJob& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // A fresh attempt in memory; nothing in open mode.
  absl::Status BeginAttempt(LiveJob& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // After a restart: the attempt as it was.
  absl::Status ResumeMasked(ActiveRound& active) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status DropSilent(LiveJob& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status EndFlight(LiveJob& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status EndVectors(LiveJob& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status OpenSum(LiveJob& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::StatusOr<privacy::secagg::OpenedRound> OpenAttempt(
      MaskedAttempt& attempt, const std::vector<CountedUpdate>& counted) const;
  // The next attempt, or the end of the round. `withheld`: who did not reveal.
  absl::Status FailAttempt(LiveJob& job, const absl::Status& why, const Indices& withheld)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // `view`: of MaskedRun::Look, taken under the attempt's lock where others can reach the attempt.
  void ShowFlight(ActiveRound& active, FlightView view) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status Replay(const std::vector<FlightRow>& rows, const std::vector<CountedUpdate>& updates,
                      const privacy::RoundConfig& config, MaskedRun& run) const;
  // The attempt as its stored messages make it; `restored` says whether they could.
  absl::StatusOr<std::shared_ptr<MaskedRun>> RestoreAttempt(
      const RoundRow& row, const privacy::RoundConfig& config,
      const std::vector<CountedUpdate>& updates) const;
  absl::StatusOr<RoundRow> MakeMaskedClose(const Publisher& publisher, const RoundRow& row,
                                           const Closing& closing, const CloseWork& work)
      ABSL_LOCKS_EXCLUDED(mutex);
  struct FlightPlace {
    ActiveRound* active = nullptr;  // under the core's lock
    std::shared_ptr<MaskedRun> run;
    uint16_t site_index = 0;
  };
  // FailedPrecondition: not the flight that is on, or the site was dropped.
  absl::StatusOr<FlightPlace> FindFlight(const SiteId& site, const FlightClaim& claim)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // Null: this attempt is not on.
  std::shared_ptr<MaskedRun> FindRun(const UpdateTicket& ticket) ABSL_LOCKS_EXCLUDED(mutex);

  // server_events.cc: events of sites, made durable before they count.
  absl::Status Apply(LiveJob& job, const Event& event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status Drop(LiveJob& job, const SiteId& site, const std::string& reason)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status Admit(const UpdateTicket& ticket, const StoredUpdate& update)
      ABSL_LOCKS_EXCLUDED(mutex);
  // An update whose header fits the open round; counts as one of the site's uploads from now on.
  struct Intake {
    UpdateTicket ticket;
    std::shared_ptr<Accumulator> sum;
  };
  absl::StatusOr<Intake> CheckUpdate(const SiteId& site, const UpdateClaim& claim)
      ABSL_LOCKS_EXCLUDED(mutex);
  std::set<SiteId> Approved(const LiveJob& job) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  // server_anchors.cc
  fs::path AnchorFolder() const;
  absl::Status StartAnchors();
  void HandleAnchorOutage(const absl::Status& failure);
  // An `incident` entry of the aggregator; `evidence` goes to the store, its start only.
  void RecordIncident(const std::string& kind, const std::string& about,
                      absl::string_view evidence);

  // server_witnesses.cc
  absl::StatusOr<ProofView> ProveJoin(const std::string& member) const;
  absl::Status StartWitnesses();
  void HandleFaultyWitness(const std::string& name, const ledger_anchor::FeedResult& result)
      ABSL_LOCKS_EXCLUDED(mutex);
  void HandleContradiction(const std::string& name, const ledger_anchor::FeedResult& result)
      ABSL_LOCKS_EXCLUDED(mutex);

  // server_views.cc
  SiteView ViewFor(const SiteId& site) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::StatusOr<NoticeView> NoticeOf(const LiveJob& job, const SiteId& site)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  bool WaitsForWitnesses(const LiveJob& job) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  JobView ViewOf(const LiveJob& job, bool with_history) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  SiteStatusView StatusOf(const LiveJob& job, const SiteId& site)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  const std::unique_ptr<Federation> federation;
  const ServerOptions options;
  std::optional<ledger_anchor::Store>
      sealed;  // D/sealed, when copies are sealed; set by OpenSealed

  absl::Mutex mutex;
  bool stopping ABSL_GUARDED_BY(mutex) = false;
  absl::Status failure ABSL_GUARDED_BY(mutex);  // why the server cannot go on
  std::vector<MemberRow> members ABSL_GUARDED_BY(mutex);
  std::map<JobId, LiveJob> jobs ABSL_GUARDED_BY(mutex);
  std::map<SiteId, Presence> presence ABSL_GUARDED_BY(mutex);
  uint64_t lead_version ABSL_GUARDED_BY(mutex) = 1;
  bool work ABSL_GUARDED_BY(mutex) = false;  // the conductor should look again
  absl::CondVar lead_changed;
  absl::CondVar conductor_wake;
  CounterView counters ABSL_GUARDED_BY(mutex);
  std::set<std::string> recorded_liars ABSL_GUARDED_BY(mutex);  // witnesses with an incident

  // Null: the log has none. Fixed from Create on, as calls of sites may still run after Stop.
  std::unique_ptr<Witnesses> witnesses;
  std::unique_ptr<Anchors> anchors;  // null: none configured; fixed from Create on
};

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_SERVER_CORE_H_

// What the conductor does: jobs and rounds moved on, one step at a time.
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "aggregator/advance.h"
#include "aggregator/cohort.h"
#include "aggregator/release.h"
#include "aggregator/server_core.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace hilum::aggregator {
namespace {

constexpr int64_t kRetryMs = 2000;
constexpr uint32_t kAbortedInRowLimit = 3;
constexpr int kOpenTries = 5;
constexpr absl::Duration kOpenWait = absl::Milliseconds(20);  // a few syncs of the log

// Nothing of the round is in the ledger yet.
bool IsUnlogged(const Round& round) {
  return std::holds_alternative<Recruiting>(round) || std::holds_alternative<Opening>(round);
}

}  // namespace

VectorShape ShapeOf(const privacy::RoundConfig& config) {
  return {.n_coords = config.n_coords(),
          .chunk_coords = config.chunk_coords,
          .ring_bits = config.ring_bits,
          .max_weight = config.max_weight,
          .tells_nothing = config.unit != privacy::PrivacyUnit::kNone};
}

absl::Status ServerCore::Step() {
  HILUM_RETURN_IF_ERROR(StepMembership());
  const absl::MutexLock lock(&mutex);
  for (auto& [id, job] : jobs) {
    if ((!IsActive(job.row.state) && !job.active.has_value()) || NowMs() < job.retry_at_ms) {
      continue;
    }
    const absl::Status status = StepJob(job);
    if (federation->IsBroken()) return status;
    if (!status.ok()) HandleFault(job, status);
  }
  return absl::OkStatus();
}

absl::Status ServerCore::StepMembership() {
  const absl::StatusOr<std::vector<SiteId>> left = FinishRemovals(*federation, NowS());
  if (federation->IsBroken()) return left.status();
  if (!left.ok()) {
    Log(LogLevel::kWarning, "membership waits", {{"reason", left.status()}});
    return absl::OkStatus();
  }
  if (left->empty()) return absl::OkStatus();
  const absl::MutexLock lock(&mutex);
  HILUM_RETURN_IF_ERROR(RefreshMembers());
  for (auto& [id, job] : jobs) {
    if (!job.active.has_value()) continue;
    for (const SiteId& site : *left) {
      HILUM_RETURN_IF_ERROR(Drop(job, site, "the site was removed from the federation"));
    }
    if (IsUnlogged(job.active->round)) HILUM_RETURN_IF_ERROR(BeginRound(job));
  }
  TouchAll();
  return absl::OkStatus();
}

// A fault of the computer is retried; a contradiction needs a person.
void ServerCore::HandleFault(LiveJob& job, const absl::Status& fault) {
  Log(LogLevel::kError, "job waits", {{"job", job.row.job.name}, {"reason", fault}});
  job.retry_at_ms = NowMs() + kRetryMs;
  const bool passing = absl::IsResourceExhausted(fault) || absl::IsUnavailable(fault);
  const std::string message = passing ? absl::StrCat("waiting: ", fault.message())
                                      : absl::StrCat(fault.message(), "; `hilum job resume ",
                                                     job.row.job.name, "` tries again");
  if (!passing && IsActive(job.row.state)) job.row.state = JobState::kPaused;
  job.row.message = message;
  // The disk may be full: the message is shown now and stored with the next step that succeeds.
  federation->state->PutJob(job.row).IgnoreError();
  TouchAll();
}

absl::Status ServerCore::SetState(LiveJob& job, JobState state, const std::string& message) {
  JobRow row = job.row;
  row.state = state;
  row.message = message;
  HILUM_RETURN_IF_ERROR(federation->state->PutJob(row));
  job.row = std::move(row);
  Log(LogLevel::kInfo, "job state",
      {{"job", job.row.job.name}, {"state", ToText(state)}, {"message", message}});
  TouchAll();
  return absl::OkStatus();
}

absl::Status ServerCore::StepJob(LiveJob& job) {
  if (job.row.state == JobState::kRecruiting) return StepRecruiting(job);
  if (!job.active.has_value()) {
    if (job.row.state != JobState::kRunning) return absl::OkStatus();
    return job.row.closed_round >= job.plan.rounds ? Release(job) : BeginRound(job);
  }
  if (job.row.state == JobState::kPaused) return absl::OkStatus();
  HILUM_RETURN_IF_ERROR(StepTimers(job));
  if (!job.active.has_value()) return absl::OkStatus();
  if (std::holds_alternative<Opening>(job.active->round)) return OpenRound(job);
  HILUM_RETURN_IF_ERROR(StepRestore(job));
  HILUM_RETURN_IF_ERROR(StepMasked(job));
  const Round& round = job.active->round;
  if (std::holds_alternative<Closing>(round) || std::holds_alternative<Failed>(round)) {
    return CloseRound(job);
  }
  return absl::OkStatus();
}

absl::Status ServerCore::StepRecruiting(LiveJob& job) {
  size_t n_members = 0;
  size_t n_answered = 0;
  for (const MemberRow& member : members) {
    if (member.role != "site" || member.removed) continue;
    ++n_members;
    if (job.answers.contains({member.name})) ++n_answered;
  }
  const size_t n_approved = Approved(job).size();
  const auto& cohort = job.plan.cohort;
  const bool complete = (n_members > 0 && n_answered == n_members) ||
                        (cohort.target > 0 && n_approved >= static_cast<size_t>(cohort.target));
  if (!complete && NowMs() < job.recruit_deadline_ms) return absl::OkStatus();
  if (n_approved >= static_cast<size_t>(cohort.minimum)) {
    return SetState(job, JobState::kRunning, "");
  }
  return SetState(job, JobState::kFailed,
                  absl::StrCat(n_approved, " of ", n_members, " sites approved the job, the ",
                               "minimum is ", cohort.minimum, "; the job is over and its name ",
                               "taken: to ask the sites again, launch it under another name"));
}

absl::Status ServerCore::BeginRound(LiveJob& job) {
  const bool again =
      job.active.has_value() && std::holds_alternative<Recruiting>(job.active->round);
  const int64_t deadline_ms =
      again ? job.active->deadline_ms : NowMs() + int64_t{job.plan.cohort.return_wait_s} * 1000;
  const bool over = again && std::get<Recruiting>(job.active->round).return_time_over;
  Recruiting recruiting{.facts = {.job = job.row.job,
                                  .round = {job.row.closed_round + 1},
                                  .minimum = job.plan.cohort.minimum},
                        .approved = Approved(job),
                        .connected = {},
                        .target = job.plan.cohort.target,
                        .return_time_over = over};
  const std::set<SiteId> approved = recruiting.approved;
  job.progress.clear();
  job.active.emplace();
  job.active->round = std::move(recruiting);
  job.active->deadline_ms = deadline_ms;
  for (const SiteId& site : approved) {
    const auto found = presence.find(site);
    if (found == presence.end() || found->second.n_streams == 0) continue;
    if (!std::holds_alternative<Recruiting>(job.active->round)) break;
    HILUM_RETURN_IF_ERROR(Apply(job, SiteConnected{.site = site}));
  }
  TouchLead();
  return absl::OkStatus();
}

absl::Status ServerCore::StepTimers(LiveJob& job) {
  ActiveRound& active = *job.active;
  if (job.row.state == JobState::kCancelled) {
    const bool running =
        IsOpenForSites(active.round) || std::holds_alternative<Closing>(active.round);
    if (running && active.row.close_entry.empty()) return Apply(job, RoundCancelled{});
    if (IsUnlogged(active.round)) job.active.reset();
    return absl::OkStatus();
  }
  if (std::holds_alternative<Recruiting>(active.round)) {
    if (NowMs() < active.deadline_ms || std::get<Recruiting>(active.round).return_time_over) {
      return absl::OkStatus();
    }
    return Apply(job, DeadlinePassed{});
  }
  const auto* collecting = std::get_if<Collecting>(&active.round);
  if (collecting == nullptr) return absl::OkStatus();
  const bool deadline = NowMs() >= active.deadline_ms;
  const std::vector<RosterSite> roster = collecting->roster;
  for (const RosterSite& member : roster) {
    const Presence& site = PresenceOf(member.site);
    const bool away = site.n_streams == 0 && site.n_uploads == 0 &&
                      NowMs() - site.away_since_ms >= int64_t{job.plan.cohort.grace_s} * 1000;
    if (!deadline && !away) continue;
    HILUM_RETURN_IF_ERROR(Drop(
        job, member.site,
        deadline ? absl::StrCat("its update did not come within ", job.plan.cohort.deadline_s, " s")
                 : absl::StrCat("it was away for more than ", job.plan.cohort.grace_s, " s")));
  }
  return absl::OkStatus();
}

namespace {

// What the strategy's moments are before the job's next round.
absl::StatusOr<Digest> MomentsOf(Federation& federation, const LiveJob& job) {
  if (!proto::IsAdaptive(job.plan.strategy)) return Digest{};
  const auto last = std::find_if(job.history.rbegin(), job.history.rend(),
                                 [](const RoundRow& row) { return row.status == "ok"; });
  if (last == job.history.rend()) return Digest{};
  HILUM_ASSIGN_OR_RETURN(const std::string close,
                         federation.log->ReadEntry(last->close_index.value_or(0)));
  return StateAfter(federation.store, close);
}

}  // namespace

// Sites log consents meanwhile, and the ledger takes no round-open that misses one: then it is made
// again, when the batch that came between is under a signed checkpoint.
absl::StatusOr<RoundRow> ServerCore::LogOpening(const LiveJob& job, const Opening& opening) {
  HILUM_ASSIGN_OR_RETURN(const Digest moments, MomentsOf(*federation, job));
  Publisher publisher = MakePublisher();
  if (job.plan.privacy.unit != "none") {
    HILUM_ASSIGN_OR_RETURN(publisher.rounds, federation->state->Rounds(job.row.job));
  }
  absl::Status refused;
  for (int tries = 0; tries < kOpenTries; ++tries) {
    if (tries > 0) absl::SleepFor(kOpenWait);
    const ledger_anchor::Admission ledger = federation->log->State();
    const ledger_anchor::StudyState study = ledger.chain().Study(job.row.job.name);
    const ledger_anchor::Checkpoint head = federation->log->LastCheckpoint();
    HILUM_ASSIGN_OR_RETURN(const std::vector<RosterSite> roster,
                           MakeRoster(opening.cohort, ledger.members()));
    HILUM_ASSIGN_OR_RETURN(
        RoundRow row, PrepareOpening(publisher, {.plan = job.plan,
                                                 .plan_bytes = job.row.plan,
                                                 .round = opening.facts.round,
                                                 .base_model = job.row.model,
                                                 .roster = roster,
                                                 .ledger_head = head.root,
                                                 .previous = study.prev,
                                                 .optimiser_state = moments,
                                                 .audit_days = options.audit_days,
                                                 .now_s = NowS(),
                                                 .consent = PinConsents(study, head, roster)}));
    HILUM_RETURN_IF_ERROR(federation->state->PutRound(row));
    const absl::StatusOr<ledger_anchor::LogReceipt> receipt = federation->Append(row.open_entry);
    if (receipt.ok()) {
      row.open_index = receipt->index;
      row.open_leaf = receipt->leaf_hash;
      return row;
    }
    refused = receipt.status();
    if (!absl::IsDataLoss(refused)) break;
  }
  return refused;
}

absl::Status ServerCore::OpenRound(LiveJob& job) {
  const Opening opening = std::get<Opening>(job.active->round);
  HILUM_ASSIGN_OR_RETURN(RoundRow row, LogOpening(job, opening));
  HILUM_RETURN_IF_ERROR(federation->state->PutRound(row));
  std::vector<RosterSite> roster = row.roster;
  ActiveRound& active = *job.active;
  HILUM_ASSIGN_OR_RETURN(active.config, privacy::DecodeRoundConfig(row.config));
  active.sum =
      std::make_shared<Accumulator>(&federation->store, ShapeOf(active.config), options.compute);
  active.deadline_ms = NowMs() + int64_t{job.plan.cohort.deadline_s} * 1000;
  active.row = std::move(row);
  job.row.message.clear();
  Log(LogLevel::kInfo, "round open",
      {{"job", job.row.job.name}, {"round", opening.facts.round.number}, {"sites", roster.size()}});
  const bool masked = active.config.mode != privacy::RoundMode::kOpen;
  HILUM_RETURN_IF_ERROR(Apply(job, RoundOpened{.cfg_hash = privacy::HashConfig(active.config),
                                               .roster = std::move(roster),
                                               .masked = masked}));
  TouchAll();
  return BeginAttempt(job);
}

// After a restart: the stored vectors go into the sum again, beside uploads that run already.
absl::Status ServerCore::StepRestore(LiveJob& job) {
  ActiveRound& active = *job.active;
  if (active.to_restore.empty()) return absl::OkStatus();
  const std::vector<CountedUpdate> updates = active.to_restore;
  const std::shared_ptr<Accumulator> sum = active.sum;
  absl::Status status;
  mutex.Unlock();
  for (const CountedUpdate& update : updates) {
    status = sum->AddStored(update.object, update.root);
    if (!status.ok()) break;
  }
  mutex.Lock();
  if (status.ok()) active.to_restore.clear();
  return status;
}

// The costly part, without the lock: nobody else touches a round that is being closed.
absl::StatusOr<RoundRow> ServerCore::MakeClose(const RoundRow& row, const Round& round,
                                               const CloseWork& work) {
  HILUM_ASSIGN_OR_RETURN(Publisher publisher, MakeSealingPublisher());
  work.sum->Close();  // uploads in flight end now
  HILUM_ASSIGN_OR_RETURN(const privacy::RoundConfig config, privacy::DecodeRoundConfig(row.config));
  if (config.unit != privacy::PrivacyUnit::kNone) {
    HILUM_ASSIGN_OR_RETURN(publisher.rounds, federation->state->Rounds(row.job));
  }
  if (const auto* failed = std::get_if<Failed>(&round)) {
    return PrepareAbort(publisher, row, failed->reason, NowS());
  }
  const Closing& closing = std::get<Closing>(round);
  if (work.masked != nullptr) return MakeMaskedClose(publisher, row, closing, work);
  HILUM_ASSIGN_OR_RETURN(privacy::MaskedTotal total, TotalOf(config, closing.counted, *work.sum));
  return PrepareClose(publisher, row, closing, std::move(total), NowS());
}

absl::StatusOr<privacy::MaskedTotal> ServerCore::TotalOf(const privacy::RoundConfig& config,
                                                         const std::vector<CountedUpdate>& counted,
                                                         Accumulator& sum) const {
  absl::StatusOr<privacy::MaskedTotal> total = std::move(sum).Total();
  if (total.ok() && total->n_members() == counted.size() && !total->sums().empty()) return total;
  // An earlier attempt used the sum up, a broken upload could not be taken out of it, or the
  // GPU that held it failed: the stored vectors are added again, on the CPU.
  Accumulator again(&federation->store, ShapeOf(config));
  for (const CountedUpdate& update : counted) {
    HILUM_RETURN_IF_ERROR(again.AddStored(update.object, update.root));
  }
  again.Close();
  return std::move(again).Total();
}

absl::Status ServerCore::CloseRound(LiveJob& job) {
  ActiveRound& active = *job.active;
  if (active.row.close_entry.empty()) {
    const Round round = active.round;
    const RoundRow row = active.row;
    const int64_t started_ms = NowMs();
    const CloseWork work{.sum = active.sum, .masked = active.masked, .opened = active.opened};
    mutex.Unlock();
    absl::StatusOr<RoundRow> closed = MakeClose(row, round, work);
    mutex.Lock();
    HILUM_RETURN_IF_ERROR(closed.status());
    counters.sum_seconds += static_cast<double>(NowMs() - started_ms) / 1000;
    // From here on the entry's bytes are fixed, whatever happens.
    HILUM_RETURN_IF_ERROR(federation->state->PutRound(*closed));
    active.row = *std::move(closed);
  }
  return RecordClose(job);
}

absl::Status ServerCore::RecordClose(LiveJob& job) {
  RoundRow row = job.active->row;
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::LogReceipt receipt,
                         federation->Append(row.close_entry));
  row.close_index = receipt.index;
  row.close_leaf = receipt.leaf_hash;
  if (anchors != nullptr) anchors->Want();
  HILUM_RETURN_IF_ERROR(federation->state->PutModel(row.model));
  JobRow next = job.row;
  next.model = row.model;
  next.closed_round = row.round.number;
  next.message.clear();
  const bool ok = row.status == "ok";
  next.aborted_in_row = ok ? 0 : next.aborted_in_row + 1;
  if (ok) {
    next.last_ok_round = row.round.number;
  } else if (next.aborted_in_row >= kAbortedInRowLimit && next.state == JobState::kRunning) {
    next.state = JobState::kPaused;
    next.message =
        absl::StrCat(next.aborted_in_row, " rounds in a row were aborted (the last: ", row.reason,
                     "); `hilum job resume ", row.job.name, "` goes on");
  }
  HILUM_RETURN_IF_ERROR(federation->state->CloseRound(row, next));
  HILUM_RETURN_IF_ERROR(
      Apply(job, RoundRecorded{.close_leaf = row.close_leaf, .model = row.model}));
  job.row = std::move(next);
  ok ? ++counters.rounds_ok : ++counters.rounds_aborted;
  Log(LogLevel::kInfo, "round closed",
      {{"job", row.job.name},
       {"round", row.round.number},
       {"status", row.status},
       {"model", ToHex(row.model)},
       {"reason", row.reason}});
  row.config.clear();
  row.open_entry.clear();
  row.close_entry.clear();
  job.history.push_back(std::move(row));
  job.active.reset();
  TouchAll();
  return absl::OkStatus();
}

absl::Status ServerCore::Release(LiveJob& job) {
  if (job.row.last_ok_round == 0) {
    return SetState(job, JobState::kFailed, "no round of the job made a model");
  }
  if (job.row.release_entry.empty()) {
    const RoundRow* last = nullptr;
    for (const RoundRow& row : job.history) {
      if (row.round.number == job.row.last_ok_round) last = &row;
    }
    if (last == nullptr) return absl::DataLossError("the round of the last model is not stored");
    JobRow row = job.row;
    HILUM_ASSIGN_OR_RETURN(PreparedRelease release,
                           PrepareRelease(MakePublisher(), {.row = *last,
                                                            .plan = job.plan,
                                                            .licence = options.licence,
                                                            .quorum_none = !federation->policy,
                                                            .now_s = NowS()}));
    for (const Digest& file : release.files) {
      HILUM_RETURN_IF_ERROR(federation->state->PutModel(file));
    }
    row.release_entry = std::move(release.entry);
    HILUM_RETURN_IF_ERROR(federation->state->PutJob(row));
    job.row = std::move(row);
  }
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::LogReceipt receipt,
                         federation->Append(job.row.release_entry));
  job.row.release_index = receipt.index;
  return SetState(job, JobState::kDone, "");
}

}  // namespace hilum::aggregator

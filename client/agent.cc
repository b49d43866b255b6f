#include "client/agent.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "client/backoff.h"
#include "client/jobs.h"
#include "client/ledger_gate.h"
#include "client/participate.h"
#include "client/pseudonym.h"
#include "client/round_worker.h"
#include "client/rpc.h"
#include "client/state.h"
#include "client/witness_stream.h"
#include "crypto/certificate.h"
#include "crypto/random.h"
#include "crypto/sign.h"

namespace hilum::client {
namespace {

constexpr int64_t kTickMs = 100;    // answers of `hilum site approve` are noticed in this time
constexpr int64_t kReportMs = 500;  // between two progress reports
constexpr int64_t kAnswerAgainMs = 2000;  // an answer that the server does not show yet
constexpr int64_t kRetryRoundMs = 2000;   // a round that failed for a reason that may mend
constexpr int64_t kHoldMs = 2000;         // a tick that failed for a reason that may mend
constexpr int64_t kClockSkewS = 300;

using RoundKey = std::tuple<std::string, uint64_t, uint32_t>;

RoundKey KeyOf(const RoundNotice& notice) { return {notice.job, notice.round, notice.attempt}; }

bool IsFinal(const absl::Status& status) {
  return absl::IsFailedPrecondition(status) || absl::IsPermissionDenied(status) ||
         absl::IsUnauthenticated(status);
}

uint32_t RandomWord() {
  const auto bytes = crypto::RandomArray<4>();
  return uint32_t{bytes[0]} | uint32_t{bytes[1]} << 8 | uint32_t{bytes[2]} << 16;
}

}  // namespace

struct Agent::Impl {
  SiteFolder folder;
  SiteOptions options;
  std::mutex emit_mutex;
  std::function<void(const AgentEvent&)> on_event;
  std::optional<FileLock> lock;
  std::unique_ptr<State> state;
  SiteSecret secret;
  std::optional<crypto::SigningKey> key;
  std::unique_ptr<Connection> connection;
  std::unique_ptr<RoundWorker> worker;
  std::string log_vkey;                    // of the pinned log
  std::unique_ptr<WitnessStream> witness;  // while the agent runs

  // Between the watching thread and the others.
  std::mutex mutex;
  std::condition_variable wake;
  std::optional<Snapshot> arrived;  // not yet looked at
  absl::Status final_error;
  bool stopping = false;

  // Of the main thread.
  std::optional<Snapshot> current;
  bool fresh = false;          // `current` has parts that no tick has dealt with to the end
  int64_t held_until_ms = 0;   // no tick before this time
  bool holding = false;        // said so
  std::set<RoundKey> waiting;  // rounds that wait for a reason that may mend; said so
  std::map<std::string, int64_t> answered_ms;  // job -> when the answer was last sent
  std::set<std::string> offered;
  std::set<RoundKey> started;
  std::set<RoundKey> refused;            // refusals that are in `unsent` or were sent
  std::map<RoundKey, int64_t> retry_ms;  // not before this time
  uint64_t last_run = 0;                 // of the worker, that AfterWork has looked at
  std::vector<ProgressReport> unsent;    // refusals that the server has not heard
  std::string last_report;
  int64_t last_report_ms = 0;
  bool clock_warned = false;

  void Emit(const std::string& event,
            std::vector<std::pair<std::string, std::string>> fields = {}) {
    if (on_event) on_event({event, std::move(fields)});
  }
  int64_t NowMs() const { return SystemClock().MonotonicMs(); }

  void WatchLoop();
  void StartWitness();
  void TakeSnapshot(Snapshot snapshot);
  absl::Status Tick();
  absl::Status TickOrHold();
  absl::Status ReconcileJobs();
  void SendAnswer(const JobOffer& offer, const JobRecord& job);
  absl::Status ReconcileRounds();
  absl::Status StartRound(const RoundNotice& notice);
  absl::Status CloseRounds();
  void AfterWork();
  void ReportProgress();
};

absl::StatusOr<std::unique_ptr<Agent>> Agent::Open(
    SiteFolder folder, SiteOptions options, std::function<void(const AgentEvent&)> on_event) {
  auto impl = std::make_unique<Impl>();
  impl->folder = std::move(folder);
  impl->options = std::move(options);
  impl->on_event = std::move(on_event);
  const SiteFolder& files = impl->folder;
  absl::StatusOr<FileLock> lock = FileLock::Acquire(files.lock());
  if (absl::IsFailedPrecondition(lock.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat("another agent runs with ", files.root.string(), "; stop it first."));
  }
  HILUM_RETURN_IF_ERROR(lock);
  impl->lock = *std::move(lock);
  HILUM_ASSIGN_OR_RETURN(impl->state, State::Open(files.database()));
  HILUM_ASSIGN_OR_RETURN(impl->secret, LoadSiteSecret(files.pseudonym_secret()));
  HILUM_ASSIGN_OR_RETURN(impl->key, crypto::SigningKey::Load(files.entry_key()));
  HILUM_ASSIGN_OR_RETURN(const Credentials credentials, ReadCredentials(files));
  HILUM_RETURN_IF_ERROR(MakeFolder(files.outbox()));
  HILUM_ASSIGN_OR_RETURN(const LedgerGate gate, LedgerGate::Open(files.ledger(), {}));
  impl->log_vkey = gate.log_vkey();
  impl->connection = std::make_unique<Connection>(impl->options.server, credentials);
  impl->worker = std::make_unique<RoundWorker>(RoundWorker::Site{
      files, impl->options, *impl->state, impl->secret, *impl->key, *impl->connection});
  return std::unique_ptr<Agent>(new Agent(std::move(impl)));
}

Agent::Agent(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Agent::~Agent() = default;

// Keeps the stream open: the stream is also how the server knows that the site is there.
void Agent::Impl::WatchLoop() {
  Backoff backoff;
  std::string last_reason;
  while (true) {
    bool connected = false;
    const absl::Status ended = connection->Watch([&](Snapshot snapshot) {
      if (!connected) {
        connected = true;
        backoff.Reset();
        last_reason.clear();
        Emit("connected", {{"server", options.server}});
      }
      TakeSnapshot(std::move(snapshot));
    });
    std::unique_lock guard(mutex);
    if (stopping) return;
    if (IsFinal(ended)) {
      final_error = ended;
      wake.notify_all();
      return;
    }
    if (ended.message() != last_reason) {
      last_reason = std::string(ended.message());
      Log(LogLevel::kWarning, "not connected", {{"reason", ended}});
      Emit("disconnected", {{"reason", last_reason}});
    }
    const auto wait = std::chrono::milliseconds(backoff.NextMs(RandomWord()));
    if (wake.wait_for(guard, wait, [&] { return stopping; })) return;
  }
}

// A site that joined without a witness has none.
void Agent::Impl::StartWitness() {
  std::error_code error;
  if (options.witness_program.empty() || !fs::exists(folder.witness(), error)) return;
  witness = std::make_unique<WitnessStream>(
      connection.get(),
      WitnessStreamOptions{
          .program = options.witness_program,
          .folder = folder.witness(),
          .log_vkey = log_vkey,
          .on_change = [this](const absl::Status& status) {
            const std::string reason(status.message());
            Log(LogLevel::kInfo, "witness", {{"asked", status.ok()}, {"reason", reason}});
            Emit(status.ok() ? "witnessing" : "not_witnessing", {{"reason", reason}});
          }});
}

void Agent::Impl::TakeSnapshot(Snapshot snapshot) {
  const std::lock_guard guard(mutex);
  arrived = std::move(snapshot);  // whole, so an older one that nobody looked at is not missed
  wake.notify_all();
}

// Sends the answer unless the server already shows it.
void Agent::Impl::SendAnswer(const JobOffer& offer, const JobRecord& job) {
  const bool shown = (job.answer == Answer::kApproved && offer.approved) ||
                     (job.answer == Answer::kDenied && offer.denied);
  if (job.answer == Answer::kPending || shown || IsOver(offer.state)) return;
  const std::string what = absl::StrCat(job.job, "/", ToString(job.answer));
  const auto sent = answered_ms.find(what);
  if (sent != answered_ms.end() && NowMs() - sent->second < kAnswerAgainMs) return;
  answered_ms[what] = NowMs();
  const absl::Status answered =
      connection->Answer(job.job, job.answer == Answer::kApproved, job.reason);
  if (answered.ok()) {
    Log(LogLevel::kInfo, "job answered", {{"job", job.job}, {"answer", ToString(job.answer)}});
    Emit("job_answered", {{"job", job.job},
                          {"answer", std::string(ToString(job.answer))},
                          {"by", job.answered_by},
                          {"reason", job.reason}});
  } else {
    Log(LogLevel::kWarning, "answer not sent yet", {{"job", job.job}, {"reason", answered}});
  }
}

// On every tick: an answer may have been given by `hilum site approve`, in another process.
absl::Status Agent::Impl::ReconcileJobs() {
  for (const JobOffer& offer : current->jobs) {
    const absl::Status fit = fresh ? CheckOffer(*state, offer) : absl::OkStatus();
    if (!fit.ok()) {
      Log(LogLevel::kWarning, "offer not taken", {{"reason", fit}});
    } else if (fresh) {
      HILUM_RETURN_IF_ERROR(RecordOffer(*state, options, offer));
    }
    HILUM_ASSIGN_OR_RETURN(const std::optional<JobRecord> job, state->Job(offer.job));
    if (!job.has_value()) continue;
    if (offered.insert(offer.job).second) {
      Log(LogLevel::kInfo, "job offered", {{"job", job->job}, {"answer", ToString(job->answer)}});
      Emit("job_offered", {{"job", job->job},
                           {"answer", std::string(ToString(job->answer))},
                           {"reason", job->reason}});
    }
    SendAnswer(offer, *job);
  }
  return absl::OkStatus();
}

absl::Status Agent::Impl::StartRound(const RoundNotice& notice) {
  const auto retry = retry_ms.find(KeyOf(notice));
  if (retry != retry_ms.end() && NowMs() < retry->second) return absl::OkStatus();
  HILUM_ASSIGN_OR_RETURN(const std::optional<JobRecord> job, state->Job(notice.job));
  if (!job.has_value() || job->answer != Answer::kApproved) return absl::OkStatus();
  HILUM_ASSIGN_OR_RETURN(const std::optional<RoundRecord> record,
                         state->Round(notice.job, notice.round, notice.attempt));
  if (record.has_value() && record->phase == "accepted") return absl::OkStatus();
  if (record.has_value() && record->phase == "refused") {
    // Said again after a restart: the server may not have heard it.
    if (refused.insert(KeyOf(notice)).second) {
      unsent.push_back(
          {notice.job, notice.round, "refused", 0, ReasonForServer(record->reason, folder)});
    }
    return absl::OkStatus();
  }
  if (!worker->Start(notice)) return absl::OkStatus();
  if (started.insert(KeyOf(notice)).second) {
    Emit("round_started", {{"job", notice.job}, {"round", absl::StrCat(notice.round)}});
  }
  return absl::OkStatus();
}

absl::Status Agent::Impl::ReconcileRounds() {
  for (const RoundNotice& notice : current->rounds) {
    if (!notice.update_accepted && !worker->busy()) HILUM_RETURN_IF_ERROR(StartRound(notice));
  }
  const std::optional<WorkerProgress> work = worker->Progress();
  if (worker->busy()) {
    const bool listed =
        std::any_of(current->rounds.begin(), current->rounds.end(), [&](const RoundNotice& notice) {
          return RoundKey(work->job, work->round, work->attempt) == KeyOf(notice);
        });
    // A round that the server no longer lists is over, or this site was dropped from it.
    if (!listed) worker->Cancel();
  }
  return fresh ? CloseRounds() : absl::OkStatus();
}

// Brings the records in step with the snapshot: rounds that are no longer open, and updates that
// the server has although its receipt never arrived. The words of a round that is over are removed.
absl::Status Agent::Impl::CloseRounds() {
  if (worker->busy()) return absl::OkStatus();
  HILUM_ASSIGN_OR_RETURN(const std::vector<RoundRecord> records, state->Rounds());
  std::map<RoundKey, bool> open;  // -> the server has the update
  for (const RoundNotice& notice : current->rounds) open[KeyOf(notice)] = notice.update_accepted;
  for (RoundRecord record : records) {
    const auto found = open.find({record.job, record.round, record.attempt});
    const bool is_open = found != open.end();
    const bool settled =
        record.phase == "accepted" || record.phase == "refused" || record.phase == "dropped";
    if (!settled && (!is_open || found->second)) {
      record.phase = is_open ? "accepted" : "dropped";
      if (!is_open) record.reason = "the round ended without this site's update";
      HILUM_RETURN_IF_ERROR(state->PutRound(record));
    }
    if (!is_open && record.n_bytes > 0) {
      DiscardUpdate(folder.outbox(), record.job, record.round, record.attempt);
    }
  }
  return absl::OkStatus();
}

// What follows from a round that the worker has left, once for each run of the worker.
void Agent::Impl::AfterWork() {
  const std::optional<WorkerProgress> work = worker->Progress();
  if (!work.has_value() || worker->busy() || work->run == last_run) return;
  last_run = work->run;
  const RoundKey key(work->job, work->round, work->attempt);
  if (work->phase == "failed") {
    retry_ms[key] = NowMs() + kRetryRoundMs;
    if (waiting.insert(key).second) {
      Emit("waiting",
           {{"job", work->job}, {"round", absl::StrCat(work->round)}, {"reason", work->reason}});
    }
    return;
  }
  started.erase(key);
  waiting.erase(key);
  Emit("round_ended", {{"job", work->job},
                       {"round", absl::StrCat(work->round)},
                       {"phase", work->phase},
                       {"reason", work->reason}});
}

void Agent::Impl::ReportProgress() {
  const int64_t now = NowMs();
  if (now - last_report_ms < kReportMs) return;
  while (!unsent.empty()) {
    last_report_ms = now;
    if (!connection->Report(unsent.front()).ok()) return;
    unsent.erase(unsent.begin());
  }
  const std::optional<WorkerProgress> work = worker->Progress();
  if (!worker->busy() || !work.has_value()) return;
  if (work->phase != "training" && work->phase != "sending") return;
  const std::string report =
      absl::StrCat(work->job, "/", work->round, "/", work->phase, "/", work->percent);
  if (report == last_report) return;
  last_report_ms = now;
  if (connection->Report({work->job, work->round, work->phase, work->percent, ""}).ok()) {
    last_report = report;
  }
}

absl::Status Agent::Impl::Tick() {
  {
    const std::lock_guard guard(mutex);
    fresh = fresh || arrived.has_value();
    if (arrived.has_value()) current = std::exchange(arrived, std::nullopt);
  }
  AfterWork();
  if (current.has_value()) {
    const int64_t skew = current->server_time_s - SystemClock().NowSeconds();
    if (std::llabs(skew) > kClockSkewS && !std::exchange(clock_warned, true)) {
      Log(LogLevel::kWarning, "clocks differ", {{"seconds", skew}});
    }
    HILUM_RETURN_IF_ERROR(ReconcileJobs());
    HILUM_RETURN_IF_ERROR(ReconcileRounds());
    fresh = false;
  }
  ReportProgress();
  return absl::OkStatus();
}

// A tick. What may mend, a full disk above all, is waited out: the site stays connected, takes no
// step that it could not record, and goes on by itself.
absl::Status Agent::Impl::TickOrHold() {
  if (NowMs() < held_until_ms) return absl::OkStatus();
  const absl::Status status = Tick();
  if (status.ok()) {
    if (std::exchange(holding, false)) Log(LogLevel::kInfo, "agent goes on");
    return status;
  }
  if (!MayMend(status)) return status;
  held_until_ms = NowMs() + kHoldMs;
  if (std::exchange(holding, true)) return absl::OkStatus();
  Log(LogLevel::kError, "agent waits", {{"reason", status}});
  Emit("waiting", {{"job", ""}, {"round", ""}, {"reason", std::string(status.message())}});
  return absl::OkStatus();
}

absl::Status Agent::Run(const std::atomic<bool>& stop) {
  Impl& impl = *impl_;
  std::thread watching([&] { impl.WatchLoop(); });
  impl.Emit("ready", {{"site", impl.options.site}});
  impl.StartWitness();
  absl::Status ended;
  while (!stop && ended.ok()) {
    ended = impl.TickOrHold();
    std::unique_lock guard(impl.mutex);
    if (ended.ok() && !impl.final_error.ok()) ended = impl.final_error;
    if (!ended.ok()) break;
    impl.wake.wait_for(guard, std::chrono::milliseconds(kTickMs), [&] {
      const bool held = impl.NowMs() < impl.held_until_ms;
      return stop || (impl.arrived.has_value() && !held) || !impl.final_error.ok();
    });
  }
  {
    const std::lock_guard guard(impl.mutex);
    impl.stopping = true;
  }
  impl.wake.notify_all();
  impl.connection->StopWatch();
  watching.join();
  impl.witness.reset();
  impl.worker.reset();  // cancels and waits
  return ended;
}

}  // namespace hilum::client

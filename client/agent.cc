#include "client/agent.h"

#include <chrono>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "client/agent_impl.h"
#include "client/backoff.h"
#include "client/ledger_gate.h"
#include "client/rotation.h"
#include "client/round_worker.h"
#include "client/rpc.h"
#include "client/state.h"
#include "client/witness_stream.h"
#include "crypto/certificate.h"
#include "crypto/sign.h"

namespace hilum::client {
namespace {

constexpr int64_t kTickMs = 100;    // answers of `hilum site approve` are noticed in this time
constexpr int64_t kReportMs = 500;  // between two progress reports
constexpr int64_t kHoldMs = 2000;   // a tick that failed for a reason that may mend
constexpr int64_t kClockSkewS = 300;

bool IsFinal(const absl::Status& status) {
  return absl::IsFailedPrecondition(status) || absl::IsPermissionDenied(status) ||
         absl::IsUnauthenticated(status);
}

}  // namespace

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
  HILUM_ASSIGN_OR_RETURN(impl->consents, ConsentStore::Open(files.consents()));
  HILUM_ASSIGN_OR_RETURN(impl->secret, LoadSiteSecret(files.pseudonym_secret()));
  HILUM_ASSIGN_OR_RETURN(impl->key, OpenEntryKey(files));
  HILUM_ASSIGN_OR_RETURN(const Credentials credentials, ReadCredentials(files));
  HILUM_RETURN_IF_ERROR(MakeFolder(files.outbox()));
  HILUM_ASSIGN_OR_RETURN(const LedgerGate gate, LedgerGate::Open(files.ledger(), {}));
  impl->log_vkey = gate.log_vkey();
  impl->connection = std::make_unique<Connection>(impl->options.server, credentials);
  impl->worker = std::make_unique<RoundWorker>(
      RoundWorker::Site{files, impl->options, *impl->state, impl->secret, *impl->key,
                        *impl->connection, impl->consents.get()});
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
    FollowConsents();
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

#include "client/round_worker.h"

#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "client/backoff.h"
#include "client/budget.h"
#include "client/checked_round.h"
#include "client/ledger_gate.h"
#include "client/masked_round.h"
#include "client/participate.h"
#include "client/round_check.h"
#include "client/stop_flag.h"
#include "client/submit_entry.h"
#include "crypto/secret.h"

namespace hilum::client {
namespace {

// Aborted: the masked round went on without this site.
absl::Status WithoutUs(const absl::Status& status) {
  return absl::IsFailedPrecondition(status) ? absl::AbortedError(status.message()) : status;
}

}  // namespace

struct RoundWorker::Impl {
  explicit Impl(Site s) : site(s) {}

  Site site;
  std::thread thread;
  StopFlag stop;
  std::atomic<bool> busy = false;
  mutable std::mutex mutex;
  std::optional<WorkerProgress> progress;
  uint64_t runs = 0;
  std::shared_ptr<MaskedRound> masked;  // while one is at work
  RoundNotice newest;                   // of the round at work

  void SetPhase(const std::string& phase, uint32_t percent, const std::string& reason = "") {
    const std::lock_guard lock(mutex);
    progress->phase = phase;
    progress->percent = percent;
    progress->reason = reason;
  }

  void Cancel() {
    stop.Set();
    const std::lock_guard lock(mutex);
    if (masked != nullptr) masked->Cancel();
  }

  // Runs `work` with the gate and the edges of a round.
  absl::Status WithContext(const std::function<absl::Status(const RoundContext&)>& work);
  void RunCheck(const std::string& job, uint64_t round);
  bool Begin(WorkerProgress work, const RoundNotice& notice);
  absl::Status RunOpen(const RoundNotice& notice);
  absl::Status RunMasked(const RoundNotice& notice);
  absl::StatusOr<std::unique_ptr<MaskedRound>> MakeMasked(const RoundContext& context,
                                                          const CheckedRound& round);
  absl::StatusOr<TrainedInput> TrainPatiently(const RoundContext& context,
                                              const CheckedRound& round);
  absl::Status Send(const SignedUpdate& update);
  absl::Status Record(const SignedUpdate& update, const std::string& phase);
  absl::Status RecordEnd(const RoundNotice& notice, const std::string& phase,
                         const absl::Status& why);
  void SetMasked(std::shared_ptr<MaskedRound> round) {
    const std::lock_guard lock(mutex);
    masked = std::move(round);
    if (masked == nullptr) return;
    masked->Update(newest);
    if (stop.IsSet()) masked->Cancel();
  }
  void Run(const RoundNotice& notice);
};

absl::Status RoundWorker::Impl::WithContext(
    const std::function<absl::Status(const RoundContext&)>& work) {
  HILUM_ASSIGN_OR_RETURN(
      LedgerGate gate,
      LedgerGate::Open(site.folder.ledger(),
                       {.faults = site.options.faults,
                        .max_cosignature_age_s = site.options.max_cosignature_age_s}));
  const RoundContext context{
      .folder = site.folder,
      .options = site.options,
      .state = site.state,
      .gate = gate,
      .secret = site.secret,
      .key = site.key,
      .now_s = SystemClock().NowSeconds(),
      .prove =
          [&](uint64_t old_size, uint64_t new_size) {
            return site.connection.ProveConsistency(old_size, new_size);
          },
      .consents = site.consents,
      .log_entry =
          [&](const std::string& entry) {
            return SubmitProven(site.connection, gate, site.key.public_key(), entry,
                                SystemClock().NowSeconds());
          },
      .fetch_rotation =
          [&](const std::string& member, uint64_t nth) {
            return site.connection.FetchRotationProof(member, nth);
          },
      .fetch_model =
          [&](const Digest& sha256, uint64_t limit) {
            return site.connection.FetchModel(sha256, limit, stop.flag());
          },
      .fetch_proof =
          [&](const std::string& job, uint64_t round, const std::string& type) {
            return site.connection.FetchRoundProof(job, round, type);
          },
      .fetch_object =
          [&](const RoundObject& object, uint64_t limit) {
            return site.connection.FetchObject(object, limit, stop.flag());
          },
      .on_training = [&](uint32_t percent) { SetPhase("training", percent); },
      .cancel = stop.flag()};
  return work(context);
}

void RoundWorker::Impl::RunCheck(const std::string& job, uint64_t round) {
  const absl::Status ended = WithContext(
      [&](const RoundContext& context) { return CheckClosedRound(context, job, round).status(); });
  if (absl::IsCancelled(ended)) {
    SetPhase("cancelled", 0);
  } else if (ended.ok()) {
    SetPhase("checked", 100);
  } else {
    Log(LogLevel::kWarning, "round not checked yet",
        {{"job", job}, {"round", round}, {"reason", ended}});
    SetPhase("failed", 100, std::string(ended.message()));
  }
  busy = false;
}

absl::Status RoundWorker::Impl::RunOpen(const RoundNotice& notice) {
  return WithContext([&](const RoundContext& context) -> absl::Status {
    HILUM_ASSIGN_OR_RETURN(const SignedUpdate update, TakePart(context, notice));
    return Send(update);
  });
}

absl::StatusOr<std::unique_ptr<MaskedRound>> RoundWorker::Impl::MakeMasked(
    const RoundContext& context, const CheckedRound& round) {
  MaskedRound::Options options{
      .context = nullptr,
      .facts = round.facts,
      .floors = {},
      .key = &site.key,
      .site_secret = crypto::DeriveKey(site.secret.bytes, AsBytes("hilum/site/masked-rounds")),
      .state = &site.state,
      .outbox = site.folder.outbox(),
      .send = [this](const FlightPlace& place,
                     ByteView message) { return site.connection.SendFlight(place, message); },
      .fetch = [this](const FlightPlace& place,
                      uint64_t limit) { return site.connection.FetchFlight(place, limit); }};
  HILUM_ASSIGN_OR_RETURN(options.floors, FloorsOf(context, round));
  HILUM_ASSIGN_OR_RETURN(const std::optional<SpendRow> spend, ChargeOf(context, round));
  if (spend.has_value()) {
    options.charge = [this, spend] { return Charge(site.state, site.options, *spend); };
  }
  HILUM_ASSIGN_OR_RETURN(options.context, privacy::secagg::Context::Create(
                                              {.config = round.config,
                                               .attempt = static_cast<uint8_t>(round.facts.attempt),
                                               .server_key = context.gate.pins().entry_key}));
  return std::make_unique<MaskedRound>(std::move(options));
}

// A masked attempt cannot be begun again, so a server that is away for a moment is waited for.
absl::StatusOr<TrainedInput> RoundWorker::Impl::TrainPatiently(const RoundContext& context,
                                                               const CheckedRound& round) {
  Backoff backoff;
  while (true) {
    absl::StatusOr<TrainedInput> trained = TrainInput(context, round);
    if (trained.ok() || !MayMend(trained.status())) return trained;
    Log(LogLevel::kWarning, "training waits", {{"reason", trained.status()}});
    if (!stop.Sleep(backoff.NextMs(RandomWord()))) return absl::CancelledError("the round is over");
  }
}

// Keys and shares go back and forth while the films are trained on; then vector, vote and answer.
absl::Status RoundWorker::Impl::RunMasked(const RoundNotice& notice) {
  return WithContext([&](const RoundContext& context) -> absl::Status {
    HILUM_ASSIGN_OR_RETURN(const CheckedRound round, CheckNotice(context, notice));
    // Whoever leaves after its keys are out makes the attempt void for all.
    HILUM_RETURN_IF_ERROR(CheckFilms(context, round));
    HILUM_ASSIGN_OR_RETURN(std::shared_ptr<MaskedRound> flights, MakeMasked(context, round));
    SetMasked(flights);
    absl::Status prepared;
    std::thread keys([&] {
      prepared = flights->Prepare();
      if (!prepared.ok()) Cancel();  // no need to train any further, nor to wait for it
    });
    absl::StatusOr<TrainedInput> trained = TrainPatiently(context, round);
    if (!trained.ok()) flights->Cancel();
    keys.join();
    if (!prepared.ok() && !absl::IsCancelled(prepared)) return WithoutUs(prepared);
    HILUM_RETURN_IF_ERROR(trained.status());
    HILUM_RETURN_IF_ERROR(prepared);
    HILUM_ASSIGN_OR_RETURN(const SignedUpdate update,
                           flights->Mask(std::move(trained->input), trained->record));
    const absl::Status sent = Send(update);
    // The receipt may be lost while the round goes on.
    if (!sent.ok() && !flights->IsAccepted()) return WithoutUs(sent);
    return WithoutUs(flights->Finish());
  });
}

absl::Status RoundWorker::Impl::Record(const SignedUpdate& update, const std::string& phase) {
  const UpdateFacts& facts = update.facts();
  HILUM_ASSIGN_OR_RETURN(std::optional<RoundRecord> record,
                         site.state.Round(facts.job, facts.round, facts.attempt));
  if (!record.has_value()) return absl::InternalError("the round's record is gone");
  record->phase = phase;
  // Of a masked vector it is not known before the vector is stored.
  record->signature.assign(update.signature().bytes.begin(), update.signature().bytes.end());
  if (record->sent_at_s == 0) record->sent_at_s = SystemClock().NowSeconds();
  return site.state.PutRound(*record);
}

// Sends until the server has it. What has left is on record before it leaves.
absl::Status RoundWorker::Impl::Send(const SignedUpdate& update) {
  SetPhase("sending", 0);
  HILUM_RETURN_IF_ERROR(Record(update, "sent"));
  Backoff backoff;
  while (true) {
    if (stop.IsSet()) return absl::CancelledError("the round is over");
    const absl::StatusOr<Receipt> receipt = site.connection.SubmitUpdate(update);
    if (receipt.ok()) {
      Log(LogLevel::kInfo, "update accepted",
          {{"job", update.facts().job},
           {"round", update.facts().round},
           {"bytes", update.n_bytes()},
           {"root", ToHex(update.root())},
           {"masking", update.masking()}});
      return Record(update, "accepted");
    }
    if (!MayMend(receipt.status())) return receipt.status();
    Log(LogLevel::kWarning, "update not sent yet", {{"reason", receipt.status()}});
    if (!stop.Sleep(backoff.NextMs(RandomWord()))) return absl::CancelledError("the round is over");
  }
}

absl::Status RoundWorker::Impl::RecordEnd(const RoundNotice& notice, const std::string& phase,
                                          const absl::Status& why) {
  HILUM_ASSIGN_OR_RETURN(const std::optional<RoundRecord> known,
                         site.state.Round(notice.job, notice.round, notice.attempt));
  RoundRecord record = known.value_or(RoundRecord{});
  record.job = notice.job;
  record.round = notice.round;
  record.attempt = notice.attempt;
  if (record.started_at_s == 0) record.started_at_s = SystemClock().NowSeconds();
  record.phase = phase;
  record.reason = std::string(why.message());
  return site.state.PutRound(record);
}

void RoundWorker::Impl::Run(const RoundNotice& notice) {
  const bool is_masked = notice.flight != 0;
  absl::Status ended = is_masked ? RunMasked(notice) : RunOpen(notice);
  SetMasked(nullptr);
  // A masked round that went on without this site is no refusal of it; the next attempt is new.
  const bool dropped = absl::IsAborted(ended);
  const std::string phase = dropped ? "dropped" : "refused";
  // A refusal counts once it is on record: without that, the round would be begun again at once.
  if (!ended.ok() && !absl::IsCancelled(ended) && !MayMend(ended)) {
    const absl::Status recorded = RecordEnd(notice, phase, ended);
    if (!recorded.ok()) ended = recorded;
  }
  if (ended.ok()) {
    SetPhase("accepted", 100);
  } else if (absl::IsCancelled(ended)) {
    SetPhase("cancelled", 0);
  } else if (MayMend(ended)) {
    Log(LogLevel::kWarning, "round not done yet", {{"job", notice.job}, {"reason", ended}});
    SetPhase("failed", 0, std::string(ended.message()));
  } else {
    Log(LogLevel::kError, absl::StrCat("round ", phase),
        {{"job", notice.job}, {"round", notice.round}, {"reason", ended}});
    SetPhase(phase, 0, std::string(ended.message()));
  }
  busy = false;
}

RoundWorker::RoundWorker(Site site) : impl_(std::make_unique<Impl>(site)) {}

RoundWorker::~RoundWorker() {
  impl_->Cancel();
  if (impl_->thread.joinable()) impl_->thread.join();
}

// False: it is at work. Otherwise the caller starts the thread.
bool RoundWorker::Impl::Begin(WorkerProgress work, const RoundNotice& notice) {
  if (busy) return false;
  if (thread.joinable()) thread.join();
  stop.Clear();
  busy = true;
  const std::lock_guard lock(mutex);
  newest = notice;
  work.run = ++runs;
  progress = std::move(work);
  return true;
}

bool RoundWorker::Start(const RoundNotice& notice) {
  const WorkerProgress work{
      .job = notice.job, .round = notice.round, .attempt = notice.attempt, .phase = "training"};
  if (!impl_->Begin(work, notice)) return false;
  impl_->thread = std::thread([impl = impl_.get(), notice] { impl->Run(notice); });
  return true;
}

bool RoundWorker::Check(const std::string& job, uint64_t round) {
  const WorkerProgress work{.job = job, .round = round, .check = true, .phase = "checking"};
  if (!impl_->Begin(work, RoundNotice{})) return false;
  impl_->thread = std::thread([impl = impl_.get(), job, round] { impl->RunCheck(job, round); });
  return true;
}

void RoundWorker::Update(const RoundNotice& notice) {
  const std::lock_guard lock(impl_->mutex);
  const RoundNotice& own = impl_->newest;
  if (own.job != notice.job || own.round != notice.round || own.attempt != notice.attempt) return;
  if (own.flight == notice.flight && own.flight_digest == notice.flight_digest &&
      own.update_accepted == notice.update_accepted) {
    return;  // nothing that a round goes by
  }
  impl_->newest = notice;
  if (impl_->masked != nullptr) impl_->masked->Update(notice);
}

void RoundWorker::Cancel() { impl_->Cancel(); }

bool RoundWorker::busy() const { return impl_->busy; }

std::optional<WorkerProgress> RoundWorker::Progress() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->progress;
}

}  // namespace hilum::client

#include "client/round_worker.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "client/backoff.h"
#include "client/ledger_gate.h"
#include "client/participate.h"
#include "client/submit_entry.h"
#include "crypto/random.h"

namespace hilum::client {
namespace {

uint32_t RandomWord() {
  const auto bytes = crypto::RandomArray<4>();
  return uint32_t{bytes[0]} | uint32_t{bytes[1]} << 8 | uint32_t{bytes[2]} << 16;
}

}  // namespace

struct RoundWorker::Impl {
  explicit Impl(Site s) : site(s) {}

  Site site;
  std::thread thread;
  std::atomic<bool> cancel = false;
  std::atomic<bool> busy = false;
  mutable std::mutex mutex;
  std::condition_variable wake;
  std::optional<WorkerProgress> progress;
  uint64_t runs = 0;

  void SetPhase(const std::string& phase, uint32_t percent, const std::string& reason = "") {
    const std::lock_guard lock(mutex);
    progress->phase = phase;
    progress->percent = percent;
    progress->reason = reason;
  }

  // False: cancelled meanwhile.
  bool Sleep(int64_t ms) {
    std::unique_lock lock(mutex);
    return !wake.wait_for(lock, std::chrono::milliseconds(ms), [&] { return cancel.load(); });
  }

  absl::StatusOr<SignedUpdate> Train(const RoundNotice& notice);
  absl::Status Send(const SignedUpdate& update);
  absl::Status Record(const SignedUpdate& update, const std::string& phase);
  absl::Status RecordEnd(const RoundNotice& notice, const absl::Status& why);
  void Run(const RoundNotice& notice);
};

absl::StatusOr<SignedUpdate> RoundWorker::Impl::Train(const RoundNotice& notice) {
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
      .fetch_model = [&](const Digest& sha256,
                         uint64_t limit) { return site.connection.FetchModel(sha256, limit); },
      .on_training = [&](uint32_t percent) { SetPhase("training", percent); },
      .cancel = &cancel};
  return TakePart(context, notice);
}

absl::Status RoundWorker::Impl::Record(const SignedUpdate& update, const std::string& phase) {
  const UpdateFacts& facts = update.facts();
  HILUM_ASSIGN_OR_RETURN(std::optional<RoundRecord> record,
                         site.state.Round(facts.job, facts.round, facts.attempt));
  if (!record.has_value()) return absl::InternalError("the round's record is gone");
  record->phase = phase;
  if (record->sent_at_s == 0) record->sent_at_s = SystemClock().NowSeconds();
  return site.state.PutRound(*record);
}

// Sends until the server has it. What has left is on record before it leaves.
absl::Status RoundWorker::Impl::Send(const SignedUpdate& update) {
  SetPhase("sending", 0);
  HILUM_RETURN_IF_ERROR(Record(update, "sent"));
  Backoff backoff;
  while (true) {
    if (cancel) return absl::CancelledError("the round is over");
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
    if (!Sleep(backoff.NextMs(RandomWord()))) return absl::CancelledError("the round is over");
  }
}

absl::Status RoundWorker::Impl::RecordEnd(const RoundNotice& notice, const absl::Status& why) {
  HILUM_ASSIGN_OR_RETURN(const std::optional<RoundRecord> known,
                         site.state.Round(notice.job, notice.round, notice.attempt));
  RoundRecord record = known.value_or(RoundRecord{});
  record.job = notice.job;
  record.round = notice.round;
  record.attempt = notice.attempt;
  if (record.started_at_s == 0) record.started_at_s = SystemClock().NowSeconds();
  record.phase = "refused";
  record.reason = std::string(why.message());
  return site.state.PutRound(record);
}

void RoundWorker::Impl::Run(const RoundNotice& notice) {
  absl::Status ended;
  {
    absl::StatusOr<SignedUpdate> update = Train(notice);
    ended = update.status();
    if (update.ok()) ended = Send(*update);
  }
  // A refusal counts once it is on record: without that, the round would be begun again at once.
  if (!ended.ok() && !absl::IsCancelled(ended) && !MayMend(ended)) {
    const absl::Status recorded = RecordEnd(notice, ended);
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
    Log(LogLevel::kError, "round refused",
        {{"job", notice.job}, {"round", notice.round}, {"reason", ended}});
    SetPhase("refused", 0, std::string(ended.message()));
  }
  busy = false;
}

RoundWorker::RoundWorker(Site site) : impl_(std::make_unique<Impl>(site)) {}

RoundWorker::~RoundWorker() {
  Cancel();
  if (impl_->thread.joinable()) impl_->thread.join();
}

bool RoundWorker::Start(const RoundNotice& notice) {
  if (impl_->busy) return false;
  if (impl_->thread.joinable()) impl_->thread.join();
  impl_->cancel = false;
  impl_->busy = true;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->progress = WorkerProgress{.job = notice.job,
                                     .round = notice.round,
                                     .attempt = notice.attempt,
                                     .run = ++impl_->runs,
                                     .phase = "training"};
  }
  impl_->thread = std::thread([impl = impl_.get(), notice] { impl->Run(notice); });
  return true;
}

void RoundWorker::Cancel() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->cancel = true;
  }
  impl_->wake.notify_all();
}

bool RoundWorker::busy() const { return impl_->busy; }

std::optional<WorkerProgress> RoundWorker::Progress() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->progress;
}

}  // namespace hilum::client

// The agent's rounds: what the server lists against what the worker does and the site remembers.
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "client/agent_impl.h"
#include "client/jobs.h"
#include "client/participate.h"
#include "client/rotation.h"
#include "client/round_check.h"
#include "privacy/round_config.h"
#include "privacy/secagg/flight.h"
#include "privacy/secagg/journal.h"

namespace hilum::client {
namespace {

constexpr int64_t kUnlistedMs = 60'000;  // a round at work that the server does not list
constexpr int64_t kRetryRoundMs = 2000;  // a round that failed for a reason that may mend

MaskedRow AnswerKey(const std::string& job, uint64_t round, uint32_t attempt) {
  return {.job = job, .round = round, .attempt = attempt, .kind = "answer", .record = {}};
}

}  // namespace

// A key-rotate of this site counts from the round whose roster holds the next key. The worker is
// idle now, so the key can change under it.
absl::Status Agent::Impl::UseKeyOfRoster(const RoundNotice& notice) {
  std::error_code error;
  if (worker->busy() || !fs::exists(folder.next_entry_key(), error)) return absl::OkStatus();
  const absl::StatusOr<privacy::RoundConfig> config = privacy::DecodeRoundConfig(notice.config);
  if (!config.ok()) return absl::OkStatus();  // TakePart says what is wrong with it
  std::vector<crypto::PublicKey> roster;
  for (const privacy::RosterEntry& entry : config->roster) roster.push_back(entry.key);
  return ChangeKey(roster);
}

absl::Status Agent::Impl::ChangeKey(const std::vector<crypto::PublicKey>& valid) {
  HILUM_ASSIGN_OR_RETURN(std::optional<crypto::SigningKey> changed, ChangeOver(folder, valid));
  if (!changed.has_value()) return absl::OkStatus();
  *key = *std::move(changed);
  Log(LogLevel::kInfo, "entry key changed", {{"key", crypto::ToBase64(key->public_key())}});
  return absl::OkStatus();
}

// Whether an earlier round of the job failed this site's check: then it keeps out, and says so to
// the server once a round.
absl::StatusOr<bool> Agent::Impl::IsHalted(const RoundNotice& notice) {
  HILUM_ASSIGN_OR_RETURN(const std::string reason, HaltReason(*state, notice.job));
  if (reason.empty()) return false;
  if (refused.insert(KeyOf(notice)).second) {
    Emit("alarm", {{"job", notice.job}, {"round", absl::StrCat(notice.round)}, {"reason", reason}});
    unsent.push_back({notice.job, notice.round, "refused", 0,
                      "an earlier round failed this site's own check; its operator decides",
                      notice.attempt});
  }
  return true;
}

absl::Status Agent::Impl::StartRound(const RoundNotice& notice) {
  const auto retry = retry_ms.find(KeyOf(notice));
  if (retry != retry_ms.end() && NowMs() < retry->second) return absl::OkStatus();
  HILUM_ASSIGN_OR_RETURN(const std::optional<JobRecord> job, state->Job(notice.job));
  if (!job.has_value() || job->answer != Answer::kApproved) return absl::OkStatus();
  HILUM_ASSIGN_OR_RETURN(const std::optional<RoundRecord> record,
                         state->Round(notice.job, notice.round, notice.attempt));
  if (record.has_value() && record->phase == "accepted") return absl::OkStatus();
  // A masked attempt is begun once: its keys were in memory only.
  if (record.has_value() && record->phase == "dropped" && notice.flight != 0) {
    return absl::OkStatus();
  }
  if (record.has_value() && record->phase == "refused") {
    // Said again after a restart: the server may not have heard it.
    if (refused.insert(KeyOf(notice)).second) {
      unsent.push_back({notice.job, notice.round, "refused", 0,
                        ReasonForServer(record->reason, folder), notice.attempt});
    }
    return absl::OkStatus();
  }
  HILUM_ASSIGN_OR_RETURN(const bool halted, IsHalted(notice));
  if (halted) return absl::OkStatus();
  HILUM_RETURN_IF_ERROR(UseKeyOfRoster(notice));
  if (!worker->Start(notice)) return absl::OkStatus();
  if (started.insert(KeyOf(notice)).second) {
    Emit("round_started", {{"job", notice.job}, {"round", absl::StrCat(notice.round)}});
  }
  return absl::OkStatus();
}

// An answer of a masked round that was stored but may not have arrived: sent again as it is.
absl::Status Agent::Impl::ResendAnswer(const RoundNotice& notice) {
  constexpr auto kAnswer = NumberOf(privacy::secagg::Flight::kAnswer);
  if (notice.flight != kAnswer || notice.flight_answered) return absl::OkStatus();
  const auto retry = retry_ms.find(KeyOf(notice));
  if (retry != retry_ms.end() && NowMs() < retry->second) return absl::OkStatus();
  HILUM_ASSIGN_OR_RETURN(const std::optional<Bytes> record,
                         state->Masked(AnswerKey(notice.job, notice.round, notice.attempt)));
  if (!record.has_value()) return absl::OkStatus();
  HILUM_ASSIGN_OR_RETURN(const privacy::secagg::AnswerRecord answer,
                         privacy::secagg::DecodeAnswerRecord(*record));
  retry_ms[KeyOf(notice)] = NowMs() + kRetryRoundMs;
  const absl::Status sent =
      connection->SendFlight({notice.job, notice.round, notice.attempt, kAnswer}, answer.message);
  Log(LogLevel::kInfo, "answer sent again", {{"job", notice.job}, {"outcome", sent}});
  return absl::OkStatus();
}

absl::Status Agent::Impl::ReconcileRounds() {
  for (const RoundNotice& notice : current->rounds) {
    worker->Update(notice);
    if (notice.flight != 0) masked_ms[notice.job] = NowMs();
    if (!worker->busy()) HILUM_RETURN_IF_ERROR(ResendAnswer(notice));
    if (!notice.update_accepted && !worker->busy()) HILUM_RETURN_IF_ERROR(StartRound(notice));
  }
  const bool checks = worker->busy() && worker->Progress()->check;
  if (worker->busy() && !checks && IsOverAtServer()) worker->Cancel();
  if (fresh) HILUM_RETURN_IF_ERROR(CloseRounds());
  return CheckRounds();
}

// Whether the round at work is over, or this site was dropped from it. A server that has just been
// started, or waits for its witnesses, does not list a round that goes on; and a masked attempt
// that is given up cannot be begun again. So a round that is merely not listed is given some time.
bool Agent::Impl::IsOverAtServer() {
  const std::optional<WorkerProgress> work = worker->Progress();
  const RoundStanding standing =
      StandingOf(*current, {.job = work->job, .round = work->round, .attempt = work->attempt});
  if (standing == RoundStanding::kListed) unlisted_since_ms = 0;
  if (standing != RoundStanding::kNotListed) return standing == RoundStanding::kOver;
  if (unlisted_since_ms == 0) unlisted_since_ms = NowMs();
  return NowMs() - unlisted_since_ms >= kUnlistedMs;
}

// Brings the records in step with the snapshot: rounds that are no longer open, and updates that
// the server has although its receipt never arrived. The words of a round that is over are removed.
absl::Status Agent::Impl::CloseRounds() {
  if (worker->busy() && !worker->Progress()->check) return absl::OkStatus();
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
      HILUM_RETURN_IF_ERROR(
          state->EraseMasked(AnswerKey(record.job, record.round, record.attempt)));
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
  if (work->check) {
    AfterCheck(*work);
    return;
  }
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
  if (work->phase == "dropped") {
    // So that the others need not wait for this site until the deadline.
    unsent.push_back({work->job, work->round, "refused", 0, ReasonForServer(work->reason, folder),
                      work->attempt});
  }
  Emit("round_ended", {{"job", work->job},
                       {"round", absl::StrCat(work->round)},
                       {"phase", work->phase},
                       {"reason", work->reason}});
}

}  // namespace hilum::client

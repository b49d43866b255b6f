// The agent's look at rounds that are over: was this site counted, and is what was published true.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "client/agent_impl.h"
#include "client/round_check.h"

namespace hilum::client {
namespace {

constexpr int64_t kLookMs = 500;
constexpr int64_t kNextRoundMs = 20'000;  // in which a running job lists its next round

}  // namespace

// Once for each round, of those that end while this agent runs.
void Agent::Impl::SayChecked(const CheckRecord& check) {
  if (check.checked_at_s < started_s) return;
  Emit("round_checked", {{"job", check.job},
                         {"round", absl::StrCat(check.round)},
                         {"status", check.status},
                         {"standing", check.standing},
                         {"verified", check.verified}});
  if (check.reason.empty()) return;
  Log(LogLevel::kError, "alarm",
      {{"job", check.job}, {"round", check.round}, {"reason", check.reason}});
  Emit("alarm",
       {{"job", check.job}, {"round", absl::StrCat(check.round)}, {"reason", check.reason}});
}

// Whether nothing is left to find out about the round.
absl::StatusOr<bool> Agent::Impl::IsChecked(const CheckKey& key) {
  if (checked.contains(key)) return true;
  HILUM_ASSIGN_OR_RETURN(const std::optional<CheckRecord> check,
                         state->Check(key.first, key.second));
  if (!check.has_value()) return false;
  checked.insert(key);
  SayChecked(*check);
  return true;
}

// Whether a masked round is on or about to open. A check may take longer than its first flight
// waits, at every site alike, so that it would never begin. It checks the one before by itself,
// beside its flights (RequireVerified).
bool Agent::Impl::AwaitsMaskedRound(const JobOffer& offer) const {
  const auto listed = masked_ms.find(offer.job);
  return offer.state == "running" && listed != masked_ms.end() &&
         NowMs() - listed->second < kNextRoundMs;
}

// One at a time, while the worker has nothing else to do. A round's start comes first.
absl::Status Agent::Impl::CheckRounds() {
  if (worker->busy() || NowMs() - checks_ms < kLookMs) return absl::OkStatus();
  checks_ms = NowMs();
  HILUM_ASSIGN_OR_RETURN(const std::vector<RoundRecord> records, state->Rounds());
  for (const JobOffer& offer : current->jobs) {
    if (!offer.approved) continue;
    const bool awaits = AwaitsMaskedRound(offer);
    for (const RoundRecord& record : records) {
      if (record.job != offer.job || record.round > offer.round) continue;
      const CheckKey key(record.job, record.round);
      HILUM_ASSIGN_OR_RETURN(const bool done, IsChecked(key));
      if (done || awaits || check_retries.IsLater(key, NowMs())) continue;
      worker->Check(key.first, key.second);
      return absl::OkStatus();
    }
  }
  return absl::OkStatus();
}

void Agent::Impl::AfterCheck(const WorkerProgress& work) {
  if (work.phase != "failed") return;  // CheckRounds reads the record
  const CheckKey key(work.job, work.round);
  if (!check_retries.Postpone(key, NowMs(), RandomWord())) return;
  Emit("waiting",
       {{"job", work.job}, {"round", absl::StrCat(work.round)}, {"reason", work.reason}});
}

}  // namespace hilum::client

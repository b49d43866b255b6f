// The agent's jobs: offers, answers, and the consents that go before them.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "client/agent_impl.h"
#include "client/consent_book.h"
#include "client/consent_gate.h"
#include "client/jobs.h"
#include "client/ledger_gate.h"
#include "client/submit_entry.h"

namespace hilum::client {
namespace {

constexpr int64_t kAnswerAgainMs = 2000;  // an answer that the server does not show yet
constexpr int64_t kConsentsMs = 2000;     // between two looks at the consents

}  // namespace

// Brings the ledger in step with the Consents of this site, for one job. A round may be worked on
// meanwhile: a revocation is to stand there before the next one opens.
absl::Status Agent::Impl::LogConsents(const std::string& job) {
  HILUM_ASSIGN_OR_RETURN(
      LedgerGate gate,
      LedgerGate::Open(folder.ledger(), {.faults = options.faults,
                                         .max_cosignature_age_s = options.max_cosignature_age_s}));
  HILUM_ASSIGN_OR_RETURN(const std::vector<ConsentRecord> records, state->Consents());
  const int64_t now_s = SystemClock().NowSeconds();
  const std::string origin = gate.origin();
  const auto commit = [&](const crypto::SigningKey& signer) {
    return CommitConsents(*consents,
                          {.site = options.site,
                           .study = job,
                           .origin = origin,
                           .secret = secret,
                           .key = signer,
                           .now_s = now_s},
                          ActiveSet::Build(records, now_s), [&](const std::string& entry) {
                            return SubmitProven(*connection, gate, signer.public_key(), entry,
                                                now_s);
                          });
  };
  absl::StatusOr<int> n_logged = commit(*key);
  if (absl::IsFailedPrecondition(n_logged.status())) {
    // A rotation may count already, though no round's roster has shown it yet: a revocation must
    // not wait for one. The ledger proves the entry, so it takes the next key.
    const absl::StatusOr<crypto::SigningKey> next =
        crypto::SigningKey::Load(folder.next_entry_key());
    if (next.ok() && !worker->busy()) {  // a round at work signs with the key of now to its end
      n_logged = commit(*next);
      if (n_logged.ok()) HILUM_RETURN_IF_ERROR(ChangeKey({next->public_key()}));
    }
  }
  HILUM_RETURN_IF_ERROR(n_logged.status());
  if (*n_logged == 0) return absl::OkStatus();
  Log(LogLevel::kInfo, "consents logged", {{"job", job}, {"batches", *n_logged}});
  return absl::OkStatus();
}

// A Consent may have come, gone or run out: `hilum site import` is another process. Also of jobs
// that are done: they may be resumed, and a patient's receipt does not wait for that.
void Agent::Impl::FollowConsents() {
  if (NowMs() - consents_ms < kConsentsMs) return;
  consents_ms = NowMs();
  for (const JobOffer& offer : current->jobs) {
    if (!offer.approved || offer.state == "failed" || offer.state == "cancelled") continue;
    const absl::Status logged = LogConsents(offer.job);
    if (logged.ok()) continue;
    Log(LogLevel::kWarning, "consents not logged yet", {{"job", offer.job}, {"reason", logged}});
  }
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
  // Who takes part has its consents in the ledger before the first round can open.
  if (job.answer == Answer::kApproved) {
    if (const absl::Status logged = LogConsents(job.job); !logged.ok()) {
      Log(LogLevel::kWarning, "consents not logged yet", {{"job", job.job}, {"reason", logged}});
      if (waiting.insert({job.job, 0, 0}).second) {
        Emit("waiting",
             {{"job", job.job}, {"round", ""}, {"reason", std::string(logged.message())}});
      }
      return;
    }
  }
  const absl::Status answered =
      connection->Answer(job.job, job.answer == Answer::kApproved, job.reason);
  if (answered.ok()) {
    waiting.erase({job.job, 0, 0});
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

}  // namespace hilum::client

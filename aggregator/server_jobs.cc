// What the lead and all members ask for: jobs, models, proofs.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "aggregator/advance.h"
#include "aggregator/outcome.h"
#include "aggregator/server_core.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "proto/model_json.h"
#include "proto/safetensors.h"

namespace hilum::aggregator {
namespace {

absl::Status NoJob(const JobId& job) {
  return absl::NotFoundError(absl::StrCat("there is no job ", job.name));
}

// The ring must hold a round of all members, and a masked round must have enough of them: found out
// now, not after they have trained.
absl::Status CheckHeadroomForAll(const proto::RoundPlan& plan, size_t n_members) {
  std::vector<RosterSite> roster(n_members);
  for (size_t i = 0; i < n_members; ++i) {  // a masked round has no key twice
    roster[i].entry_key.bytes[0] = static_cast<uint8_t>(i);
    roster[i].entry_key.bytes[1] = static_cast<uint8_t>(i >> 8);
  }
  return MakeRoundConfig({.plan = plan,
                          .plan_bytes = "",
                          .round = {1},
                          .base_model = {},
                          .roster = roster,
                          .federation_id = {},
                          .ledger_head = {},
                          .audit_days = 0})
      .status();
}

absl::Status CheckModelFits(const ledger_anchor::Store& store, const Digest& model,
                            const ModelSpec& spec, uint64_t limit_bytes) {
  HILUM_ASSIGN_OR_RETURN(const Bytes file, store.Get(model, limit_bytes));
  return proto::ParseSafetensorsAs(file, spec).status();
}

}  // namespace

uint64_t Server::max_model_bytes() const { return core_->options.max_model_bytes; }

absl::StatusOr<Digest> Server::PutModel(ByteView file) {
  ServerCore& core = *core_;
  if (file.size() > core.options.max_model_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the model has ", file.size(), " bytes, the limit is ", core.options.max_model_bytes));
  }
  HILUM_RETURN_IF_ERROR(proto::ParseSafetensors(file).status());
  HILUM_ASSIGN_OR_RETURN(const Digest digest, core.federation->store.Put(file));
  HILUM_RETURN_IF_ERROR(core.federation->state->PutModel(digest));
  return digest;
}

absl::StatusOr<JobView> Server::Launch(absl::string_view plan_bytes, const Digest& model) {
  ServerCore& core = *core_;
  HILUM_ASSIGN_OR_RETURN(const proto::RoundPlan plan, proto::ParseRoundPlan(plan_bytes));
  HILUM_RETURN_IF_ERROR(proto::DescribeModel(plan, {}).status());  // a release must be possible
  HILUM_ASSIGN_OR_RETURN(const bool known, core.federation->state->IsModel(model));
  if (!known) {
    return absl::NotFoundError(
        absl::StrCat("the server has no model ", ToHex(model), ": send it first"));
  }
  HILUM_RETURN_IF_ERROR(
      CheckModelFits(core.federation->store, model, plan.spec, core.options.max_model_bytes));
  const absl::MutexLock lock(&core.mutex);
  if (core.FindJob({plan.job}) != nullptr) {
    return absl::AlreadyExistsError(
        absl::StrCat("there was a job ", plan.job, " before: choose another name, or resume it"));
  }
  if (const LiveJob* active = core.ActiveJob(); active != nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("job ", active->row.job.name, " is ", std::string(ToText(active->row.state)),
                     "; one job runs at a time: wait for it or cancel it"));
  }
  const size_t n_members = static_cast<size_t>(std::count_if(
      core.members.begin(), core.members.end(),
      [](const MemberRow& member) { return member.role == "site" && !member.removed; }));
  if (n_members < static_cast<size_t>(plan.cohort.minimum)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the federation has ", n_members, " sites, the job's minimum is ", plan.cohort.minimum));
  }
  HILUM_RETURN_IF_ERROR(CheckHeadroomForAll(plan, n_members));
  LiveJob job;
  job.plan = plan;
  job.row = {.job = {plan.job},
             .plan = std::string(plan_bytes),
             .state = JobState::kRecruiting,
             .message = "",
             .initial_model = model,
             .model = model,
             .launched_s = core.NowS()};
  job.recruit_deadline_ms = core.NowMs() + int64_t{plan.cohort.recruit_s} * 1000;
  HILUM_RETURN_IF_ERROR(core.federation->state->PutJob(job.row));
  Log(LogLevel::kInfo, "job launched", {{"job", plan.job}, {"rounds", plan.rounds}});
  const auto [place, added] = core.jobs.emplace(job.row.job, std::move(job));
  core.TouchAll();
  return core.ViewOf(place->second, true);
}

absl::StatusOr<JobView> Server::Resume(const JobId& id, uint64_t rounds) {
  ServerCore& core = *core_;
  const absl::MutexLock lock(&core.mutex);
  LiveJob* job = core.FindJob(id);
  if (job == nullptr) return NoJob(id);
  const JobState state = job->row.state;
  if (!job->row.fault.empty()) {
    return absl::FailedPreconditionError(absl::StrCat("job ", id.name, " is ", job->row.message));
  }
  if (state == JobState::kFailed || state == JobState::kCancelled) {
    return absl::FailedPreconditionError(
        absl::StrCat("job ", id.name, " is ", std::string(ToText(state)), ": launch a new one"));
  }
  const LiveJob* active = core.ActiveJob();
  if (active != nullptr && active != job) {
    return absl::FailedPreconditionError(absl::StrCat("job ", active->row.job.name, " is ",
                                                      std::string(ToText(active->row.state)),
                                                      "; one job runs at a time"));
  }
  proto::RoundPlan plan = job->plan;
  if (rounds > 0) plan.rounds = rounds;
  if (plan.rounds <= job->row.closed_round || plan.rounds < job->plan.rounds) {
    return absl::FailedPreconditionError(absl::StrCat(
        "job ", id.name, " has closed ", job->row.closed_round, " rounds of ", job->plan.rounds,
        ", so ", plan.rounds, " in all leave none to do: ask for more with --rounds"));
  }
  JobRow row = job->row;
  HILUM_ASSIGN_OR_RETURN(row.plan, proto::EncodeRoundPlan(plan));
  if (state != JobState::kRecruiting) row.state = JobState::kRunning;
  if (state == JobState::kDone) row.release_entry.clear();
  row.aborted_in_row = 0;
  row.message.clear();
  HILUM_RETURN_IF_ERROR(core.federation->state->PutJob(row));
  job->row = std::move(row);
  job->plan = std::move(plan);
  job->retry_at_ms = 0;
  Log(LogLevel::kInfo, "job resumed", {{"job", id.name}, {"rounds", job->plan.rounds}});
  core.TouchAll();
  return core.ViewOf(*job, true);
}

absl::StatusOr<JobView> Server::Cancel(const JobId& id) {
  ServerCore& core = *core_;
  const absl::MutexLock lock(&core.mutex);
  LiveJob* job = core.FindJob(id);
  if (job == nullptr) return NoJob(id);
  if (!IsActive(job->row.state)) {
    return absl::FailedPreconditionError(
        absl::StrCat("job ", id.name, " is over already: ", std::string(ToText(job->row.state))));
  }
  job->retry_at_ms = 0;
  HILUM_RETURN_IF_ERROR(core.SetState(*job, JobState::kCancelled, "cancelled by the lead"));
  return core.ViewOf(*job, true);
}

absl::StatusOr<JobView> Server::Job(const JobId& id) {
  const absl::MutexLock lock(&core_->mutex);
  const LiveJob* job = core_->FindJob(id);
  if (job == nullptr) return NoJob(id);
  return core_->ViewOf(*job, true);
}

std::vector<JobView> Server::Jobs() {
  const absl::MutexLock lock(&core_->mutex);
  std::vector<const LiveJob*> jobs;
  for (const auto& [id, job] : core_->jobs) jobs.push_back(&job);
  std::sort(jobs.begin(), jobs.end(), [](const LiveJob* a, const LiveJob* b) {
    return a->row.launched_s < b->row.launched_s;
  });
  std::vector<JobView> views;
  for (const LiveJob* job : jobs) views.push_back(core_->ViewOf(*job, false));
  return views;
}

absl::StatusOr<ledger_anchor::StoreReader> Server::OpenModel(const Digest& sha256) {
  HILUM_ASSIGN_OR_RETURN(const bool known, core_->federation->state->IsModel(sha256));
  if (!known) {
    return absl::NotFoundError(
        absl::StrCat("this federation has no model with the SHA-256 ", ToHex(sha256)));
  }
  return core_->federation->store.OpenObject(sha256);
}

absl::StatusOr<ProofView> Server::Proof(const JobId& id, RoundId round, absl::string_view type) {
  ServerCore& core = *core_;
  if (type == "join") return core.ProveJoin(id.name);
  if (type == "key-rotate") {
    ProofView rotation;
    HILUM_ASSIGN_OR_RETURN(rotation.proof, ProveRotation(*core.federation, id.name, round.number));
    return rotation;
  }
  std::optional<uint64_t> index;
  ProofView view;
  {
    const absl::MutexLock lock(&core.mutex);
    const LiveJob* job = core.FindJob(id);
    if (job == nullptr) return NoJob(id);
    if (type == "model-release") {
      index = job->row.release_index;
      view.model = job->row.model;
    }
    for (const RoundRow& row : job->history) {
      if (row.round != round || type == "model-release") continue;
      index = type == "round-close" ? row.close_index : row.open_index;
      if (type == "round-close") view.model = row.model;
    }
    if (job->active.has_value() && type == "round-open" && job->active->row.round == round) {
      index = job->active->row.open_index;
    }
  }
  if (!index.has_value()) {
    return absl::NotFoundError(absl::StrCat("the ledger has no ", std::string(type), " of round ",
                                            round.number, " of job ", id.name));
  }
  HILUM_ASSIGN_OR_RETURN(view.proof, core.federation->Prove(*index));
  return view;
}

absl::StatusOr<SubmittedEntry> Server::SubmitEntry(const SiteId& site, const std::string& entry) {
  return aggregator::SubmitEntry(*core_->federation, site, entry, core_->NowS());
}

absl::StatusOr<ledger_anchor::HashList> Server::ProveConsistency(uint64_t old_size,
                                                                 uint64_t new_size) {
  return core_->federation->log->ProveConsistency(old_size, new_size);
}

}  // namespace hilum::aggregator

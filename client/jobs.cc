#include "client/jobs.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/status_macros.h"
#include "client/budget.h"
#include "client/dataset.h"
#include "client/participate.h"
#include "proto/round_plan.h"

namespace hilum::client {
namespace {

void SetAnswer(JobRecord& job, Answer answer, absl::string_view by, absl::string_view reason) {
  job.answer = answer;
  job.answered_by = std::string(by);
  job.reason = std::string(reason);
  job.answered_plan = job.plan;
}

// Whether the policy and what is left of the privacy budget allow the job.
absl::Status JudgePlan(State& state, const JobRecord& job, const SiteOptions& options) {
  HILUM_ASSIGN_OR_RETURN(const proto::RoundPlan plan, CheckPlan(job.plan, options));
  // An approved job goes on while each of its rounds fits.
  if (job.answer == Answer::kApproved && Covers(job.answered_plan, job.plan)) {
    return absl::OkStatus();
  }
  return CheckPlanBudget(state, options, plan);
}

// Whether this site has the films that its policy asks for. An import may bring them.
absl::Status JudgeFilms(State& state, const JobRecord& job, const SiteOptions& options) {
  HILUM_ASSIGN_OR_RETURN(const proto::RoundPlan plan, proto::ParseRoundPlan(job.plan));
  HILUM_ASSIGN_OR_RETURN(const FilmChoice choice,
                         ChooseFilms(state, plan, SystemClock().NowSeconds(), nullptr));
  return RequireFilms(choice, job.job, options.min_films);
}

// What the policy makes of a job that no person has answered.
void JudgeByPolicy(State& state, JobRecord& job, const SiteOptions& options) {
  const absl::Status allowed = JudgePlan(state, job, options);
  if (!allowed.ok()) return SetAnswer(job, Answer::kDenied, "policy", allowed.message());
  if (!options.auto_approve) return SetAnswer(job, Answer::kPending, "", "");
  const bool goes_on = job.answer == Answer::kApproved && Covers(job.answered_plan, job.plan);
  const absl::Status ready = goes_on ? absl::OkStatus() : JudgeFilms(state, job, options);
  if (!ready.ok()) return SetAnswer(job, Answer::kPending, "", ready.message());
  SetAnswer(job, Answer::kApproved, "policy", "");
}

bool SameRecord(const JobRecord& a, const JobRecord& b) {
  return a.plan == b.plan && a.answered_plan == b.answered_plan && a.answer == b.answer &&
         a.answered_by == b.answered_by && a.reason == b.reason &&
         a.server_state == b.server_state && a.round == b.round;
}

}  // namespace

bool IsOver(absl::string_view server_state) {
  return server_state == "done" || server_state == "failed" || server_state == "cancelled";
}

RoundStanding StandingOf(const Snapshot& snapshot, const RoundAtWork& work) {
  bool replaced = false;
  for (const RoundNotice& notice : snapshot.rounds) {
    if (notice.job != work.job) continue;
    if (notice.round == work.round && notice.attempt == work.attempt) return RoundStanding::kListed;
    replaced = true;
  }
  if (replaced) return RoundStanding::kOver;
  for (const JobOffer& offer : snapshot.jobs) {
    if (offer.job != work.job) continue;
    const bool closed = IsOver(offer.state) || offer.round >= work.round;
    return closed ? RoundStanding::kOver : RoundStanding::kNotListed;
  }
  return RoundStanding::kOver;
}

absl::Status CheckOffer(State& state, const JobOffer& offer) {
  HILUM_RETURN_IF_ERROR(CheckName("job", offer.job));
  // A plan that cannot be read is for the policy to refuse: it says which release is needed.
  const absl::StatusOr<proto::RoundPlan> plan = proto::ParseRoundPlan(offer.plan);
  if (plan.ok() && plan->job != offer.job) {
    return absl::InvalidArgumentError(
        absl::StrCat("job ", offer.job, " was offered with the plan of job ", plan->job));
  }
  HILUM_ASSIGN_OR_RETURN(const std::optional<JobRecord> known, state.Job(offer.job));
  if (known.has_value()) return absl::OkStatus();
  HILUM_ASSIGN_OR_RETURN(const std::vector<JobRecord> jobs, state.Jobs());
  if (jobs.size() < kMaxJobs) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("this site knows ", jobs.size(), " jobs, the limit is ", kMaxJobs));
}

absl::Status RecordOffer(State& state, const SiteOptions& options, const JobOffer& offer) {
  // One transaction: an answer given by a person meanwhile must not be overwritten.
  return state.Atomically([&]() -> absl::Status {
    HILUM_ASSIGN_OR_RETURN(const std::optional<JobRecord> known, state.Job(offer.job));
    if (!known.has_value() && IsOver(offer.state)) return absl::OkStatus();
    JobRecord job = known.value_or(JobRecord{});
    job.job = offer.job;
    if (!offer.plan.empty())
      job.plan = offer.plan;  // the server leaves it out of a job that is over
    job.server_state = offer.state;
    job.round = offer.round;
    const bool answered = job.answered_by == "operator" && Covers(job.answered_plan, job.plan);
    if (!answered) JudgeByPolicy(state, job, options);
    if (known.has_value() && SameRecord(*known, job)) return absl::OkStatus();
    return state.PutJob(job);
  });
}

absl::Status AnswerJob(State& state, const SiteOptions& options, const OperatorAnswer& answer) {
  return state.Atomically([&]() -> absl::Status {
    HILUM_ASSIGN_OR_RETURN(std::optional<JobRecord> job, state.Job(answer.job));
    if (!job.has_value()) {
      HILUM_ASSIGN_OR_RETURN(const std::vector<JobRecord> jobs, state.Jobs());
      const std::string names = absl::StrJoin(
          jobs, ", ", [](std::string* out, const JobRecord& j) { absl::StrAppend(out, j.job); });
      return absl::NotFoundError(absl::StrCat("no job ", answer.job, " was offered to this site",
                                              jobs.empty() ? "; the agent (hilum site run) "
                                                             "must be connected to hear of jobs."
                                                           : "; offered: " + names));
    }
    if (IsOver(job->server_state)) {
      return absl::FailedPreconditionError(absl::StrCat("job ", job->job, " is ", job->server_state,
                                                        "; an answer has no effect any more."));
    }
    if (answer.approve) {
      HILUM_RETURN_IF_ERROR(JudgePlan(state, *job, options));
      HILUM_RETURN_IF_ERROR(JudgeFilms(state, *job, options));
    }
    SetAnswer(*job, answer.approve ? Answer::kApproved : Answer::kDenied, "operator",
              answer.reason);
    return state.PutJob(*job);
  });
}

}  // namespace hilum::client

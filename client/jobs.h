// Jobs that the server offers, and the hospital's answers to them.
#ifndef HILUM_CLIENT_JOBS_H_
#define HILUM_CLIENT_JOBS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/rpc.h"
#include "client/site_folder.h"
#include "client/state.h"

namespace hilum::client {

// Most jobs that a site remembers.
inline constexpr size_t kMaxJobs = 1000;

// Whether an offer can be recorded: its name is one, it is the plan's, and there is room.
// InvalidArgument: another name. ResourceExhausted: kMaxJobs others are known.
absl::Status CheckOffer(State& state, const JobOffer& offer);

// Records what the server says of a job. One that was over before this site heard of it has no plan
// any more and takes no answer: it is left out until somebody resumes it. A job that the site's
// policy does not allow is denied by the policy, with the reason; with `auto_approve` one that it
// allows is approved, or, without the films that the policy asks for, pending with the reason. An
// approval stands while the plan is the approved one, or that with more rounds; any other change
// makes the job pending again. A denial by the policy is judged again each time.
absl::Status RecordOffer(State& state, const SiteOptions& options, const JobOffer& offer);

// Whether a job in this state of the server's is over: done, failed or cancelled.
bool IsOver(absl::string_view server_state);

// How a round that this site works at stands in what the server says. Not listed: the server has
// just been started, waits for its witnesses, or has dropped this site; only time tells.
enum class RoundStanding { kListed, kNotListed, kOver };
struct RoundAtWork {
  std::string job;
  uint64_t round = 0;
  uint32_t attempt = 0;
};
RoundStanding StandingOf(const Snapshot& snapshot, const RoundAtWork& work);

struct OperatorAnswer {
  std::string job;
  bool approve = false;
  std::string reason;  // of a denial; at most 200 bytes go to the server
};
// `hilum site approve` and `deny`. The agent sends the answer within a moment, now or when it runs.
// FailedPrecondition: the job is over, or this site has too few films for it. NotFound: no such job
// was offered; the sentence lists the jobs. PermissionDenied: the site's policy does not allow the
// job, or its rounds do not fit what is left of the privacy budget; nobody approves it without
// changing site.toml.
absl::Status AnswerJob(State& state, const SiteOptions& options, const OperatorAnswer& answer);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_JOBS_H_

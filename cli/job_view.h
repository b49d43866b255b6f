// A job's status as people and programs read it: tables, lines of change, JSON.
#ifndef HILUM_CLI_JOB_VIEW_H_
#define HILUM_CLI_JOB_VIEW_H_

#include <string>
#include <vector>

#include "cli/output.h"
#include "proto/hilum/v1/job.pb.h"

namespace hilum::cli {

// done, paused, failed or cancelled: nothing more happens by itself.
bool IsSettled(const v1::JobStatus& status);

// The sites of the job: connected, answer, phase, percent, films, mean loss.
std::string SiteTable(const v1::JobStatus& status);
// The rounds so far: status, counted and dropped sites, films, mean loss, time, traffic.
std::string RoundTable(const v1::JobStatus& status);
// State, both tables and the message.
std::string StatusPage(const v1::JobStatus& status);
// One row a job.
std::string JobTable(const v1::JobList& jobs);

// Lines that say what is new in `now`, for a log: states, rounds, sites that came, went or moved on
// to another phase. `before` may be empty (a first status).
std::vector<std::string> Changes(const v1::JobStatus& before, const v1::JobStatus& now);

// {"job":…,"state":…,"message":…,"rounds":N,"ledger_size":N,"sites":[…],"history":[…]}. `films` and
// `loss` of a site are null where the server does not know them.
nlohmann::ordered_json StatusToJson(const v1::JobStatus& status);

}  // namespace hilum::cli

#endif  // HILUM_CLI_JOB_VIEW_H_

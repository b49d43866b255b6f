// The report of a job: one HTML page without anything from outside, and a CSV of its rounds.
#ifndef HILUM_CLI_JOB_REPORT_H_
#define HILUM_CLI_JOB_REPORT_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/file.h"
#include "cli/output.h"
#include "proto/hilum/v1/job.pb.h"

namespace hilum::cli {

// Reads what `hilum model compare --json` or `evaluate --json` printed. InvalidArgument: no such
// file, not JSON, or without the object `metrics`.
absl::StatusOr<nlohmann::ordered_json> ReadEvaluation(const fs::path& path);

// DataLoss: the evaluation is of a model that no round of the job made or, where it is of no
// released model, of another job: its figures do not belong into this job's report.
absl::Status CheckEvaluationOf(const v1::JobStatus& status,
                               const nlohmann::ordered_json& evaluation);

// Loss by round, films by site, who counted in which round, a table of the rounds, the plan; with
// `evaluation` also metrics with their intervals and the leak audit. A metric without n or interval
// prints "missing". Every text of a peer is escaped.
std::string ReportPage(const v1::JobStatus& status,
                       const std::optional<nlohmann::ordered_json>& evaluation);

// One row a round: round,status,sites,dropped,films,mean_loss,seconds,received_bytes,model_sha256.
std::string RoundsCsv(const v1::JobStatus& status);

// Two jobs side by side: outcome, and each value of the plan that differs.
std::string CompareJobs(const v1::JobStatus& a, const v1::JobStatus& b);
nlohmann::ordered_json CompareJobsJson(const v1::JobStatus& a, const v1::JobStatus& b);

}  // namespace hilum::cli

#endif  // HILUM_CLI_JOB_REPORT_H_

// The report of a job: one HTML page without anything from outside, and a CSV of its rounds.
#ifndef HILUM_CLI_JOB_REPORT_H_
#define HILUM_CLI_JOB_REPORT_H_

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include "cli/job_evaluation.h"
#include "proto/hilum/v1/job.pb.h"

namespace hilum::cli {

// What this page can show and what the server cannot know; AUROC on held-out films, loss, films and
// sites by round; who counted in which round, a table of the rounds, the plan; of the latest of
// `evaluations`, all checked, EvaluationSection. A metric without n or interval prints "missing".
// Every text of a peer is escaped.
std::string ReportPage(const v1::JobStatus& status,
                       const std::vector<nlohmann::ordered_json>& evaluations);

// One row a round: round,status,sites,dropped,films,mean_loss,seconds,received_bytes,model_sha256;
// films and loss are empty where no site sends them (differential privacy).
std::string RoundsCsv(const v1::JobStatus& status);

struct ComparedJob {
  const v1::JobStatus& status;
  std::optional<nlohmann::ordered_json> evaluation;  // of its model
};
// Two jobs side by side: outcome, how good their models are where both say it, and each value of
// the plan that differs.
std::string CompareJobs(const ComparedJob& a, const ComparedJob& b);
nlohmann::ordered_json CompareJobsJson(const ComparedJob& a, const ComparedJob& b);

}  // namespace hilum::cli

#endif  // HILUM_CLI_JOB_REPORT_H_

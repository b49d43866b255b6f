// What `hilum model compare --json` or `evaluate --json` printed, as sections of a job's report, as
// CSV and as rows of a comparison. No figure stands here without its n and interval.
#ifndef HILUM_CLI_JOB_EVALUATION_H_
#define HILUM_CLI_JOB_EVALUATION_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>
#include "absl/status/statusor.h"
#include "base/file.h"
#include "proto/hilum/v1/job.pb.h"

namespace hilum::cli {

// InvalidArgument: no such file, over evaluation::kEvaluationLimitBytes, not JSON, or without the
// object `metrics`.
absl::StatusOr<nlohmann::ordered_json> ReadEvaluation(const fs::path& path);

// DataLoss: the evaluation is of a model that no round of the job made or, where it is of no
// released model, of another job: its figures do not belong into this job's report.
absl::Status CheckEvaluationOf(const v1::JobStatus& status,
                               const nlohmann::ordered_json& evaluation);

// The one that the report shows in full: of the latest round, of several of that round the last.
// `evaluations`: at least one, all checked.
const nlohmann::ordered_json& LatestEvaluation(
    const v1::JobStatus& status, const std::vector<nlohmann::ordered_json>& evaluations);

// AUROC by round, with intervals, as SVG; empty where no evaluation is of a round's model.
std::string HeldOutChart(const v1::JobStatus& status,
                         const std::vector<nlohmann::ordered_json>& evaluations);

// HTML: all models on the test films, the cross-site matrix, the operating point by class and
// source, the subgroups, and the leak audit row by row with the verdict that follows from its rows.
// What the document lacks is left out. Every text of it is escaped.
std::string EvaluationSection(const nlohmann::ordered_json& evaluation);

// One row an estimate: model,films,measure,class,value,low,high,n,method. `films`: "all", a source,
// or a subgroup such as "sex female".
std::string EvaluationCsv(const nlohmann::ordered_json& evaluation);

// What two evaluations are compared by, in order: name and value.
std::vector<std::pair<std::string, std::string>> HeadlineFigures(
    const nlohmann::ordered_json& evaluation);

}  // namespace hilum::cli

#endif  // HILUM_CLI_JOB_EVALUATION_H_

// Tables for people and machines. A number without n and interval does not print.
#ifndef HILUM_EVALUATION_REPORT_H_
#define HILUM_EVALUATION_REPORT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "evaluation/audit_verdict.h"
#include "evaluation/calibration.h"
#include "evaluation/intervals.h"
#include "evaluation/leak_audit.h"
#include "evaluation/metrics.h"
#include "evaluation/operating_point.h"
#include "evaluation/subgroups.h"

namespace hilum::evaluation {

// The usual metrics of one model on one set of cases.
struct ModelReport {
  std::string name;  // "federated", "hospital-a", "pooled"
  std::vector<std::string> classes;
  int64_t n = 0;
  Confusion confusion;
  Estimate accuracy;            // ShareByPatient
  Estimate balanced_accuracy;   // bootstrap by patient
  std::vector<Estimate> auroc;  // by class; DeLong for one case a patient, else bootstrap
  // By class; ShareByPatient. Of those called k, how many are k: at the shares of these very cases.
  std::vector<Estimate> sensitivity, specificity, predictive_value;
  std::vector<std::optional<CalibrationLine>> calibration;    // by class; empty: not defined
  std::vector<std::vector<ReliabilityBin>> reliability_plot;  // by class; empty: too few cases
  Estimate brier;                                             // bootstrap by patient
  Estimate calibration_error;  // 15 bins of equal mass; bootstrap by patient
  Estimate log_loss;           // bootstrap by patient
};

// InvalidArgument, FailedPrecondition: as the metrics.
absl::StatusOr<ModelReport> Evaluate(absl::string_view name, const Predictions& predictions,
                                     const std::vector<std::string>& classes,
                                     const BootstrapOptions& options = {});

// "0.873 [0.801, 0.921] n=126"; "insufficient" where n < min_n; "missing" where n is 0 or the
// interval does not hold the value.
std::string FormatEstimate(const Estimate& estimate, int64_t min_n = 1);

// Rows of equal-width columns; the first is left-aligned, the others right.
struct Table {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
};
std::string FormatTable(const Table& table);

// One row a model: balanced accuracy, AUROC of `k`, accuracy, ECE.
Table CompareModels(const std::vector<ModelReport>& reports, int k);
Table ConfusionTable(const ModelReport& report);
// One row a class: AUROC, sensitivity, specificity, predictive value, calibration slope.
Table ClassTable(const ModelReport& report);
Table ClassBySiteTable(const ClassBySite& table);

// {"balanced_accuracy":…,"auroc":{class:…},"n":…,"ci95":[…],…}: one JSON object, the form of
// the demo's `metrics` entries.
std::string ToJson(const ModelReport& report);
// [{"films":"all","class":…,"threshold":…,"sensitivity":{…},…,"prevalence":…},…].
//   classes  names, as of the predictions
std::string ToJson(const std::vector<JudgedPoint>& rows, const std::vector<std::string>& classes);
// [{"by":"sex","group":"female","n":…,"auroc":{class:{…}},…},…]; "n" is null where it is not told.
std::string ToJson(const std::vector<Subgroup>& groups, const std::vector<std::string>& classes);
// {"promoted":…,"reasons":[…],"source_only":{…},…,"table":[…]}: the verdict of Judge, the rows, and
// AuditLines as `table`; the form of the demo's `leak_audit`.
std::string ToJson(const AuditRows& rows);

}  // namespace hilum::evaluation

#endif  // HILUM_EVALUATION_REPORT_H_

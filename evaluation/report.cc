#include "evaluation/report.h"

#include <algorithm>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"

namespace hilum::evaluation {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kCalibrationBins = 15;

// A number without n and interval becomes null.
Json ToJson(const Estimate& estimate) {
  if (!IsComplete(estimate)) return nullptr;
  return {{"value", estimate.value},
          {"ci95", {estimate.ci95.low, estimate.ci95.high}},
          {"n", estimate.n},
          {"method", estimate.method}};
}

Json ByClass(const std::vector<std::string>& classes, const std::vector<Estimate>& estimates) {
  Json object = Json::object();
  for (size_t k = 0; k < estimates.size(); ++k) object[classes[k]] = ToJson(estimates[k]);
  return object;
}

Json ToJson(const std::optional<Estimate>& estimate) {
  return estimate.has_value() ? ToJson(*estimate) : Json(nullptr);
}

// {"auroc":…,"n_train":…,"model_better_by":…}
Json ToJson(const std::optional<Baseline>& baseline) {
  if (!baseline.has_value()) return nullptr;
  return {{"auroc", ToJson(baseline->auroc)},
          {"n_train", baseline->n_train},
          {"model_better_by", ToJson(baseline->model_better_by)}};
}

Json ToJson(const SplitAudit& audit) {
  Json overlaps = Json::array();
  for (const Overlap& overlap : audit.overlaps) {
    overlaps.push_back({{"kind", overlap.kind},
                        {"train", overlap.train},
                        {"test", overlap.test},
                        {"distance", overlap.distance}});
  }
  return {{"n_train", audit.n_train},
          {"n_test", audit.n_test},
          {"n_overlaps", audit.n_overlaps},
          {"overlaps", overlaps}};
}

Json ToJson(const std::vector<LeftOut>& networks) {
  Json rows = Json::array();
  for (const LeftOut& network : networks) {
    rows.push_back({{"site", network.site},
                    {"n_train", network.n_train},
                    {"n_samples_seen", network.n_samples_seen},
                    {"auroc", ToJson(network.auroc)},
                    {"reason", network.reason}});
  }
  return rows;
}

// What AuditLines says, for programs that only print it.
Json ToJson(const std::vector<AuditLine>& lines) {
  Json table = Json::array();
  for (const AuditLine& line : lines) {
    table.push_back({{"row", line.row},
                     {"found", line.found},
                     {"learned_from", line.learned_from},
                     {"rule", line.rule},
                     {"verdict", line.verdict}});
  }
  return table;
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void AppendPadded(std::string& line, const std::string& cell, size_t width, bool to_the_left) {
  const std::string padding(width - cell.size(), ' ');
  absl::StrAppend(&line, to_the_left ? cell : padding, to_the_left ? padding : cell);
}

// Of the cases for which `counts` holds, how many are called rightly; `k`: k or not k.
absl::StatusOr<Estimate> ShareRight(const Predictions& p, int k,
                                    const std::function<bool(bool is_k, bool called_k)>& counts) {
  return ShareByPatient(p, [&](int64_t i) -> std::optional<bool> {
    const bool is_k = p.labels[i] == k, called_k = Predicted(p, i) == k;
    if (!counts(is_k, called_k)) return std::nullopt;
    return is_k == called_k;
  });
}

// What the report says of class k beside AUROC.
absl::Status AddOfClass(const Predictions& predictions, int k, ModelReport& report) {
  HILUM_ASSIGN_OR_RETURN(Estimate sensitivity,
                         ShareRight(predictions, k, [](bool is_k, bool) { return is_k; }));
  HILUM_ASSIGN_OR_RETURN(Estimate specificity,
                         ShareRight(predictions, k, [](bool is_k, bool) { return !is_k; }));
  HILUM_ASSIGN_OR_RETURN(Estimate predictive_value,
                         ShareRight(predictions, k, [](bool, bool called_k) { return called_k; }));
  report.sensitivity.push_back(std::move(sensitivity));
  report.specificity.push_back(std::move(specificity));
  report.predictive_value.push_back(std::move(predictive_value));
  absl::StatusOr<CalibrationLine> line = FitCalibrationLine(predictions, k);
  if (!line.ok() && !absl::IsFailedPrecondition(line.status())) return line.status();
  report.calibration.push_back(line.ok() ? std::optional(*std::move(line)) : std::nullopt);
  auto plot = Reliability(predictions, k);
  if (!plot.ok() && !absl::IsFailedPrecondition(plot.status())) return plot.status();
  report.reliability_plot.push_back(plot.ok() ? *std::move(plot) : std::vector<ReliabilityBin>{});
  return absl::OkStatus();
}

Json CalibrationJson(const ModelReport& report) {
  Json object = Json::object();
  for (size_t k = 0; k < report.classes.size(); ++k) {
    const auto& line = report.calibration[k];
    Json bins = Json::array();
    for (const ReliabilityBin& bin : report.reliability_plot[k]) {
      Json row = {{"mean_probability", bin.mean_probability}, {"observed", ToJson(bin.observed)}};
      bins.push_back(std::move(row));
    }
    object[report.classes[k]] = {{"slope", line ? ToJson(line->slope) : Json(nullptr)},
                                 {"intercept", line ? ToJson(line->intercept) : Json(nullptr)},
                                 {"reliability", std::move(bins)}};
  }
  return object;
}

}  // namespace

absl::StatusOr<ModelReport> Evaluate(absl::string_view name, const Predictions& predictions,
                                     const std::vector<std::string>& classes,
                                     const BootstrapOptions& options) {
  HILUM_RETURN_IF_ERROR(CheckPredictions(predictions));
  if (static_cast<int>(classes.size()) != predictions.n_classes) {
    return absl::InvalidArgumentError(
        absl::StrCat(classes.size(), " class names for ", predictions.n_classes, " classes"));
  }
  ModelReport report{std::string(name), classes, predictions.n(), Confuse(predictions)};
  HILUM_ASSIGN_OR_RETURN(report.accuracy,
                         ShareByPatient(predictions, [&](int64_t i) -> std::optional<bool> {
                           return Predicted(predictions, i) == predictions.labels[i];
                         }));
  const auto bootstrap = [&](const Metric& metric) {
    return BootstrapByPatient(predictions, metric, options);
  };
  HILUM_ASSIGN_OR_RETURN(report.balanced_accuracy, bootstrap([](const Predictions& p) {
                           return BalancedAccuracy(Confuse(p));
                         }));
  for (int k = 0; k < predictions.n_classes; ++k) {
    HILUM_ASSIGN_OR_RETURN(Estimate auroc, AurocOf(predictions, k, options));
    report.auroc.push_back(std::move(auroc));
    HILUM_RETURN_IF_ERROR(AddOfClass(predictions, k, report));
  }
  HILUM_ASSIGN_OR_RETURN(report.brier, bootstrap(BrierScore));
  HILUM_ASSIGN_OR_RETURN(report.calibration_error, bootstrap([](const Predictions& p) {
                           return ExpectedCalibrationError(p, kCalibrationBins);
                         }));
  HILUM_ASSIGN_OR_RETURN(report.log_loss, bootstrap(LogLoss));
  return report;
}

std::string FormatEstimate(const Estimate& estimate, int64_t min_n) {
  if (!IsComplete(estimate)) return "missing";
  if (estimate.n < min_n) return "insufficient";
  return absl::StrFormat("%.3f [%.3f, %.3f] n=%d", estimate.value, estimate.ci95.low,
                         estimate.ci95.high, estimate.n);
}

std::string FormatTable(const Table& table) {
  std::vector<std::vector<std::string>> lines{table.header};
  lines.insert(lines.end(), table.rows.begin(), table.rows.end());
  std::vector<size_t> widths(table.header.size(), 0);
  for (auto& line : lines) {
    line.resize(table.header.size());
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string text;
  for (const auto& line : lines) {
    std::string row;
    for (size_t i = 0; i < line.size(); ++i) {
      if (i > 0) row += "  ";
      AppendPadded(row, line[i], widths[i], /*to_the_left=*/i == 0);
    }
    row.erase(row.find_last_not_of(' ') + 1);
    absl::StrAppend(&text, row, "\n");
  }
  return text;
}

Table CompareModels(const std::vector<ModelReport>& reports, int k) {
  Table table{{"model", "balanced accuracy", "AUROC", "accuracy", "ECE"}, {}};
  for (const ModelReport& report : reports) {
    table.rows.push_back({report.name, FormatEstimate(report.balanced_accuracy),
                          FormatEstimate(report.auroc[k]), FormatEstimate(report.accuracy),
                          FormatEstimate(report.calibration_error)});
  }
  return table;
}

Table ConfusionTable(const ModelReport& report) {
  Table table{{"truth"}, {}};
  for (const std::string& name : report.classes) {
    table.header.push_back(absl::StrCat("called ", name));
  }
  for (int truth = 0; truth < report.confusion.n_classes; ++truth) {
    std::vector<std::string> row{report.classes[truth]};
    for (int k = 0; k < report.confusion.n_classes; ++k) {
      row.push_back(absl::StrCat(report.confusion.at(truth, k)));
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table ClassTable(const ModelReport& report) {
  Table table{{"class", "AUROC", "sensitivity", "specificity", "predictive value", "slope"}, {}};
  for (size_t k = 0; k < report.classes.size(); ++k) {
    const auto& line = report.calibration[k];
    table.rows.push_back(
        {report.classes[k], FormatEstimate(report.auroc[k]), FormatEstimate(report.sensitivity[k]),
         FormatEstimate(report.specificity[k]), FormatEstimate(report.predictive_value[k]),
         line ? FormatEstimate(line->slope) : "missing"});
  }
  return table;
}

Table ClassBySiteTable(const ClassBySite& table) {
  Table result{{"site"}, {}};
  result.header.insert(result.header.end(), table.labels.begin(), table.labels.end());
  for (size_t site = 0; site < table.sites.size(); ++site) {
    std::vector<std::string> row{table.sites[site]};
    for (size_t label = 0; label < table.labels.size(); ++label) {
      row.push_back(absl::StrCat(table.at(site, label)));
    }
    result.rows.push_back(std::move(row));
  }
  return result;
}

std::string ToJson(const ModelReport& report) {
  Json auroc = Json::object();
  for (size_t k = 0; k < report.auroc.size(); ++k) {
    auroc[report.classes[k]] = report.auroc[k].value;
  }
  Json confusion = Json::array();
  for (int truth = 0; truth < report.confusion.n_classes; ++truth) {
    Json row = Json::array();
    for (int k = 0; k < report.confusion.n_classes; ++k)
      row.push_back(report.confusion.at(truth, k));
    confusion.push_back(std::move(row));
  }
  const Interval& ci95 = report.balanced_accuracy.ci95;
  return Dump({{"name", report.name},
               {"n", report.n},
               {"balanced_accuracy", report.balanced_accuracy.value},
               {"ci95", {ci95.low, ci95.high}},
               {"auroc", auroc},
               {"estimates",
                {{"balanced_accuracy", ToJson(report.balanced_accuracy)},
                 {"auroc", ByClass(report.classes, report.auroc)},
                 {"accuracy", ToJson(report.accuracy)},
                 {"sensitivity", ByClass(report.classes, report.sensitivity)},
                 {"specificity", ByClass(report.classes, report.specificity)},
                 {"predictive_value", ByClass(report.classes, report.predictive_value)},
                 {"brier", ToJson(report.brier)},
                 {"ece", ToJson(report.calibration_error)},
                 {"log_loss", ToJson(report.log_loss)}}},
               {"calibration", CalibrationJson(report)},
               {"classes", report.classes},
               {"confusion", confusion}});
}

std::string ToJson(const std::vector<JudgedPoint>& rows, const std::vector<std::string>& classes) {
  Json json = Json::array();
  for (const JudgedPoint& row : rows) {
    json.push_back({{"films", row.films},
                    {"class", classes[row.point.k]},
                    {"threshold", row.point.threshold},
                    {"sensitivity", ToJson(row.at.sensitivity)},
                    {"specificity", ToJson(row.at.specificity)},
                    {"positive_predictive_value", ToJson(row.at.positive_predictive_value)},
                    {"negative_predictive_value", ToJson(row.at.negative_predictive_value)},
                    {"prevalence", row.at.prevalence}});
  }
  return Dump(json);
}

std::string ToJson(const std::vector<Subgroup>& groups, const std::vector<std::string>& classes) {
  Json json = Json::array();
  for (const Subgroup& group : groups) {
    json.push_back({{"by", group.by},
                    {"group", group.group},
                    {"n", group.n > 0 ? Json(group.n) : Json(nullptr)},
                    {"auroc", ByClass(classes, group.auroc)},
                    {"sensitivity", ByClass(classes, group.sensitivity)},
                    {"predictive_value", ByClass(classes, group.predictive_value)}});
  }
  return Dump(json);
}

std::string ToJson(const AuditRows& rows) {
  const Verdict verdict = Judge(rows);
  Json source_only = nullptr;
  if (rows.source_only.has_value()) {
    source_only = {{"accuracy", ToJson(rows.source_only->accuracy)},
                   {"balanced_accuracy", ToJson(rows.source_only->balanced_accuracy)}};
  }
  return Dump({{"promoted", verdict.promoted},
               {"reasons", verdict.reasons},
               {"split", rows.split.has_value() ? ToJson(*rows.split) : Json(nullptr)},
               {"model_balanced_accuracy", ToJson(rows.model_balanced_accuracy)},
               {"source_only", source_only},
               {"site_prediction", ToJson(rows.site_prediction)},
               {"lungs_out_auroc", ToJson(rows.lungs_out_auroc)},
               {"border_only_auroc", ToJson(rows.border_only_auroc)},
               {"thumbnail_auroc", ToJson(rows.thumbnail_auroc)},
               {"border_baseline", ToJson(rows.border_baseline)},
               {"lungs_out_baseline", ToJson(rows.lungs_out_baseline)},
               {"thumbnail_baseline", ToJson(rows.thumbnail_baseline)},
               {"left_out", ToJson(rows.left_out)},
               {"table", ToJson(AuditLines(rows))}});
}

}  // namespace hilum::evaluation

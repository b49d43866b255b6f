#include "evaluation/card_evaluation.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "evaluation/report.h"

namespace hilum::evaluation {
namespace {

// The document may come from anywhere: every access goes through these, which never throw.
using Json = nlohmann::ordered_json;

constexpr size_t kMaxRows = 64;       // sources, classes or reasons that a card shows
constexpr size_t kMaxNameBytes = 80;  // of a source or class
constexpr size_t kMaxReasonBytes = 400;

const Json& At(const Json& json, const char* key) {
  static const auto& none = *new Json(nullptr);
  if (!json.is_object()) return none;
  const auto found = json.find(key);
  return found == json.end() ? none : *found;
}

const Json& At(const Json& json, const char* outer, const char* inner) {
  return At(At(json, outer), inner);
}

// One line without anything that Markdown or a table could take for its own.
std::string Plain(const std::string& text, size_t limit) {
  std::string plain;
  for (const char c : text.substr(0, limit)) {
    const bool harmless = static_cast<unsigned char>(c) >= 0x20 &&
                          std::string("|<>`*_[]\\").find(c) == std::string::npos;
    plain += harmless ? c : ' ';
  }
  return plain.empty() ? "-" : plain;
}

std::optional<double> Number(const Json& json) {
  if (!json.is_number()) return std::nullopt;
  const double value = json.get<double>();
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

std::string Count(const Json& json) {
  return json.is_number_unsigned() ? absl::StrCat(json.get<uint64_t>()) : "not available";
}

// "0.871 [0.802, 0.926] n=126 (bootstrap by patient)".
std::string Cell(const Json& json) {
  const Json &ci95 = At(json, "ci95"), &n = At(json, "n"), &method = At(json, "method");
  if (!ci95.is_array() || ci95.size() != 2 || !n.is_number_unsigned() || !method.is_string()) {
    return "not available";
  }
  const std::optional<double> value = Number(At(json, "value")), low = Number(ci95[0]),
                              high = Number(ci95[1]);
  if (!value || !low || !high) return "not available";
  const Estimate estimate{
      *value, {*low, *high}, static_cast<int64_t>(n.get<uint64_t>()), method.get<std::string>()};
  const std::string text = FormatEstimate(estimate, kMinSubgroup);
  if (text == "missing") return "not available";
  return absl::StrCat(text, " (", Plain(estimate.method, kMaxNameBytes), ")");
}

void AddRow(const std::string& name, const std::string& cell, std::string& card) {
  absl::StrAppend(&card, "| ", name, " | ", cell, " |\n");
}

void AppendMetrics(const std::string& title, const Json& metrics, std::string& card) {
  const Json& estimates = At(metrics, "estimates");
  absl::StrAppend(&card, "\n### ", title, "\n\n| measure | value [95 % interval] |\n|---|---|\n");
  AddRow("balanced accuracy", Cell(At(estimates, "balanced_accuracy")), card);
  AddRow("accuracy", Cell(At(estimates, "accuracy")), card);
  const std::pair<const char*, const char*> by_class[] = {{"AUROC", "auroc"},
                                                          {"sensitivity", "sensitivity"},
                                                          {"specificity", "specificity"},
                                                          {"predictive value", "predictive_value"}};
  for (const auto& [label, key] : by_class) {
    const Json& classes = At(estimates, key);
    if (!classes.is_object() || classes.size() > kMaxRows) continue;
    for (const auto& [name, value] : classes.items()) {
      AddRow(absl::StrCat(label, ", ", Plain(name, kMaxNameBytes)), Cell(value), card);
    }
  }
  const Json& calibration = At(metrics, "calibration");
  if (calibration.is_object() && calibration.size() <= kMaxRows) {
    for (const auto& [name, line] : calibration.items()) {
      AddRow(absl::StrCat("calibration slope (1 is right), ", Plain(name, kMaxNameBytes)),
             Cell(At(line, "slope")), card);
    }
  }
  AddRow("Brier score", Cell(At(estimates, "brier")), card);
  AddRow("calibration error (ECE)", Cell(At(estimates, "ece")), card);
}

// Films by source and class, as the audit counted them; a comparison counts those trained on.
absl::StatusOr<std::string> SourceTable(const Json& audit, bool compared) {
  const Json& table = At(audit, "class_by_site");
  if (!table.is_object() || table.empty() || table.size() > kMaxRows) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the evaluation does not say how many films of each class are of each source (1 to ",
        kMaxRows, " sources): figures without that table do not go on a card."));
  }
  std::string text = compared ? "\n### Training films by site and class\n\n| site | films |\n"
                              : "\n### Films by source and class\n\n| source | films |\n";
  text += "|---|---|\n";
  for (const auto& [site, counts] : table.items()) {
    std::string cell;
    for (const auto& [name, n] : counts.items()) {
      absl::StrAppend(&cell, cell.empty() ? "" : ", ", Plain(name, kMaxNameBytes), " ", Count(n));
    }
    AddRow(Plain(site, kMaxNameBytes), cell, text);
  }
  return text;
}

void AppendBaseline(const char* name, const Json& row, std::string& text) {
  const std::string better =
      At(row, "model_better_by").is_object()
          ? absl::StrCat("; the model is better by ", Cell(At(row, "model_better_by")))
          : "";
  AddRow(name, absl::StrCat(Cell(At(row, "auroc")), better), text);
}

std::string AuditTable(const Json& audit) {
  std::string text = "\n### Leak audit\n\n| row | value [95 % interval] |\n|---|---|\n";
  AddRow("the source alone, balanced accuracy", Cell(At(audit, "source_only", "balanced_accuracy")),
         text);
  AddRow("the model, centre black, AUROC", Cell(At(audit, "lungs_out_auroc")), text);
  AddRow("the model, border only, AUROC", Cell(At(audit, "border_only_auroc")), text);
  AddRow("the model, 32-pixel thumbnail, AUROC", Cell(At(audit, "thumbnail_auroc")), text);
  AppendBaseline("naming the source, AUROC", At(audit, "site_prediction"), text);
  AppendBaseline("learned from borders, AUROC", At(audit, "border_baseline"), text);
  AppendBaseline("learned from black centres, AUROC", At(audit, "lungs_out_baseline"), text);
  AppendBaseline("learned from thumbnails, AUROC", At(audit, "thumbnail_baseline"), text);
  const Json& left_out = At(audit, "leave_one_out");
  if (left_out.is_object() && left_out.size() <= kMaxRows) {
    for (const auto& [site, row] : left_out.items()) {
      AddRow(absl::StrCat("never saw ", Plain(site, kMaxNameBytes), ", balanced accuracy there"),
             Cell(At(At(At(row, "metrics"), "estimates"), "balanced_accuracy")), text);
    }
  }
  return text;
}

std::string Status(const Json& audit) {
  if (At(audit, "promoted") == true)
    return "**Status: no row of the leak audit speaks against it.**\n";
  std::string text = "**Status: `research`. The leak audit does not promote it:**\n\n";
  const Json& reasons = At(audit, "reasons");
  if (!reasons.is_array() || reasons.empty()) return text + "- no reason is given\n";
  for (size_t i = 0; i < std::min(reasons.size(), kMaxRows); ++i) {
    const Json& reason = reasons[i];
    absl::StrAppend(&text, "- ",
                    reason.is_string() ? Plain(reason.get<std::string>(), kMaxReasonBytes) : "-",
                    "\n");
  }
  return text;
}

// The object with the figures of this model: compare has several models.
const Json& MetricsOf(const Json& document) {
  const Json& metrics = At(document, "metrics");
  const Json& federated = At(metrics, "federated");
  return federated.is_object() ? federated : metrics;
}

}  // namespace

absl::StatusOr<std::string> CardEvaluation(absl::string_view document, const Digest& model) {
  if (document.size() > kEvaluationLimitBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the evaluation has ", document.size(),
                                                   " bytes, at most ", kEvaluationLimitBytes,
                                                   " are read."));
  }
  const Json json = Json::parse(document.begin(), document.end(), nullptr,
                                /*allow_exceptions=*/false);
  const Json& metrics = MetricsOf(json);
  if (!At(metrics, "estimates").is_object() || !At(json, "model_sha256").is_string()) {
    return absl::InvalidArgumentError(
        "this is not the output of `hilum model evaluate --json`, or of `hilum model compare "
        "--json --federated DIR`.");
  }
  if (At(json, "model_sha256") != ToHex(model)) {
    return absl::DataLossError("this is the evaluation of another model.");
  }
  const Json& audit = At(json, "leak_audit");
  if (!audit.is_object()) {
    return absl::InvalidArgumentError(
        "the evaluation has no leak audit: figures without it do not go on a card; make it again "
        "with `hilum model evaluate --json`.");
  }
  const bool compared = &metrics != &At(json, "metrics");
  HILUM_ASSIGN_OR_RETURN(const std::string sources, SourceTable(audit, compared));
  std::string card = absl::StrCat("\n## How well it does\n\n", Status(audit), "\nOn ",
                                  Count(At(metrics, "n")), " labelled films");
  if (At(json, "refused").is_number_unsigned()) {
    absl::StrAppend(&card, " (", Count(At(json, "refused")), " refused, ",
                    Count(At(json, "outside_age")), " below the age range)");
  }
  card += ".\n";
  AppendMetrics("All films", metrics, card);
  const Json& by_source = At(metrics, "by_source");
  if (by_source.is_object() && by_source.size() <= kMaxRows) {
    for (const auto& [source, part] : by_source.items()) {
      AppendMetrics(absl::StrCat("Source ", Plain(source, kMaxNameBytes)), part, card);
    }
  }
  return absl::StrCat(card, sources, AuditTable(audit));
}

}  // namespace hilum::evaluation

#include "evaluation/card_evaluation.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "evaluation/audit_verdict.h"
#include "evaluation/report.h"

namespace hilum::evaluation {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxNameBytes = 80;  // of a source or class
constexpr size_t kMaxReasonBytes = 400;

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

std::string Count(const Json& json) {
  return json.is_number_unsigned() ? absl::StrCat(json.get<uint64_t>()) : "not available";
}

// "0.871 [0.802, 0.926] n=126 (bootstrap by patient)".
std::string Cell(const Json& json) {
  const std::optional<Estimate> estimate = ReadEstimate(json);
  if (!estimate.has_value()) return "not available";
  return absl::StrCat(FormatEstimate(*estimate, kMinSubgroup), " (",
                      Plain(estimate->method, kMaxNameBytes), ")");
}

void AddRow(const std::string& name, const std::string& cell, std::string& card) {
  absl::StrAppend(&card, "| ", name, " | ", cell, " |\n");
}

void AppendMetrics(const std::string& title, const Json& metrics, std::string& card) {
  const Json& estimates = FieldOf(metrics, "estimates");
  absl::StrAppend(&card, "\n### ", title, "\n\n| measure | value [95 % interval] |\n|---|---|\n");
  AddRow("balanced accuracy", Cell(FieldOf(estimates, "balanced_accuracy")), card);
  AddRow("accuracy", Cell(FieldOf(estimates, "accuracy")), card);
  const std::pair<const char*, const char*> by_class[] = {{"AUROC", "auroc"},
                                                          {"sensitivity", "sensitivity"},
                                                          {"specificity", "specificity"},
                                                          {"predictive value", "predictive_value"}};
  for (const auto& [label, key] : by_class) {
    const Json& classes = FieldOf(estimates, key);
    if (!classes.is_object() || classes.size() > kMaxDocumentRows) continue;
    for (const auto& [name, value] : classes.items()) {
      AddRow(absl::StrCat(label, ", ", Plain(name, kMaxNameBytes)), Cell(value), card);
    }
  }
  const Json& calibration = FieldOf(metrics, "calibration");
  if (calibration.is_object() && calibration.size() <= kMaxDocumentRows) {
    for (const auto& [name, line] : calibration.items()) {
      AddRow(absl::StrCat("calibration slope (1 is right), ", Plain(name, kMaxNameBytes)),
             Cell(FieldOf(line, "slope")), card);
    }
  }
  AddRow("Brier score", Cell(FieldOf(estimates, "brier")), card);
  AddRow("calibration error (ECE)", Cell(FieldOf(estimates, "ece")), card);
}

// Films by source and class, as the audit counted them; a comparison counts those trained on.
absl::StatusOr<std::string> SourceTable(const Json& audit, bool compared) {
  const Json& table = FieldOf(audit, "class_by_site");
  if (!table.is_object() || table.empty() || table.size() > kMaxDocumentRows) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the evaluation does not say how many films of each class are of each source (1 to ",
        kMaxDocumentRows, " sources): figures without that table do not go on a card."));
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

// The rows with the texts of peers made plain; all other words are ours.
AuditRows PlainRows(const Json& audit) {
  AuditRows rows = ReadAuditRows(audit);
  for (LeftOut& network : rows.left_out) {
    network.site = Plain(network.site, kMaxNameBytes);
    network.reason = Plain(network.reason, kMaxReasonBytes);
  }
  return rows;
}

std::string AuditSection(const AuditRows& rows) {
  std::string text =
      "\n### Leak audit\n\n| row | found [95 % interval] | learned from | what must hold | verdict "
      "|\n"
      "|---|---|---|---|---|\n";
  for (const AuditLine& line : AuditLines(rows)) {
    absl::StrAppend(&text, "| ", line.row, " | ", line.found, " | ", line.learned_from, " | ",
                    line.rule, " | ", line.verdict, " |\n");
  }
  return text;
}

std::string Status(const AuditRows& rows) {
  const Verdict verdict = Judge(rows);
  if (verdict.promoted) return "**Status: no row of the leak audit speaks against it.**\n";
  std::string text = "**Status: `research`. The leak audit does not promote it:**\n\n";
  for (const std::string& reason : verdict.reasons) {
    absl::StrAppend(&text, "- ", reason, "\n");
  }
  return text;
}

// The object with the figures of this model: compare has several models.
const Json& MetricsOf(const Json& document) {
  const Json& metrics = FieldOf(document, "metrics");
  const Json& federated = FieldOf(metrics, "federated");
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
  if (!FieldOf(metrics, "estimates").is_object() || !FieldOf(json, "model_sha256").is_string()) {
    return absl::InvalidArgumentError(
        "this is not the output of `hilum model evaluate --json`, or of `hilum model compare "
        "--json --federated DIR`.");
  }
  if (FieldOf(json, "model_sha256") != ToHex(model)) {
    return absl::DataLossError("this is the evaluation of another model.");
  }
  const Json& audit = FieldOf(json, "leak_audit");
  if (!audit.is_object()) {
    return absl::InvalidArgumentError(
        "the evaluation has no leak audit: figures without it do not go on a card; make it again "
        "with `hilum model evaluate --json`.");
  }
  const AuditRows rows = PlainRows(audit);
  const bool compared = &metrics != &FieldOf(json, "metrics");
  HILUM_ASSIGN_OR_RETURN(const std::string sources, SourceTable(audit, compared));
  std::string card = absl::StrCat("\n## How well it does\n\n", Status(rows), "\nOn ",
                                  Count(FieldOf(metrics, "n")), " labelled films");
  if (FieldOf(json, "refused").is_number_unsigned()) {
    absl::StrAppend(&card, " (", Count(FieldOf(json, "refused")), " refused, ",
                    Count(FieldOf(json, "outside_age")), " below the age range)");
  }
  card += ".\n";
  AppendMetrics("All films", metrics, card);
  const Json& by_source = FieldOf(metrics, "by_source");
  if (by_source.is_object() && by_source.size() <= kMaxDocumentRows) {
    for (const auto& [source, part] : by_source.items()) {
      AppendMetrics(absl::StrCat("Source ", Plain(source, kMaxNameBytes)), part, card);
    }
  }
  return absl::StrCat(card, sources, AuditSection(rows));
}

}  // namespace hilum::evaluation

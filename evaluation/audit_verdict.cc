#include "evaluation/audit_verdict.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "evaluation/report.h"

namespace hilum::evaluation {
namespace {

constexpr double kChance = 0.5;  // an AUROC that tells nothing

bool IsThere(const std::optional<Estimate>& estimate) {
  return estimate.has_value() && IsComplete(*estimate);
}

std::string ToText(const Interval& interval) {
  return absl::StrFormat("[%.3f, %.3f]", interval.low, interval.high);
}

AuditLine NotRun(const std::string& row, const std::string& rule) {
  return {.row = row,
          .rule = rule,
          .verdict = "not run",
          .reason = absl::StrCat("the row \"", row, "\" was not run")};
}

// A figure that decides nothing, but must be there.
AuditLine Shown(const std::string& row, const std::optional<Estimate>& estimate) {
  if (!IsThere(estimate)) return NotRun(row, "");
  return {.row = row, .found = FormatEstimate(*estimate), .verdict = "shown"};
}

void Decide(bool passes, std::string reason, AuditLine& line) {
  line.verdict = passes ? "passes" : "refuses";
  if (!passes) line.reason = std::move(reason);
}

AuditLine SplitLine(const std::optional<SplitAudit>& split) {
  const std::string row = "split", rule = "no patient, film or near-duplicate on both sides";
  if (!split.has_value()) return NotRun(row, rule);
  AuditLine line{.row = row,
                 .found = absl::StrCat(split->n_train, " training and ", split->n_test,
                                       " test films, ", split->n_overlaps, " shared"),
                 .rule = rule};
  Decide(split->n_overlaps == 0,
         absl::StrCat("training and test share ", split->n_overlaps, " pairs, 0 are allowed"),
         line);
  return line;
}

AuditLine SourceLine(const AuditRows& rows) {
  const std::string row = "source only", rule = "the model's balanced accuracy is higher";
  if (!rows.source_only.has_value() || !IsComplete(rows.source_only->balanced_accuracy)) {
    return NotRun(row, rule);
  }
  const Estimate& source = rows.source_only->balanced_accuracy;
  AuditLine line{.row = row, .found = FormatEstimate(source), .rule = rule, .verdict = "shown"};
  if (!IsThere(rows.model_balanced_accuracy)) return line;  // the row of the model says so
  const double model = rows.model_balanced_accuracy->value;
  Decide(source.value < model,
         absl::StrFormat(
             "a rule that sees only the site reaches a balanced accuracy of %.3f, the model %.3f",
             source.value, model),
         line);
  return line;
}

AuditLine LungsOutLine(const std::optional<Estimate>& auroc, double limit) {
  const std::string row = "lungs out", rule = absl::StrFormat("AUROC of at most %.3f", limit);
  if (!IsThere(auroc)) return NotRun(row, rule);
  AuditLine line{.row = row, .found = FormatEstimate(*auroc), .rule = rule};
  Decide(auroc->value <= limit,
         absl::StrFormat("with the lungs blacked out the AUROC is %.3f, at most %.3f is allowed",
                         auroc->value, limit),
         line);
  return line;
}

AuditLine BaselineLine(const std::string& row, const std::optional<Baseline>& baseline) {
  if (!baseline.has_value() || !IsComplete(baseline->auroc)) return NotRun(row, "");
  AuditLine line{.row = row,
                 .found = FormatEstimate(baseline->auroc),
                 .learned_from = absl::StrCat(baseline->n_train, " films"),
                 .verdict = "shown"};
  if (IsThere(baseline->model_better_by)) {
    absl::StrAppend(&line.found, "; the model is better by ",
                    FormatEstimate(*baseline->model_better_by));
  }
  return line;
}

AuditLine BorderLine(const std::optional<Baseline>& baseline) {
  const std::string row = "border baseline", rule = "the model is better with certainty";
  AuditLine line = BaselineLine(row, baseline);
  if (!line.reason.empty() || !IsThere(baseline->model_better_by)) return NotRun(row, rule);
  line.rule = rule;
  const Estimate& better = *baseline->model_better_by;
  Decide(better.ci95.low > 0,
         absl::StrFormat("a regression that sees only the border reaches an AUROC of %.3f; the "
                         "model is better by %.3f %s, an interval above 0 is needed",
                         baseline->auroc.value, better.value, ToText(better.ci95)),
         line);
  return line;
}

AuditLine LeftOutLine(const LeftOut& network) {
  AuditLine line{
      .row = absl::StrCat("never saw ", network.site),
      .learned_from = absl::StrCat(network.n_train, " films, ", network.n_samples_seen, " seen"),
      .rule = "AUROC above 0.5 with certainty",
      .verdict = "shown"};
  if (!IsThere(network.auroc)) {
    line.found = absl::StrCat("not defined: ", network.reason);
    return line;
  }
  line.found = FormatEstimate(*network.auroc);
  Decide(network.auroc->ci95.low > kChance,
         absl::StrFormat("a network that never saw a film of %s reaches an AUROC of %.3f %s there, "
                         "an interval above 0.5 is needed",
                         network.site, network.auroc->value, ToText(network.auroc->ci95)),
         line);
  return line;
}

}  // namespace

std::vector<AuditLine> AuditLines(const AuditRows& rows, double max_lungs_out_auroc) {
  std::vector<AuditLine> lines{SplitLine(rows.split),
                               Shown("model", rows.model_balanced_accuracy),
                               SourceLine(rows),
                               BaselineLine("site prediction", rows.site_prediction),
                               LungsOutLine(rows.lungs_out_auroc, max_lungs_out_auroc),
                               Shown("border only", rows.border_only_auroc),
                               Shown("thumbnail", rows.thumbnail_auroc),
                               BorderLine(rows.border_baseline),
                               BaselineLine("lungs-out baseline", rows.lungs_out_baseline),
                               BaselineLine("thumbnail baseline", rows.thumbnail_baseline)};
  bool was_left_out = false;
  for (const LeftOut& network : rows.left_out) {
    lines.push_back(LeftOutLine(network));
    was_left_out |= IsThere(network.auroc);
  }
  if (!was_left_out) {
    lines.push_back({.row = "leave one site out",
                     .rule = "one site at least was kept out of training and judged",
                     .verdict = "not run",
                     .reason = "no site was kept out of training"});
  }
  return lines;
}

Verdict Judge(const AuditRows& rows, double max_lungs_out_auroc) {
  Verdict verdict;
  for (AuditLine& line : AuditLines(rows, max_lungs_out_auroc)) {
    if (!line.reason.empty()) verdict.reasons.push_back(std::move(line.reason));
  }
  verdict.promoted = verdict.reasons.empty();
  return verdict;
}

}  // namespace hilum::evaluation

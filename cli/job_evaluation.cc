#include "cli/job_evaluation.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "base/bytes.h"
#include "cli/job_chart.h"
#include "evaluation/audit_verdict.h"
#include "evaluation/document.h"
#include "evaluation/report.h"

namespace hilum::cli {
namespace {

using evaluation::FieldOf;
using evaluation::kMaxDocumentRows;
using evaluation::kMinSubgroup;
using nlohmann::ordered_json;
using Row = std::vector<std::string>;

std::string Text(const ordered_json& json) {
  return json.is_string() ? json.get<std::string>() : std::string("-");
}

std::string Count(const ordered_json& json) {
  return json.is_number_unsigned() ? absl::StrCat(json.get<uint64_t>()) : "-";
}

std::string Shown(const ordered_json& json, const char* none = "missing", int64_t min_n = 1) {
  const std::optional<evaluation::Estimate> estimate = evaluation::ReadEstimate(json);
  return estimate.has_value() ? evaluation::FormatEstimate(*estimate, min_n) : none;
}

// "0.873 [0.801, 0.921] n=126" of the object's own fields, or "missing".
std::string BalancedAccuracy(const ordered_json& metrics) {
  return Shown({{"value", FieldOf(metrics, "balanced_accuracy")},
                {"ci95", FieldOf(metrics, "ci95")},
                {"n", FieldOf(metrics, "n")},
                {"method", "bootstrap by patient"}});
}

// The members of an object, of a long one the first.
std::vector<std::pair<std::string, const ordered_json*>> Members(const ordered_json& json) {
  std::vector<std::pair<std::string, const ordered_json*>> members;
  if (!json.is_object()) return members;
  for (auto item = json.begin(); item != json.end() && members.size() < kMaxDocumentRows; ++item) {
    members.emplace_back(item.key(), &*item);
  }
  return members;
}

std::vector<const ordered_json*> Elements(const ordered_json& json) {
  std::vector<const ordered_json*> elements;
  if (!json.is_array()) return elements;
  for (size_t i = 0; i < std::min(json.size(), 2 * kMaxDocumentRows); ++i) {
    elements.push_back(&json[i]);
  }
  return elements;
}

std::string Aurocs(const ordered_json& metrics) {
  Row parts;
  for (const auto& [name, estimate] : Members(FieldOf(FieldOf(metrics, "estimates"), "auroc"))) {
    parts.push_back(absl::StrCat(name, " ", Shown(*estimate)));
  }
  return parts.empty() ? "missing" : absl::StrJoin(parts, ", ");
}

struct Model {
  std::string name;
  const ordered_json* metrics;
};

// Every model of the document: a site's as "local_only hospital-a".
std::vector<Model> ModelsOf(const ordered_json& evaluation) {
  const ordered_json& metrics = FieldOf(evaluation, "metrics");
  if (metrics.contains("balanced_accuracy")) return {{"released model", &metrics}};
  std::vector<Model> models;
  for (const auto& [name, part] : Members(metrics)) {
    if (part->contains("balanced_accuracy")) {
      models.push_back({name, part});
      continue;
    }
    for (const auto& [site, of_site] : Members(*part)) {
      if (!of_site->contains("balanced_accuracy")) continue;
      models.push_back({absl::StrCat(name, " ", site), of_site});
    }
  }
  return models;
}

// The federated model's figures, or those of the one model that there is.
const ordered_json& JudgedModel(const ordered_json& evaluation) {
  const ordered_json& metrics = FieldOf(evaluation, "metrics");
  if (metrics.contains("balanced_accuracy")) return metrics;
  const ordered_json& federated = FieldOf(metrics, "federated");
  return federated.is_object() ? federated : FieldOf(metrics, "pooled");
}

// The classes that are shown: of two the second, because the first mirrors it.
Row ClassesOf(const ordered_json& metrics) {
  Row classes;
  for (const ordered_json* name : Elements(FieldOf(metrics, "classes"))) {
    if (name->is_string()) classes.push_back(name->get<std::string>());
  }
  if (classes.size() == 2) classes.erase(classes.begin());
  return classes;
}

const ordered_json& AurocOf(const ordered_json& metrics, const std::string& name) {
  return FieldOf(FieldOf(FieldOf(metrics, "estimates"), "auroc"), name.c_str());
}

std::string ModelsTable(const std::vector<Model>& models) {
  std::vector<Row> rows;
  for (const Model& model : models) {
    rows.push_back({model.name, BalancedAccuracy(*model.metrics), Aurocs(*model.metrics),
                    Count(FieldOf(*model.metrics, "n_train")),
                    Count(FieldOf(*model.metrics, "n_samples_seen"))});
  }
  return absl::StrCat("<h2>On the common test films</h2>\n",
                      HtmlTable({"model", "balanced accuracy [95 % interval]", "AUROC by class",
                                 "films trained on", "samples seen"},
                                rows));
}

// Where a model was trained, and of which source the test films are.
std::string CrossSiteMatrix(const std::vector<Model>& models, const Row& classes) {
  std::set<std::string> sources;
  for (const Model& model : models) {
    for (const auto& member : Members(FieldOf(*model.metrics, "by_source"))) {
      if (sources.size() < kMaxDocumentRows) sources.insert(member.first);
    }
  }
  if (sources.empty()) return "";
  std::string html = "<h2>Trained here, tested there</h2>\n";
  for (const std::string& name : classes) {
    Row header{absl::StrCat("AUROC of ", name)};
    for (const std::string& source : sources) header.push_back(absl::StrCat("films of ", source));
    std::vector<Row> rows;
    for (const Model& model : models) {
      Row row{model.name};
      for (const std::string& source : sources) {
        const ordered_json& part = FieldOf(FieldOf(*model.metrics, "by_source"), source.c_str());
        row.push_back(part.is_object() ? Shown(AurocOf(part, name), "missing", kMinSubgroup) : "-");
      }
      rows.push_back(std::move(row));
    }
    absl::StrAppend(&html, HtmlTable(header, rows));
  }
  return html;
}

std::string Decimal(const ordered_json& json) {
  return json.is_number() ? absl::StrFormat("%.3f", json.get<double>()) : "-";
}

std::string OperatingPointTable(const ordered_json& point) {
  if (!point.is_object()) return "";
  std::vector<Row> rows;
  for (const ordered_json* row : Elements(FieldOf(point, "rows"))) {
    rows.push_back(
        {Text(FieldOf(*row, "films")), Text(FieldOf(*row, "class")),
         Decimal(FieldOf(*row, "threshold")), Shown(FieldOf(*row, "sensitivity")),
         Shown(FieldOf(*row, "specificity")), Shown(FieldOf(*row, "positive_predictive_value")),
         Shown(FieldOf(*row, "negative_predictive_value")), Decimal(FieldOf(*row, "prevalence"))});
  }
  return absl::StrCat(
      "<h2>At the operating point</h2>\n<p>Chosen on ",
      EscapeHtml(Text(FieldOf(point, "chosen_on"))),
      ". Predictive values hold at the share of the class among these films, which is no "
      "hospital's prevalence.</p>\n",
      HtmlTable({"films", "class", "called so from", "sensitivity", "specificity", "PPV", "NPV",
                 "share of the class"},
                rows));
}

std::string SubgroupTable(const ordered_json& groups, const Row& classes) {
  std::vector<Row> rows;
  for (const ordered_json* group : Elements(groups)) {
    const ordered_json& n = FieldOf(*group, "n");
    for (const std::string& name : classes) {
      const auto shown = [&](const char* measure) {
        return Shown(FieldOf(FieldOf(*group, measure), name.c_str()), "insufficient", kMinSubgroup);
      };
      rows.push_back(
          {absl::StrCat(Text(FieldOf(*group, "by")), " ", Text(FieldOf(*group, "group"))),
           n.is_number_unsigned() ? Count(n) : absl::StrCat("< ", evaluation::kMinCountShown), name,
           shown("auroc"), shown("sensitivity"), shown("predictive_value")});
    }
  }
  if (rows.empty()) return "";
  return absl::StrCat("<h2>By sex, age and view</h2>\n<p>\"insufficient\": fewer than ",
                      kMinSubgroup, " films decide it.</p>\n",
                      HtmlTable({"films of", "n", "class", "AUROC", "sensitivity", "PPV"}, rows));
}

std::string ClassBySourceTable(const ordered_json& table) {
  std::vector<Row> rows;
  for (const auto& [source, counts] : Members(table)) {
    Row parts;
    for (const auto& [name, n] : Members(*counts)) {
      parts.push_back(absl::StrCat(name, " ", Count(*n)));
    }
    rows.push_back({source, absl::StrJoin(parts, ", ")});
  }
  return rows.empty() ? "" : HtmlTable({"films of", "by class"}, rows);
}

std::string AuditSection(const ordered_json& audit) {
  if (!audit.is_object()) return "";
  const evaluation::AuditRows found = evaluation::ReadAuditRows(audit);
  const evaluation::Verdict verdict = evaluation::Judge(found);
  std::string html = absl::StrCat(
      "<h2>Leak audit</h2>\n<p>Could the score come from the split or the source, rather than from "
      "the disease?</p>\n<p class=\"notice\">",
      verdict.promoted ? "No row speaks against the model."
                       : "The model is not promoted: it is for research until each of these holds.",
      "</p>\n");
  if (!verdict.reasons.empty()) {
    html += "<ul>\n";
    for (const std::string& reason : verdict.reasons) {
      absl::StrAppend(&html, "<li>", EscapeHtml(reason), "</li>\n");
    }
    html += "</ul>\n";
  }
  std::vector<Row> rows;
  for (const evaluation::AuditLine& line : evaluation::AuditLines(found)) {
    rows.push_back({line.row, line.found, line.learned_from, line.rule, line.verdict});
  }
  absl::StrAppend(
      &html,
      HtmlTable({"row", "found [95 % interval]", "learned from", "what must hold", "verdict"},
                rows),
      ClassBySourceTable(FieldOf(audit, "class_by_site")));
  for (const ordered_json* site : Elements(FieldOf(audit, "one_class_sites"))) {
    absl::StrAppend(&html, "<p>Warning: all films of ", EscapeHtml(Text(*site)),
                    " are of one class.</p>\n");
  }
  return html;
}

// The round that made the evaluated model, the last of several; 0: none did.
uint64_t RoundOf(const v1::JobStatus& status, const ordered_json& evaluation) {
  const ordered_json& model = FieldOf(evaluation, "model_sha256");
  uint64_t found = 0;
  for (const v1::RoundSummary& round : status.history()) {
    if (round.status() == "ok" && model == ToHex(AsBytes(round.model_sha256()))) {
      found = round.round();
    }
  }
  return found;
}

// A field that no spreadsheet takes for two, or for a formula.
std::string CsvField(const std::string& text) {
  const bool formula = !text.empty() && std::string("=+-@\t\r").find(text[0]) != std::string::npos;
  return absl::StrCat("\"", formula ? "'" : "",
                      absl::StrReplaceAll(text, {{"\"", "\"\""}, {"\n", " "}, {"\r", " "}}), "\"");
}

struct CsvKey {
  std::string model, films, measure, name;
};

void AppendCsv(const CsvKey& key, const ordered_json& json, int64_t min_n, std::string& csv) {
  const std::optional<evaluation::Estimate> estimate = evaluation::ReadEstimate(json);
  if (!estimate.has_value() || estimate->n < min_n) return;
  absl::StrAppend(&csv, CsvField(key.model), ",", CsvField(key.films), ",", CsvField(key.measure),
                  ",", CsvField(key.name), ",");
  absl::StrAppend(&csv, estimate->value, ",", estimate->ci95.low, ",", estimate->ci95.high, ",",
                  estimate->n, ",", CsvField(estimate->method), "\n");
}

// An estimate, or one a class.
void AppendMeasures(const CsvKey& key, const ordered_json& estimates, int64_t min_n,
                    std::string& csv) {
  for (const auto& [measure, found] : Members(estimates)) {
    AppendCsv({key.model, key.films, measure, ""}, *found, min_n, csv);
    if (found->contains("ci95")) continue;
    for (const auto& [name, of_class] : Members(*found)) {
      AppendCsv({key.model, key.films, measure, name}, *of_class, min_n, csv);
    }
  }
}

}  // namespace

absl::StatusOr<ordered_json> ReadEvaluation(const fs::path& path) {
  const absl::StatusOr<std::string> text = ReadTextFile(path, evaluation::kEvaluationLimitBytes);
  if (!text.ok()) return absl::InvalidArgumentError(text.status().message());
  ordered_json json = ordered_json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!FieldOf(json, "metrics").is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path.string(),
                     " is not what `hilum model compare --json` or `evaluate --json` prints: it "
                     "has no `metrics`."));
  }
  return json;
}

absl::Status CheckEvaluationOf(const v1::JobStatus& status, const ordered_json& evaluation) {
  const auto text_of = [&evaluation](const char* key) {
    const ordered_json& value = FieldOf(evaluation, key);
    return value.is_string() ? value.get<std::string>() : std::string();
  };
  const std::string model = text_of("model_sha256");
  const std::string job = text_of("job");
  if (model.empty()) {
    if (job.empty() || job == status.job()) return absl::OkStatus();
    return absl::DataLossError(
        absl::StrCat("the evaluation is of job ", job, ", not of ", status.job(), "."));
  }
  for (const v1::RoundSummary& round : status.history()) {
    if (model == ToHex(AsBytes(round.model_sha256()))) return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat("the evaluation is of model ", model,
                                          ", which no round of ", status.job(), " made."));
}

const ordered_json& LatestEvaluation(const v1::JobStatus& status,
                                     const std::vector<ordered_json>& evaluations) {
  const ordered_json* latest = &evaluations.front();
  for (const ordered_json& one : evaluations) {
    if (RoundOf(status, one) >= RoundOf(status, *latest)) latest = &one;
  }
  return *latest;
}

std::string HeldOutChart(const v1::JobStatus& status,
                         const std::vector<ordered_json>& evaluations) {
  std::map<double, Point> by_round;
  std::string of_class;
  for (const ordered_json& one : evaluations) {
    const uint64_t round = RoundOf(status, one);
    const ordered_json& metrics = JudgedModel(one);
    const Row classes = ClassesOf(metrics);
    if (round == 0 || classes.empty()) continue;
    const std::optional<evaluation::Estimate> auroc =
        evaluation::ReadEstimate(AurocOf(metrics, classes.back()));
    if (!auroc.has_value()) continue;
    of_class = classes.back();
    const double x = static_cast<double>(round);
    by_round[x] = {x, auroc->value, Range{auroc->ci95.low, auroc->ci95.high}};
  }
  if (by_round.empty()) return "";
  LineChart chart{.title = "AUROC on held-out films by round",
                  .x_label = "round",
                  .y_label = absl::StrCat("AUROC of ", of_class, ", 95 % intervals")};
  for (const auto& [round, point] : by_round) chart.points.push_back(point);
  return ToSvg(chart);
}

std::string EvaluationSection(const ordered_json& evaluation) {
  const std::vector<Model> models = ModelsOf(evaluation);
  const Row classes = ClassesOf(JudgedModel(evaluation));
  return absl::StrCat(ModelsTable(models), CrossSiteMatrix(models, classes),
                      OperatingPointTable(FieldOf(evaluation, "operating_point")),
                      SubgroupTable(FieldOf(evaluation, "subgroups"), classes),
                      AuditSection(FieldOf(evaluation, "leak_audit")));
}

std::string EvaluationCsv(const ordered_json& evaluation) {
  std::string csv = "model,films,measure,class,value,low,high,n,method\n";
  const std::vector<Model> models = ModelsOf(evaluation);
  std::string judged = "-";
  for (const Model& model : models) {
    if (model.metrics == &JudgedModel(evaluation)) judged = model.name;
    AppendMeasures({model.name, "all", "", ""}, FieldOf(*model.metrics, "estimates"), 1, csv);
    for (const auto& [source, part] : Members(FieldOf(*model.metrics, "by_source"))) {
      AppendMeasures({model.name, source, "", ""}, FieldOf(*part, "estimates"), kMinSubgroup, csv);
    }
  }
  for (const ordered_json* row :
       Elements(FieldOf(FieldOf(evaluation, "operating_point"), "rows"))) {
    for (const char* measure :
         {"sensitivity", "specificity", "positive_predictive_value", "negative_predictive_value"}) {
      AppendCsv({judged, Text(FieldOf(*row, "films")),
                 absl::StrCat(measure, " from ", Decimal(FieldOf(*row, "threshold"))),
                 Text(FieldOf(*row, "class"))},
                FieldOf(*row, measure), 1, csv);
    }
  }
  for (const ordered_json* group : Elements(FieldOf(evaluation, "subgroups"))) {
    const std::string films =
        absl::StrCat(Text(FieldOf(*group, "by")), " ", Text(FieldOf(*group, "group")));
    AppendMeasures({judged, films, "", ""}, *group, kMinSubgroup, csv);
  }
  return csv;
}

std::vector<std::pair<std::string, std::string>> HeadlineFigures(const ordered_json& evaluation) {
  const ordered_json& metrics = JudgedModel(evaluation);
  std::vector<std::pair<std::string, std::string>> figures{
      {"balanced accuracy", BalancedAccuracy(metrics)}};
  const Row classes = ClassesOf(metrics);
  for (const std::string& name : classes) {
    figures.emplace_back(absl::StrCat("AUROC, ", name), Shown(AurocOf(metrics, name)));
  }
  for (const auto& [source, part] : Members(FieldOf(metrics, "by_source"))) {
    for (const std::string& name : classes) {
      figures.emplace_back(absl::StrCat("AUROC, ", name, ", films of ", source),
                           Shown(AurocOf(*part, name), "missing", kMinSubgroup));
    }
  }
  const ordered_json& audit = FieldOf(evaluation, "leak_audit");
  if (audit.is_object()) {
    const bool promoted = evaluation::Judge(evaluation::ReadAuditRows(audit)).promoted;
    figures.emplace_back("leak audit", promoted ? "promoted" : "research");
  }
  return figures;
}

}  // namespace hilum::cli

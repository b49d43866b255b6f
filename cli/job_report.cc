#include "cli/job_report.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/bytes.h"
#include "base/status_macros.h"
#include "base/version.h"
#include "cli/job_chart.h"
#include "proto/round_plan.h"

namespace hilum::cli {
namespace {

using nlohmann::ordered_json;
using Row = std::vector<std::string>;

constexpr absl::string_view kHead = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<style>
body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#1b2733}
table{border-collapse:collapse;margin:.5em 0}
td,th{padding:.25em .6em;text-align:left;border-bottom:1px solid #d5dde5}
th{white-space:nowrap}td{overflow-wrap:anywhere}
svg{max-width:100%;height:auto}svg text{font-size:12px;fill:#44546a}
svg rect,svg circle{fill:#1f6f8b}svg .dropped{fill:#c8553d}svg .absent{fill:#e4e9ee}
svg polyline{fill:none;stroke:#1f6f8b;stroke-width:2}svg .rule{stroke:#e4e9ee}
.notice{border-left:4px solid #c8553d;padding:.2em 1em;background:#faf3f1}
pre{background:#f4f6f8;padding:1em;overflow:auto}
</style>)";

std::string HtmlTable(const Row& header, const std::vector<Row>& rows) {
  std::string html = "<table><tr>";
  for (const std::string& cell : header) absl::StrAppend(&html, "<th>", EscapeHtml(cell), "</th>");
  html += "</tr>\n";
  for (const Row& row : rows) {
    html += "<tr>";
    for (const std::string& cell : row) absl::StrAppend(&html, "<td>", EscapeHtml(cell), "</td>");
    html += "</tr>\n";
  }
  return html + "</table>\n";
}

template <class Names>
std::string Joined(const Names& names, const char* separator) {
  return absl::StrJoin(names.begin(), names.end(), separator);
}

std::string LossChart(const v1::JobStatus& status) {
  LineChart chart{.title = "Mean training loss by round", .x_label = "round", .y_label = "loss"};
  for (const v1::RoundSummary& round : status.history()) {
    if (round.status() != "ok") continue;
    chart.points.push_back({static_cast<double>(round.round()), round.mean_loss()});
  }
  return ToSvg(chart);
}

std::string FilmsChart(const v1::JobStatus& status) {
  BarChart chart{.title = "Training films by site"};
  for (const v1::SiteStatus& site : status.sites()) {
    if (!site.has_statistics()) continue;
    chart.bars.push_back({site.site(), static_cast<double>(site.weight())});
  }
  return ToSvg(chart);
}

std::string CohortGrid(const v1::JobStatus& status) {
  Grid grid{.title = "Sites counted in each round"};
  for (const v1::SiteStatus& site : status.sites()) grid.rows.push_back(site.site());
  for (const v1::RoundSummary& round : status.history()) {
    if (round.status() != "open") grid.columns.push_back(absl::StrCat(round.round()));
  }
  for (const std::string& site : grid.rows) {
    for (const v1::RoundSummary& round : status.history()) {
      if (round.status() == "open") continue;
      const auto has = [&site](const auto& names) {
        return std::find(names.begin(), names.end(), site) != names.end();
      };
      grid.cells.push_back(has(round.cohort())    ? Cell::kCounted
                           : has(round.dropped()) ? Cell::kDropped
                                                  : Cell::kNone);
    }
  }
  return ToSvg(grid);
}

std::string RoundsTable(const v1::JobStatus& status) {
  std::vector<Row> rows;
  for (const v1::RoundSummary& round : status.history()) {
    const bool ok = round.status() == "ok";
    rows.push_back({absl::StrCat(round.round()), round.status(), absl::StrCat(round.cohort_size()),
                    Joined(round.dropped(), ", "), ok ? absl::StrCat(round.total_weight()) : "-",
                    ok ? absl::StrFormat("%.4f", round.mean_loss()) : "-",
                    FormatSeconds(round.seconds()),
                    FormatBytes(static_cast<double>(round.received_bytes())),
                    ToHex(AsBytes(round.model_sha256())), round.reason()});
  }
  return HtmlTable({"round", "status", "sites", "dropped", "films", "mean loss", "time", "received",
                    "model", "reason"},
                   rows);
}

// "0.873 [0.801, 0.921] n=126", or "missing": a number without n and interval is no result.
std::string Estimate(const ordered_json& metrics) {
  const ordered_json value = metrics.value("balanced_accuracy", ordered_json());
  const ordered_json ci95 = metrics.value("ci95", ordered_json());
  const ordered_json n = metrics.value("n", ordered_json());
  const bool whole = value.is_number() && n.is_number_unsigned() && ci95.is_array() &&
                     ci95.size() == 2 && ci95[0].is_number() && ci95[1].is_number();
  if (!whole) return "missing";
  return absl::StrFormat("%.3f [%.3f, %.3f] n=%d", value.get<double>(), ci95[0].get<double>(),
                         ci95[1].get<double>(), n.get<uint64_t>());
}

std::string Aurocs(const ordered_json& metrics) {
  const ordered_json aurocs = metrics.value("auroc", ordered_json());
  if (!aurocs.is_object()) return "missing";
  std::vector<std::string> parts;
  for (const auto& [name, value] : aurocs.items()) {
    parts.push_back(absl::StrCat(
        name, " ", value.is_number() ? absl::StrFormat("%.3f", value.get<double>()) : "missing"));
  }
  return absl::StrJoin(parts, ", ");
}

void AddMetricRows(const std::string& name, const ordered_json& metrics, std::vector<Row>& rows) {
  if (!metrics.is_object()) return;
  if (metrics.contains("balanced_accuracy")) {
    rows.push_back({name.empty() ? "released model" : name, Estimate(metrics), Aurocs(metrics)});
    return;
  }
  for (const auto& [part, of_part] : metrics.items()) {  // local_only: one object a site
    AddMetricRows(name.empty() ? part : absl::StrCat(name, " ", part), of_part, rows);
  }
}

std::string EvaluationSection(const ordered_json& evaluation) {
  std::vector<Row> rows;
  AddMetricRows("", evaluation["metrics"], rows);
  std::string html = absl::StrCat(
      "<h2>On the common test films</h2>\n",
      HtmlTable({"model", "balanced accuracy [95 % interval]", "AUROC by class"}, rows));
  const ordered_json audit = evaluation.value("leak_audit", ordered_json());
  if (audit.is_object()) {
    const bool promoted = audit.value("promoted", false);
    absl::StrAppend(&html, "<h2>Leak audit</h2>\n<p>",
                    promoted ? "No row speaks against the model."
                             : "The model is not promoted; the reasons stand below.",
                    "</p>\n<pre>",
                    EscapeHtml(audit.dump(2, ' ', false, ordered_json::error_handler_t::replace)),
                    "</pre>\n");
  }
  return html;
}

// The plan as a flat list of "training.batch_size" -> "8"; the tensors are left out.
std::map<std::string, std::string> FlatPlan(const v1::JobStatus& status) {
  std::map<std::string, std::string> flat;
  const ordered_json plan = ordered_json::parse(status.plan(), nullptr, false);
  if (!plan.is_object()) return flat;
  for (const auto& [key, value] : plan.items()) {
    if (key == "spec") continue;
    if (!value.is_object()) {
      flat[key] = value.is_string() ? value.get<std::string>() : value.dump();
      continue;
    }
    for (const auto& [inner, of_inner] : value.items()) {
      flat[absl::StrCat(key, ".", inner)] =
          of_inner.is_string() ? of_inner.get<std::string>() : of_inner.dump();
    }
  }
  return flat;
}

// What came of a job, in the order of the comparison.
std::vector<std::pair<std::string, std::string>> Outcome(const v1::JobStatus& status) {
  uint64_t ok = 0, aborted = 0, received = 0;
  double seconds = 0.0;
  const v1::RoundSummary* last = nullptr;
  for (const v1::RoundSummary& round : status.history()) {
    ok += round.status() == "ok";
    aborted += round.status() == "aborted";
    received += round.received_bytes();
    seconds += round.seconds();
    if (round.status() == "ok") last = &round;
  }
  return {{"state", status.state()},
          {"rounds ok", absl::StrCat(ok)},
          {"rounds aborted", absl::StrCat(aborted)},
          {"sites", absl::StrCat(status.sites_size())},
          {"films, last round", last ? absl::StrCat(last->total_weight()) : "-"},
          {"mean loss, last round", last ? absl::StrFormat("%.4f", last->mean_loss()) : "-"},
          {"time", FormatSeconds(seconds)},
          {"received", FormatBytes(static_cast<double>(received))},
          {"model", last ? ToHex(AsBytes(last->model_sha256())) : "-"}};
}

struct Difference {
  std::string what, a, b;
};

std::vector<Difference> Differences(const v1::JobStatus& a, const v1::JobStatus& b) {
  std::vector<Difference> rows;
  const auto of_a = Outcome(a), of_b = Outcome(b);
  for (size_t i = 0; i < of_a.size(); ++i) {
    rows.push_back({of_a[i].first, of_a[i].second, of_b[i].second});
  }
  auto plan_a = FlatPlan(a), plan_b = FlatPlan(b);
  std::map<std::string, std::string> keys = plan_a;
  keys.insert(plan_b.begin(), plan_b.end());
  for (const auto& [key, value] : keys) {
    if (plan_a[key] != plan_b[key]) rows.push_back({key, plan_a[key], plan_b[key]});
  }
  return rows;
}

}  // namespace

absl::StatusOr<ordered_json> ReadEvaluation(const fs::path& path) {
  const absl::StatusOr<std::string> text = ReadTextFile(path, kEvaluationLimitBytes);
  if (!text.ok()) return absl::InvalidArgumentError(text.status().message());
  ordered_json json = ordered_json::parse(*text, nullptr, /*allow_exceptions=*/false);
  const bool whole = json.is_object() && json.contains("metrics") && json["metrics"].is_object();
  if (!whole) {
    return absl::InvalidArgumentError(
        absl::StrCat(path.string(),
                     " is not what `hilum model compare --json` or `evaluate --json` prints: it "
                     "has no `metrics`."));
  }
  return json;
}

absl::Status CheckEvaluationOf(const v1::JobStatus& status, const ordered_json& evaluation) {
  const auto text_of = [&evaluation](const char* key) {
    const ordered_json value = evaluation.value(key, ordered_json());
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

namespace {

// What the server saw and what is claimed, as the plan has it. A clip alone is no claim.
std::string PrivacyText(const v1::JobStatus& status) {
  const absl::StatusOr<proto::RoundPlan> plan = proto::ParseRoundPlan(status.plan());
  if (!plan.ok()) return "Masks and differential privacy: the plan cannot be read.";
  return absl::StrCat(
      plan->aggregation.mode == "masked" ? "Masks: the server learned the sum of the updates only."
                                         : "Masks: none, the server saw each update.",
      " Differential privacy: ",
      plan->privacy.unit == "none"
          ? std::string("off.")
          : absl::StrCat("unit ", EscapeHtml(plan->privacy.unit), ", noise multiplier ",
                         plan->privacy.sigma, ", delta ", plan->privacy.delta,
                         "; epsilon is in the ledger's round-close."));
}

}  // namespace

std::string ReportPage(const v1::JobStatus& status, const std::optional<ordered_json>& evaluation) {
  const std::string job = EscapeHtml(status.job());
  std::string page = absl::StrCat(kHead, "<title>", job, "</title></head><body>\n<h1>", job,
                                  "</h1>\n<p class=", "\"notice\">", kResearchUseOnly, "</p>\n<p>",
                                  EscapeHtml(status.state()), ", ", status.history_size(), " of ",
                                  status.rounds(), " rounds, ledger size ", status.ledger_size(),
                                  ". ", EscapeHtml(status.message()), "</p>\n");
  absl::StrAppend(&page, "<h2>Mean training loss by round</h2>\n", LossChart(status),
                  "\n<h2>Training films by site</h2>\n", FilmsChart(status),
                  "\n<h2>Sites counted in each round</h2>\n<p>red: dropped, grey: not asked</p>\n",
                  CohortGrid(status), "\n<h2>Rounds</h2>\n", RoundsTable(status));
  if (evaluation.has_value()) absl::StrAppend(&page, EvaluationSection(*evaluation));
  std::vector<Row> plan;
  for (const auto& [key, value] : FlatPlan(status)) plan.push_back({key, value});
  absl::StrAppend(&page, "<h2>Plan</h2>\n", HtmlTable({"key", "value"}, plan), "<p>",
                  PrivacyText(status), "</p>\n", "</body></html>\n");
  return page;
}

std::string RoundsCsv(const v1::JobStatus& status) {
  std::string csv =
      "round,status,sites,dropped,films,mean_loss,seconds,received_bytes,model_sha256\n";
  for (const v1::RoundSummary& round : status.history()) {
    absl::StrAppend(&csv, round.round(), ",", round.status(), ",", Joined(round.cohort(), " "), ",",
                    Joined(round.dropped(), " "), ",", round.total_weight(), ",", round.mean_loss(),
                    ",", round.seconds(), ",", round.received_bytes(), ",",
                    ToHex(AsBytes(round.model_sha256())), "\n");
  }
  return csv;
}

std::string CompareJobs(const v1::JobStatus& a, const v1::JobStatus& b) {
  Table table({"", a.job(), b.job()});
  for (const Difference& row : Differences(a, b)) table.AddRow({row.what, row.a, row.b});
  return table.ToString();
}

ordered_json CompareJobsJson(const v1::JobStatus& a, const v1::JobStatus& b) {
  ordered_json json = ordered_json::array();
  for (const Difference& row : Differences(a, b)) {
    json.push_back({{"what", row.what}, {"a", row.a}, {"b", row.b}});
  }
  return {{"a", a.job()}, {"b", b.job()}, {"rows", json}};
}

}  // namespace hilum::cli

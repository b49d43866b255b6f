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
#include "cli/output.h"
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
svg .range{stroke:#1f6f8b}svg rect,svg circle{fill:#1f6f8b}
svg .dropped{fill:#c8553d}svg .absent{fill:#e4e9ee}
svg polyline{fill:none;stroke:#1f6f8b;stroke-width:2}svg .rule{stroke:#e4e9ee}
.notice{border-left:4px solid #c8553d;padding:.2em 1em;background:#faf3f1}
</style>)";

template <class Names>
std::string Joined(const Names& names, const char* separator) {
  return absl::StrJoin(names.begin(), names.end(), separator);
}

// Its films and loss are known: with differential privacy no site sends them.
bool HasFigures(const v1::RoundSummary& round) {
  return round.status() == "ok" && round.total_weight() > 0;
}

// A figure of every round that closed and has it.
std::string ByRound(const v1::JobStatus& status, LineChart chart,
                    double (*value)(const v1::RoundSummary& round)) {
  int n_closed = 0;
  for (const v1::RoundSummary& round : status.history()) {
    n_closed += round.status() == "ok";
    if (!HasFigures(round)) continue;
    chart.points.push_back({static_cast<double>(round.round()), value(round)});
  }
  if (chart.points.empty() && n_closed > 0) return "<p>no site sends it</p>";
  return ToSvg(chart);
}

std::string LossChart(const v1::JobStatus& status) {
  return ByRound(
      status,
      {.title = "Mean training loss by round", .x_label = "round", .y_label = "loss", .points = {}},
      [](const v1::RoundSummary& round) { return round.mean_loss(); });
}

// Of each site where the server knows them, else of all counted sites together.
std::string FilmsChart(const v1::JobStatus& status) {
  BarChart chart{.title = "Training films by site"};
  for (const v1::SiteStatus& site : status.sites()) {
    if (!site.has_statistics()) continue;
    chart.bars.push_back({site.site(), static_cast<double>(site.weight())});
  }
  if (!chart.bars.empty()) {
    return absl::StrCat("<h2>Training films by site</h2>\n", ToSvg(chart), "\n");
  }
  return absl::StrCat("<h2>Training films of all counted sites together</h2>\n",
                      ByRound(status,
                              {.title = "Training films of all counted sites by round",
                               .x_label = "round",
                               .y_label = "films",
                               .points = {}},
                              [](const v1::RoundSummary& round) {
                                return static_cast<double>(round.total_weight());
                              }),
                      "\n");
}

std::string CountedChart(const v1::JobStatus& status) {
  LineChart chart{.title = "Sites counted by round", .x_label = "round", .y_label = "sites"};
  for (const v1::RoundSummary& round : status.history()) {
    if (round.status() != "ok") continue;
    chart.points.push_back(
        {static_cast<double>(round.round()), static_cast<double>(round.cohort_size())});
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
    const bool ok = HasFigures(round);
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
  const bool known = last != nullptr && HasFigures(*last);
  return {{"state", status.state()},
          {"rounds ok", absl::StrCat(ok)},
          {"rounds aborted", absl::StrCat(aborted)},
          {"sites", absl::StrCat(status.sites_size())},
          {"sites counted, last round", last ? absl::StrCat(last->cohort_size()) : "-"},
          {"films, last round", known ? absl::StrCat(last->total_weight()) : "-"},
          {"mean loss, last round", known ? absl::StrFormat("%.4f", last->mean_loss()) : "-"},
          {"time", FormatSeconds(seconds)},
          {"received", FormatBytes(static_cast<double>(received))},
          {"model", last ? ToHex(AsBytes(last->model_sha256())) : "-"}};
}

struct Difference {
  std::string what, a, b;
};

using Figures = std::vector<std::pair<std::string, std::string>>;

// What a job's outcome and the evaluation of its model come to.
Figures FiguresOf(const ComparedJob& job) {
  Figures figures = Outcome(job.status);
  if (job.evaluation.has_value()) {
    const Figures headline = HeadlineFigures(*job.evaluation);
    figures.insert(figures.end(), headline.begin(), headline.end());
  }
  return figures;
}

std::string ValueOf(const Figures& figures, const std::string& name) {
  for (const auto& [other, value] : figures) {
    if (other == name) return value;
  }
  return "-";
}

std::vector<Difference> Differences(const ComparedJob& a, const ComparedJob& b) {
  std::vector<Difference> rows;
  const Figures of_a = FiguresOf(a), of_b = FiguresOf(b);
  for (const auto& [name, value] : of_a) rows.push_back({name, value, ValueOf(of_b, name)});
  for (const auto& [name, value] : of_b) {
    const bool is_new = std::none_of(of_a.begin(), of_a.end(), [&name = name](const auto& figure) {
      return figure.first == name;
    });
    if (is_new) rows.push_back({name, "-", value});
  }
  auto plan_a = FlatPlan(a.status), plan_b = FlatPlan(b.status);
  std::map<std::string, std::string> keys = plan_a;
  keys.insert(plan_b.begin(), plan_b.end());
  for (const auto& [key, value] : keys) {
    if (plan_a[key] != plan_b[key]) rows.push_back({key, plan_a[key], plan_b[key]});
  }
  return rows;
}

}  // namespace

namespace {

// What the server saw and what is claimed, as the plan has it. A clip alone is no claim.
std::string PrivacyText(const proto::RoundPlan& plan) {
  return absl::StrCat(
      plan.aggregation.mode == "masked" ? "Masks: the server learned the sum of the updates only."
                                        : "Masks: none, the server saw each update.",
      " Differential privacy: ",
      plan.privacy.unit == "none"
          ? std::string("off.")
          : absl::StrCat("unit ", EscapeHtml(plan.privacy.unit), ", noise multiplier ",
                         plan.privacy.sigma, ", delta ", plan.privacy.delta,
                         "; epsilon is in the ledger's round-close."));
}

// What this page can show of the job, and what the server cannot know.
std::string KnownText(const proto::RoundPlan& plan) {
  std::string text;
  if (plan.aggregation.mode == "masked") {
    text =
        "The updates of this job are masked: the server adds up what it cannot read. Of a round it "
        "knows who was counted and the sum over all counted sites, and with it their films and "
        "their mean loss together. It cannot know how many films one site has, what its loss was "
        "or what its update says, so no figure of a single site stands here. ";
  }
  if (plan.privacy.unit != "none") {
    text +=
        "With differential privacy no site sends a number of films or a loss, so the training has "
        "no curve here. ";
  }
  return absl::StrCat("<p>", text,
                      "How good the model is follows from held-out films only, never from the "
                      "training: <code>hilum model evaluate --json</code>, then this report with "
                      "<code>--evaluation</code>.</p>\n");
}

std::string HeldOutSection(const v1::JobStatus& status,
                           const std::vector<ordered_json>& evaluations) {
  const std::string chart = HeldOutChart(status, evaluations);
  return chart.empty() ? "" : absl::StrCat("<h2>On held-out films, by round</h2>\n", chart, "\n");
}

}  // namespace

std::string ReportPage(const v1::JobStatus& status, const std::vector<ordered_json>& evaluations) {
  const std::string job = EscapeHtml(status.job());
  const absl::StatusOr<proto::RoundPlan> parsed = proto::ParseRoundPlan(status.plan());
  std::string page = absl::StrCat(kHead, "<title>", job, "</title></head><body>\n<h1>", job,
                                  "</h1>\n<p class=", "\"notice\">", kResearchUseOnly, "</p>\n<p>",
                                  EscapeHtml(status.state()), ", ", status.history_size(), " of ",
                                  status.rounds(), " rounds, ledger size ", status.ledger_size(),
                                  ". ", EscapeHtml(status.message()), "</p>\n");
  absl::StrAppend(&page, parsed.ok() ? KnownText(*parsed) : "", HeldOutSection(status, evaluations),
                  "<h2>Mean training loss by round</h2>\n", LossChart(status), "\n",
                  FilmsChart(status), "<h2>Sites counted in each round</h2>\n",
                  CountedChart(status), "\n<p>red: dropped, grey: not asked</p>\n",
                  CohortGrid(status), "\n<h2>Rounds</h2>\n", RoundsTable(status));
  if (!evaluations.empty()) {
    absl::StrAppend(&page, EvaluationSection(LatestEvaluation(status, evaluations)));
  }
  std::vector<Row> plan;
  for (const auto& [key, value] : FlatPlan(status)) plan.push_back({key, value});
  absl::StrAppend(&page, "<h2>Plan</h2>\n", HtmlTable({"key", "value"}, plan), "<p>",
                  parsed.ok() ? PrivacyText(*parsed)
                              : "Masks and differential privacy: the plan cannot be read.",
                  "</p>\n", "</body></html>\n");
  return page;
}

std::string RoundsCsv(const v1::JobStatus& status) {
  std::string csv =
      "round,status,sites,dropped,films,mean_loss,seconds,received_bytes,model_sha256\n";
  for (const v1::RoundSummary& round : status.history()) {
    const bool known = HasFigures(round);
    absl::StrAppend(&csv, round.round(), ",", round.status(), ",", Joined(round.cohort(), " "), ",",
                    Joined(round.dropped(), " "), ",",
                    known ? absl::StrCat(round.total_weight()) : "", ",",
                    known ? absl::StrCat(round.mean_loss()) : "", ",", round.seconds(), ",",
                    round.received_bytes(), ",", ToHex(AsBytes(round.model_sha256())), "\n");
  }
  return csv;
}

std::string CompareJobs(const ComparedJob& a, const ComparedJob& b) {
  Table table({"", a.status.job(), b.status.job()});
  for (const Difference& row : Differences(a, b)) table.AddRow({row.what, row.a, row.b});
  return table.ToString();
}

ordered_json CompareJobsJson(const ComparedJob& a, const ComparedJob& b) {
  ordered_json json = ordered_json::array();
  for (const Difference& row : Differences(a, b)) {
    json.push_back({{"what", row.what}, {"a", row.a}, {"b", row.b}});
  }
  return {{"a", a.status.job()}, {"b", b.status.job()}, {"rows", json}};
}

}  // namespace hilum::cli

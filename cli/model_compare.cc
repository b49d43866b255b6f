// hilum model compare.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "cli/infer_trust.h"
#include "cli/job_config.h"
#include "cli/model_verbs.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "client/compare.h"
#include "evaluation/intervals.h"

namespace hilum::cli {
namespace {

struct CompareFlags {
  std::string job;
  std::vector<std::string> data;
  std::string test;
  std::string model0;
  std::string federated;
  std::string out;
  uint64_t rounds = 0;
  bool leave_out = false;
  int workers = 2;
  client::PinSource trust;
  bool json = false;
};

std::atomic<bool> stop_asked = false;
void AskToStop(int) { stop_asked = true; }

// "0.744 [0.674, 0.814]".
std::string Shown(const nlohmann::ordered_json& estimate) {
  if (!estimate.is_object()) return "-";
  return FormatEstimate(estimate["value"], estimate["ci95"]);
}

// The audit's rows as it wrote them: what was found, and what must hold.
std::string AuditTable(const nlohmann::ordered_json& audit) {
  Table table({"leak audit", "found [95 %]", "learned from", "what must hold", "verdict"});
  for (const auto& line : audit["table"]) {
    table.AddRow({line["row"].get<std::string>(), line["found"].get<std::string>(),
                  line["learned_from"].get<std::string>(), line["rule"].get<std::string>(),
                  line["verdict"].get<std::string>()});
  }
  return table.ToString();
}

// The cross-site matrix: where a model was trained, and of which source the test films are.
std::string Matrix(const nlohmann::ordered_json& metrics) {
  const nlohmann::ordered_json& pooled = metrics["pooled"];
  const std::string positive = pooled["classes"].back().get<std::string>();
  std::vector<std::string> header{absl::StrCat("AUROC of ", positive, " [95 %]")};
  for (const auto& [source, row] : pooled["by_source"].items()) {
    header.push_back(absl::StrCat("films of ", source, " n=", row["n"].get<int64_t>()));
  }
  Table table(header);
  const auto add = [&](const std::string& name, const nlohmann::ordered_json& model) {
    std::vector<std::string> cells{name};
    for (const auto& [source, row] : pooled["by_source"].items()) {
      const auto found = model["by_source"].find(source);
      if (row["n"].get<int64_t>() < evaluation::kMinSubgroup) {
        cells.push_back("insufficient");
      } else {
        cells.push_back(found == model["by_source"].end()
                            ? "-"
                            : Shown((*found)["estimates"]["auroc"][positive]));
      }
    }
    table.AddRow(cells);
  };
  for (const auto& [site, row] : metrics["local_only"].items()) add(site, row);
  add("pooled", pooled);
  if (metrics.contains("federated")) add("federated", metrics["federated"]);
  return table.ToString();
}

// Training films by site and class, and a warning where a site gives the class away.
std::string BySite(const nlohmann::ordered_json& json) {
  const nlohmann::ordered_json& classes = json["metrics"]["pooled"]["classes"];
  std::vector<std::string> header{"films of"};
  for (const auto& name : classes) header.push_back(name.get<std::string>());
  Table table(header);
  for (const auto& [site, counts] : json["leak_audit"]["class_by_site"].items()) {
    std::vector<std::string> row{site};
    for (const auto& name : classes) {
      row.push_back(absl::StrCat(counts.value(name.get<std::string>(), int64_t{0})));
    }
    table.AddRow(row);
  }
  std::string text = table.ToString();
  for (const auto& site : json["leak_audit"]["one_class_sites"]) {
    absl::StrAppend(&text, "warning: all films of ", site.get<std::string>(),
                    " are of one class\n");
  }
  return text;
}

std::string ToText(const nlohmann::ordered_json& json) {
  const nlohmann::ordered_json& metrics = json["metrics"];
  Table table({"trained on", "films", "balanced accuracy [95 %]", "federated is better by [95 %]"});
  const auto add = [&](const std::string& name, const nlohmann::ordered_json& row) {
    char difference[64] = "";
    if (json["differences"].contains(name)) {
      const auto& d = json["differences"][name];
      std::snprintf(difference, sizeof difference, "%+.3f [%+.3f, %+.3f]",
                    d["difference"].get<double>(), d["ci95"][0].get<double>(),
                    d["ci95"][1].get<double>());
    }
    table.AddRow({name, row.contains("n_train") ? absl::StrCat(row["n_train"].get<int64_t>()) : "",
                  FormatEstimate(row["balanced_accuracy"], row["ci95"]), difference});
  };
  for (const auto& [site, row] : metrics["local_only"].items()) add(site, row);
  add("pooled", metrics["pooled"]);
  if (metrics.contains("federated")) add("federated", metrics["federated"]);
  add("source only", metrics["source_only_baseline"]);
  std::string text = table.ToString();
  absl::StrAppend(&text, "n = ", metrics["pooled"]["n"].get<int64_t>(),
                  " test films that no site trained on; overlaps of training and test: ",
                  json["leak_audit"]["split_overlap"].get<int64_t>(), "\n");
  absl::StrAppend(&text, Matrix(metrics), BySite(json), AuditTable(json["leak_audit"]));
  for (const auto& reason : json["leak_audit"]["reasons"]) {
    absl::StrAppend(&text, "not promoted: ", reason.get<std::string>(), "\n");
  }
  if (json.contains("note")) absl::StrAppend(&text, json["note"].get<std::string>(), "\n");
  return text + json["notice"].get<std::string>() + "\n";
}

absl::StatusOr<std::string> RunComparison(const CompareFlags& flags) {
  const client::PinSource& trust = flags.trust;
  const bool trusts = !trust.site.empty() || !trust.policy.empty() || !trust.trust_log.empty();
  if (flags.federated.empty() && trusts) {
    return absl::InvalidArgumentError(
        "--site, --policy and --trust-log say whom to believe about a released model: name it with "
        "--federated DIR.");
  }
  HILUM_ASSIGN_OR_RETURN(JobFile job, ReadJobFile(flags.job));
  if (!flags.model0.empty()) {
    job.model_folder = flags.model0;
    job.places["init"] = "--model0";
  }
  HILUM_ASSIGN_OR_RETURN(const LaunchableJob launchable, LoadVersionZero(job));
  client::CompareOptions options;
  options.plan = launchable.plan;
  if (flags.rounds != 0) options.plan.rounds = flags.rounds;
  options.initial_model = job.model_folder;
  options.data.assign(flags.data.begin(), flags.data.end());
  options.test = flags.test;
  options.leave_out = flags.leave_out;
  options.workers = flags.workers;
  options.now_s = SystemClock().NowSeconds();
  options.cancel = &stop_asked;
  std::optional<client::VerifiedModel> federated;
  if (!flags.federated.empty()) {
    HILUM_ASSIGN_OR_RETURN(federated, ReadRelease(flags.federated, flags.trust));
    options.federated = &*federated;
  }
  std::signal(SIGINT, AskToStop);
  std::signal(SIGTERM, AskToStop);
  std::optional<Progress> bar;
  options.on_progress = [&](uint64_t done, uint64_t total) {
    if (!bar.has_value()) bar.emplace(ProgressOptions{"Training for comparison", "steps", total});
    bar->Set(done);
  };
  return client::Compare(options);
}

absl::Status Run(const CompareFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const std::string json, RunComparison(flags));
  if (!flags.out.empty()) {
    HILUM_RETURN_IF_ERROR(WriteFileDurably(flags.out, AsBytes(json + "\n")));
  }
  const auto document = nlohmann::ordered_json::parse(json);
  if (flags.json) {
    PrintJson(document);
  } else {
    Print(ToText(document));
  }
  return absl::OkStatus();
}

}  // namespace

void AddCompare(App& app, ModelVerbs& verbs) {
  const auto flags = std::make_shared<CompareFlags>();
  CLI::App* verb = app.add_subcommand(
      "compare",
      "Trains what each site would reach alone, and on pooled films, and judges all on "
      "one test set; weights are never written");
  verb->add_option("FILE", flags->job, "JOB.toml")->required();
  verb->add_option("--data", flags->data, "A site's folder: films, labels.csv, consent/; repeat")
      ->required();
  verb->add_option("--test", flags->test, "The common test folder: films, labels.csv")->required();
  verb->add_option("--model0", flags->model0, "Folder of version 0 (default: [model] init)");
  verb->add_option("--federated", flags->federated, "Released model folder to compare with");
  verb->add_option("--rounds", flags->rounds, "Rounds of the whole run (default: JOB.toml's)")
      ->check(CLI::Range(1, 100'000));
  verb->add_flag("--leave-one-out", flags->leave_out,
                 "Also trains a network without each source of films, and judges it there");
  verb->add_option("--workers", flags->workers, "Models trained at the same time")
      ->check(CLI::Range(1, 64));
  verb->add_option("--out", flags->out, "Writes the JSON document here too");
  AddTrust(verb, flags->trust, "With --federated. ");
  verb->add_flag("--json", flags->json, "One JSON document");
  verbs[verb] = [flags] { return Run(*flags); };
}

}  // namespace hilum::cli

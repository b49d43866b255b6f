// hilum model evaluate.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/cores.h"
#include "base/count.h"
#include "base/status_macros.h"
#include "cli/infer_trust.h"
#include "cli/model_verbs.h"
#include "cli/output.h"
#include "client/evaluate.h"

namespace hilum::cli {
namespace {

struct EvaluateFlags {
  std::string model;
  std::string data;
  std::string validation;
  double sensitivity = 0.0;  // 0: not given
  client::PinSource trust;
  bool json = false;
};

void AddRow(const std::string& films, const nlohmann::ordered_json& metrics, Table& table) {
  table.AddRow({films, absl::StrCat(metrics["n"].get<int64_t>()),
                FormatEstimate(metrics["balanced_accuracy"], metrics["ci95"])});
}

// One row a true class, one column a class that the model named.
std::string Confusion(const nlohmann::ordered_json& metrics) {
  std::vector<std::string> header{"films that are"};
  for (const auto& name : metrics["classes"]) {
    header.push_back(absl::StrCat("called ", name.get<std::string>()));
  }
  Table table(header);
  for (size_t k = 0; k < metrics["classes"].size(); ++k) {
    std::vector<std::string> row{metrics["classes"][k].get<std::string>()};
    for (const auto& n : metrics["confusion"][k]) row.push_back(absl::StrCat(n.get<int64_t>()));
    table.AddRow(row);
  }
  return table.ToString();
}

// An estimate with its interval, and the cases it rests on.
std::string Shown(const nlohmann::ordered_json& estimate) {
  if (!estimate.is_object()) return "missing";
  return absl::StrCat(FormatEstimate(estimate["value"], estimate["ci95"]),
                      " n=", estimate["n"].get<int64_t>());
}

// One row a class: what the model is worth for it.
std::string ByClass(const nlohmann::ordered_json& metrics) {
  Table table({"class [95 %]", "AUROC", "sensitivity", "specificity", "predictive value",
               "calibration slope"});
  const nlohmann::ordered_json& estimates = metrics["estimates"];
  for (const auto& item : metrics["classes"]) {
    const std::string name = item.get<std::string>();
    table.AddRow({name, Shown(estimates["auroc"][name]), Shown(estimates["sensitivity"][name]),
                  Shown(estimates["specificity"][name]), Shown(estimates["predictive_value"][name]),
                  Shown(metrics["calibration"][name]["slope"])});
  }
  return table.ToString();
}

// What one threshold a class means, on all films and on each source's.
std::string AtPoints(const nlohmann::ordered_json& point) {
  Table table({"films", "called so from", "sensitivity [95 %]", "specificity", "PPV", "NPV"});
  for (const auto& row : point["rows"]) {
    char threshold[32];
    std::snprintf(threshold, sizeof threshold, "%.3f", row["threshold"].get<double>());
    table.AddRow({row["films"].get<std::string>(),
                  absl::StrCat(row["class"].get<std::string>(), " ", threshold),
                  Shown(row["sensitivity"]), Shown(row["specificity"]),
                  Shown(row["positive_predictive_value"]),
                  Shown(row["negative_predictive_value"])});
  }
  return absl::StrCat("operating point, chosen on ", point["chosen_on"].get<std::string>(), "\n",
                      table.ToString());
}

// By sex, age and view; a group with too few films gets no figure.
std::string BySubgroup(const nlohmann::ordered_json& json) {
  Table table({"films of", "n", "class", "AUROC [95 %]", "sensitivity", "PPV"});
  const auto shown = [](const nlohmann::ordered_json& estimate) {
    return estimate.is_object() ? Shown(estimate) : "insufficient";
  };
  for (const auto& group : json["subgroups"]) {
    for (const auto& item : json["metrics"]["classes"]) {
      const std::string name = item.get<std::string>();
      table.AddRow(
          {absl::StrCat(group["by"].get<std::string>(), " ", group["group"].get<std::string>()),
           group["n"].is_number() ? absl::StrCat(group["n"].get<int64_t>()) : "few", name,
           shown(group["auroc"][name]), shown(group["sensitivity"][name]),
           shown(group["predictive_value"][name])});
    }
  }
  return table.ToString();
}

// Films by source and class: whoever reads a score must see whether the source gives it away.
std::string BySource(const nlohmann::ordered_json& json) {
  std::vector<std::string> header{"source"};
  for (const auto& name : json["metrics"]["classes"]) header.push_back(name.get<std::string>());
  Table table(header);
  for (const auto& [source, counts] : json["leak_audit"]["class_by_site"].items()) {
    std::vector<std::string> row{source.empty() ? "-" : source};
    for (const auto& name : json["metrics"]["classes"]) {
      row.push_back(absl::StrCat(counts.value(name.get<std::string>(), int64_t{0})));
    }
    table.AddRow(row);
  }
  return table.ToString();
}

std::string ToText(const nlohmann::ordered_json& json) {
  const nlohmann::ordered_json& metrics = json["metrics"];
  Table table({"films", "n", "balanced accuracy [95 %]"});
  AddRow("all", metrics, table);
  for (const auto& [source, part] : metrics["by_source"].items()) AddRow(source, part, table);
  std::string text = absl::StrCat(
      "model ", json["model"].get<std::string>(), ", round ", json["round"].get<uint64_t>(),
      ", proven\n", table.ToString(), "\n", ByClass(metrics),
      "calibration error (15 bins of equal mass) ", Shown(metrics["estimates"]["ece"]), "\n\n",
      Confusion(metrics), "\n", AtPoints(json["operating_point"]), "\n", BySubgroup(json), "\n",
      BySource(json), "leak audit: by the source alone ",
      json["leak_audit"]["source_only"].is_object()
          ? Shown(json["leak_audit"]["source_only"]["balanced_accuracy"])
          : "missing",
      "; the model with the centre black, AUROC ", Shown(json["leak_audit"]["lungs_out_auroc"]),
      "\n");
  for (const auto& site : json["leak_audit"]["one_class_sites"]) {
    absl::StrAppend(&text, "warning: all films of ", site.get<std::string>(),
                    " are of one class\n");
  }
  absl::StrAppend(&text, Count(json["refused"].get<uint64_t>(), "film"), " refused, ",
                  json["unlabelled"].get<uint64_t>(), " without label, ",
                  json["outside_age"].get<uint64_t>(), " below the model's age range\n",
                  json["notice"].get<std::string>(), "\n");
  return text;
}

absl::Status Run(const EvaluateFlags& flags) {
  if (flags.sensitivity != 0 && flags.validation.empty()) {
    return absl::InvalidArgumentError(
        "--sensitivity says what a threshold must reach on validation films: name their folder "
        "with --validation DIR.");
  }
  HILUM_ASSIGN_OR_RETURN(const client::VerifiedModel model, ReadRelease(flags.model, flags.trust));
  client::EvaluateOptions options{
      .folder = flags.data, .validation = flags.validation, .threads = std::min(UsableCores(), 8)};
  if (flags.sensitivity != 0) options.sensitivity = flags.sensitivity;
  HILUM_ASSIGN_OR_RETURN(const std::string json, client::EvaluateModel(model, options));
  const auto document = nlohmann::ordered_json::parse(json);
  if (flags.json) {
    PrintJson(document);
  } else {
    Print(ToText(document));
  }
  return absl::OkStatus();
}

}  // namespace

void AddEvaluate(App& app, ModelVerbs& verbs) {
  const auto flags = std::make_shared<EvaluateFlags>();
  CLI::App* verb = app.add_subcommand(
      "evaluate", "Judges a proven model on labelled films, with intervals by patient");
  verb->add_option("--model", flags->model, "Released model folder (hilum job model)")->required();
  verb->add_option("--data", flags->data, "Folder with films and labels.csv")->required();
  verb->add_option("--validation", flags->validation,
                   "Such a folder of other patients, to choose the thresholds on (default: 0.5)");
  verb->add_option("--sensitivity", flags->sensitivity,
                   "That each class's threshold reaches there (default: 0.9)")
      ->check(CLI::Range(0.01, 1.0));
  AddTrust(verb, flags->trust);
  verb->add_flag("--json", flags->json, "One JSON document");
  verbs[verb] = [flags] { return Run(*flags); };
}

}  // namespace hilum::cli

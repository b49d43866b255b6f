// hilum model evaluate.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/cores.h"
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

std::string ToText(const nlohmann::ordered_json& json) {
  const nlohmann::ordered_json& metrics = json["metrics"];
  Table table({"films", "n", "balanced accuracy [95 %]"});
  AddRow("all", metrics, table);
  for (const auto& [source, part] : metrics["by_source"].items()) AddRow(source, part, table);
  std::string text =
      absl::StrCat("model ", json["model"].get<std::string>(), ", round ",
                   json["round"].get<uint64_t>(), ", proven\n", table.ToString(), "AUROC");
  for (const auto& [name, value] : metrics["auroc"].items()) {
    absl::StrAppend(&text, " ", name, " ", absl::StrFormat("%.3f", value.get<double>()));
  }
  absl::StrAppend(&text, "\n", Confusion(metrics));
  absl::StrAppend(&text, json["refused"].get<uint64_t>(), " films refused, ",
                  json["unlabelled"].get<uint64_t>(), " without label, ",
                  json["outside_age"].get<uint64_t>(), " below the model's age range\n",
                  json["notice"].get<std::string>(), "\n");
  return text;
}

absl::Status Run(const EvaluateFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const client::VerifiedModel model, ReadRelease(flags.model, flags.trust));
  const int threads = std::min(UsableCores(), 8);
  HILUM_ASSIGN_OR_RETURN(const std::string json, client::EvaluateModel(model, flags.data, threads));
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
  AddTrust(verb, flags->trust);
  verb->add_flag("--json", flags->json, "One JSON document");
  verbs[verb] = [flags] { return Run(*flags); };
}

}  // namespace hilum::cli

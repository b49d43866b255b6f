// hilum model evaluate.
#include <algorithm>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "cli/model_trust.h"
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

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", value);
  return text;
}

std::string ValueOf(const nlohmann::ordered_json& metrics) {
  return absl::StrCat(Number(metrics["balanced_accuracy"]), " [", Number(metrics["ci95"][0]), ", ",
                      Number(metrics["ci95"][1]), "]");
}

std::string ToText(const nlohmann::ordered_json& json) {
  const nlohmann::ordered_json& metrics = json["metrics"];
  Table table({"films", "n", "balanced accuracy [95 %]"});
  table.AddRow({"all", absl::StrCat(metrics["n"].get<int64_t>()), ValueOf(metrics)});
  for (const auto& [source, part] : metrics["by_source"].items()) {
    table.AddRow({source, absl::StrCat(part["n"].get<int64_t>()), ValueOf(part)});
  }
  std::string text =
      absl::StrCat("model ", json["model"].get<std::string>(), ", round ",
                   json["round"].get<uint64_t>(), ", proven\n", table.ToString(), "AUROC");
  for (const auto& [name, value] : metrics["auroc"].items()) {
    absl::StrAppend(&text, " ", name, " ", Number(value));
  }
  absl::StrAppend(&text, "\nconfusion, one row a true class:\n");
  for (size_t k = 0; k < metrics["classes"].size(); ++k) {
    absl::StrAppend(&text, "  ", metrics["classes"][k].get<std::string>(), " ",
                    metrics["confusion"][k].dump(), "\n");
  }
  absl::StrAppend(&text, json["refused"].get<uint64_t>(), " films refused, ",
                  json["unlabelled"].get<uint64_t>(), " without label, ",
                  json["outside_age"].get<uint64_t>(), " below the model's age range\n",
                  json["notice"].get<std::string>(), "\n");
  return text;
}

absl::Status Run(const EvaluateFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const client::VerifiedModel model, ReadRelease(flags.model, flags.trust));
  const int threads = std::clamp<int>(std::thread::hardware_concurrency(), 1, 8);
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

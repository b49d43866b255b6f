// hilum model verify, hilum model card.
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/version.h"
#include "cli/infer_trust.h"
#include "cli/model_verbs.h"
#include "cli/output.h"

namespace hilum::cli {
namespace {

struct VerifyFlags {
  std::string model;
  std::string evaluation;  // card: output of `hilum model evaluate --json`
  std::string out;         // card
  client::PinSource trust;
  bool json = false;
};

// "model.sig …" for people; the second is for programs.
std::pair<const char*, const char*> SignatureText(client::ReleaseSignature signature) {
  switch (signature) {
    case client::ReleaseSignature::kVerified:
      return {"model.sig verified under the release key; every file is as signed", "verified"};
    case client::ReleaseSignature::kNamed:
      return {"model.sig is the one that the ledger names; every file is as signed", "named"};
    case client::ReleaseSignature::kNone:
      break;
  }
  return {"no model.sig: the proof is not of a signed release", "none"};
}

absl::Status RunVerify(const VerifyFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const client::VerifiedModel model, ReadRelease(flags.model, flags.trust));
  if (flags.json) {
    PrintJson({{"verified", true},
               {"model", model.job()},
               {"round", model.round()},
               {"architecture", model.spec().architecture},
               {"classes", model.classes()},
               {"model_sha256", ToHex(model.sha256())},
               {"origin", model.origin()},
               {"index", model.entry_index()},
               {"signature", SignatureText(model.signature()).second},
               {"quorum", model.quorum_none() ? "none" : "met"}});
    return absl::OkStatus();
  }
  Print(absl::StrCat("verified: ", model.job(), ", round ", model.round(), ", SHA-256 ",
                     ToHex(model.sha256()), "\nledger ", model.origin(), ", entry ",
                     model.entry_index(),
                     model.quorum_none() ? ", no witness vouches for the log" : "", "\n",
                     SignatureText(model.signature()).first, "\n"));
  return absl::OkStatus();
}

// "0.871 [0.802, 0.926] (n=126, bootstrap by patient)"; "insufficient" below 30 cases.
std::string Cell(const nlohmann::ordered_json& estimate) {
  if (!estimate.is_object()) return "not available";
  const int64_t n = estimate["n"];
  if (n < 30) return absl::StrCat("insufficient (n=", n, ")");
  return absl::StrCat(FormatEstimate(estimate["value"], estimate["ci95"]), " (n=", n, ", ",
                      estimate["method"].get<std::string>(), ")");
}

void AppendMetrics(const std::string& title, const nlohmann::ordered_json& metrics,
                   std::string& card) {
  const nlohmann::ordered_json& estimates = metrics["estimates"];
  absl::StrAppend(&card, "\n### ", title, "\n\n| measure | value [95 % interval] |\n|---|---|\n",
                  "| balanced accuracy | ", Cell(estimates["balanced_accuracy"]),
                  " |\n| accuracy | ", Cell(estimates["accuracy"]), " |\n");
  for (const auto& [name, value] : estimates["auroc"].items()) {
    absl::StrAppend(&card, "| AUROC, ", name, " | ", Cell(value), " |\n");
  }
  for (const auto& [name, value] : estimates["sensitivity"].items()) {
    absl::StrAppend(&card, "| sensitivity, ", name, " | ", Cell(value), " |\n");
  }
  absl::StrAppend(&card, "| Brier score | ", Cell(estimates["brier"]),
                  " |\n| calibration error (ECE) | ", Cell(estimates["ece"]), " |\n");
}

// The evaluation document, when it is of this very model.
absl::StatusOr<nlohmann::ordered_json> ReadEvaluation(const std::string& file,
                                                      const client::VerifiedModel& model) {
  HILUM_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(file, 16 << 20));
  auto json = nlohmann::ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("metrics") || !json.contains("model_sha256") ||
      !json["metrics"].contains("estimates")) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, " is not the output of `hilum model evaluate --json`."));
  }
  if (json["model_sha256"] != ToHex(model.sha256())) {
    return absl::DataLossError(absl::StrCat(file, " is the evaluation of another model."));
  }
  return json;
}

std::string CardHead(const client::VerifiedModel& model) {
  return absl::StrCat(
      "# Model card: ", model.job(), ", round ", model.round(), "\n\n", kResearchUseOnly,
      "\n\n## What it is\n\n| | |\n|---|---|\n| architecture | ", model.spec().architecture,
      " (COVID-Net-style, reconstructed) |\n| parameters | ", model.spec().n_params(),
      " |\n| classes | ", absl::StrJoin(model.classes(), ", "),
      " |\n| input | one frontal chest X-ray, ", "profile ", model.profile(), " (",
      ToHex(model.profile_digest()), ") |\n| patients | ", model.min_age_years(),
      " years and older; for younger ones it abstains |\n| ledger | ", model.origin(), ", entry ",
      model.entry_index(), model.quorum_none() ? ", no witness vouches for the log" : "",
      " |\n| SHA-256 | ", ToHex(model.sha256()),
      " |\n\n## What it is for\n\nResearch on federated training. Not for ",
      "diagnosis, triage or any decision about a patient.\nIt abstains on what its header gate ",
      "refuses (docs/dicom.md) and on patients below its age range.\n");
}

// A signed folder stays as it is: the card that it holds is one of the signed files.
absl::StatusOr<fs::path> CardPath(const VerifyFlags& flags, const client::VerifiedModel& model) {
  const fs::path inside = fs::path(flags.model) / "MODEL_CARD.md";
  if (model.signature() == client::ReleaseSignature::kNone) {
    return flags.out.empty() ? inside : fs::path(flags.out);
  }
  std::error_code error;
  fs::path folder = fs::path(flags.out).parent_path();
  if (folder.empty()) folder = ".";
  if (!flags.out.empty() && !fs::equivalent(folder, flags.model, error)) return flags.out;
  return absl::InvalidArgumentError(absl::StrCat(
      flags.model, " is signed (model.sig) and must stay as it is: name a file outside ",
      "of it with --out."));
}

absl::Status RunCard(const VerifyFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const client::VerifiedModel model, ReadRelease(flags.model, flags.trust));
  std::string card = CardHead(model);
  if (flags.evaluation.empty()) {
    card +=
        "\n## How well it does\n\nNot evaluated. `hilum model evaluate --json` makes the figures "
        "for a set of films, and `hilum model card --evaluation FILE` puts them here.\n";
  } else {
    HILUM_ASSIGN_OR_RETURN(const nlohmann::ordered_json json,
                           ReadEvaluation(flags.evaluation, model));
    absl::StrAppend(&card, "\n## How well it does\n\nOn ", json["n"].get<int64_t>(),
                    " labelled films (", json["refused"].get<int64_t>(), " refused, ",
                    json["outside_age"].get<int64_t>(), " below the age range).\n");
    AppendMetrics("All films", json["metrics"], card);
    for (const auto& [source, metrics] : json["metrics"]["by_source"].items()) {
      AppendMetrics(absl::StrCat("Source ", source), metrics, card);
    }
  }
  HILUM_ASSIGN_OR_RETURN(const fs::path out, CardPath(flags, model));
  HILUM_RETURN_IF_ERROR(WriteFileDurably(out, AsBytes(card)));
  if (flags.json) {
    PrintJson({{"card", out.string()}, {"model_sha256", ToHex(model.sha256())}});
  } else {
    Print(absl::StrCat("wrote ", out.string(), "\n"));
  }
  return absl::OkStatus();
}

CLI::App* AddVerb(App& app, VerifyFlags& flags, const char* name, const char* description) {
  CLI::App* verb = app.add_subcommand(name, description);
  verb->add_option("DIR", flags.model, "Released model folder (hilum job model)")->required();
  AddTrust(verb, flags.trust);
  verb->add_flag("--json", flags.json, "One JSON document");
  return verb;
}

}  // namespace

void AddVerify(App& app, ModelVerbs& verbs) {
  const auto flags = std::make_shared<VerifyFlags>();
  CLI::App* verb = AddVerb(app, *flags, "verify", "Checks a released model against its proof");
  verbs[verb] = [flags] { return RunVerify(*flags); };
}

void AddCard(App& app, ModelVerbs& verbs) {
  const auto flags = std::make_shared<VerifyFlags>();
  CLI::App* verb = AddVerb(app, *flags, "card", "Writes MODEL_CARD.md of a proven model");
  verb->add_option("--evaluation", flags->evaluation, "Output of `hilum model evaluate --json`");
  verb->add_option("--out", flags->out,
                   "The file (default: DIR/MODEL_CARD.md, where DIR is not signed)");
  verbs[verb] = [flags] { return RunCard(*flags); };
}

}  // namespace hilum::cli

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
#include "evaluation/card_evaluation.h"

namespace hilum::cli {
namespace {

struct VerifyFlags {
  std::string model;
  std::string evaluation;  // card: output of `hilum model evaluate --json` or `compare --json`
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
      "refuses (docs/dicom.md), on patients below its age range and, where it is used with\n"
      "`hilum infer --reference DIR`, on images unlike the site's own films.\n");
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
        "\n## How well it does\n\n**Status: `research`.** Not evaluated. `hilum model evaluate "
        "--json` makes the figures "
        "for a set of films, and `hilum model card --evaluation FILE` puts them here.\n";
  } else {
    HILUM_ASSIGN_OR_RETURN(const std::string document,
                           ReadTextFile(flags.evaluation, evaluation::kEvaluationLimitBytes));
    const absl::StatusOr<std::string> section =
        evaluation::CardEvaluation(document, model.sha256());
    if (!section.ok()) {
      return absl::Status(section.status().code(),
                          absl::StrCat(flags.evaluation, ": ", section.status().message()));
    }
    card += *section;
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
  verb->add_option(
      "--evaluation", flags->evaluation,
      "Output of `hilum model evaluate --json`, or of `compare --json --federated DIR`");
  verb->add_option("--out", flags->out,
                   "The file (default: DIR/MODEL_CARD.md, where DIR is not signed)");
  verbs[verb] = [flags] { return RunCard(*flags); };
}

}  // namespace hilum::cli

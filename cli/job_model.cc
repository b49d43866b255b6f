#include "cli/job_model.h"

#include <variant>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "base/version.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "ledger_anchor/policy.h"
#include "proto/safetensors.h"

namespace hilum::cli {
namespace {

using ledger_anchor::RoundClose;

// The names of an entry's list; a list of more than 64 stands in the store, and is only counted.
std::vector<std::string> NamesOf(const ledger_anchor::NameList& list) {
  if (!list.annex.has_value()) return list.items;
  return {absl::StrCat(list.n, " sites")};
}

absl::StatusOr<ledger_anchor::GatePins> PinsOf(const LeadCredentials& credentials,
                                               const std::string& policy) {
  ledger_anchor::GatePins pins;
  HILUM_ASSIGN_OR_RETURN(pins.policy, ledger_anchor::ParsePolicy(policy));
  HILUM_ASSIGN_OR_RETURN(pins.entry_key, crypto::PublicKeyFromBase64(credentials.entry_key));
  return pins;
}

// The profiles for films end in their size: cxr128 is 3 channels of 128 x 128 (docs/dicom.md).
absl::StatusOr<std::vector<int64_t>> InputSizeOf(const std::string& profile) {
  int64_t pixels = 0;
  const size_t digits = profile.find_first_of("0123456789");
  if (digits == std::string::npos || !absl::SimpleAtoi(profile.substr(digits), &pixels)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the profile ", profile, " does not say the size of its films."));
  }
  return std::vector<int64_t>{3, pixels, pixels};
}

std::string ModelCard(const proto::ModelDescription& model, const proto::RoundPlan& plan,
                      const ProvenModel& proven) {
  std::string card = absl::StrCat(
      "# Model card: ", model.job, ", round ", model.round, "\n\n", kResearchUseOnly, "\n\n",
      "| | |\n|---|---|\n| architecture | ", model.architecture,
      " (COVID-Net-style, reconstructed) |\n| parameters | ", model.n_params, " |\n| classes | ",
      absl::StrJoin(model.classes, ", "), " |\n| preprocessing | ", model.profile, " (",
      ToHex(model.profile_digest), ") |\n| patients | ", model.min_age_years,
      " years and older; younger ones are refused |\n| training | ", plan.strategy.name, ", ",
      model.round, " rounds, ", plan.training.local_epochs, " local epochs, ",
      plan.training.optimizer, ", clip ", plan.aggregation.clip_l2, " |\n| sites of this round | ",
      absl::StrJoin(proven.cohort, ", "), " |\n");
  if (!proven.dropped.empty()) {
    absl::StrAppend(&card, "| dropped in this round | ", absl::StrJoin(proven.dropped, ", "),
                    " |\n");
  }
  for (const ledger_anchor::Metric& metric : proven.metrics) {
    absl::StrAppend(&card, "| ", metric.name, " of this round's training | ", metric.value,
                    " (n=", metric.n, ") |\n");
  }
  absl::StrAppend(
      &card, "| privacy | no masks: the server saw each update; no differential privacy |\n",
      "| ledger | ", model.origin, ", entry ", proven.index,
      proven.quorum_none ? ", no witness vouches for the log" : "", " |\n| SHA-256 | ",
      ToHex(model.sha256), " |\n\n## How well it does\n\nNothing is stated here: a figure counts ",
      "only with its table, number of cases and interval. `hilum model evaluate` makes one for a ",
      "set of films, and `hilum job report --evaluation` shows it.\n");
  return card;
}

absl::Status WriteText(const fs::path& path, absl::string_view text) {
  return WriteFileDurably(path, AsBytes(text));
}

}  // namespace

absl::StatusOr<ProvenModel> CheckModelProof(const LeadCredentials& credentials,
                                            const ModelClaim& claim) {
  ProvenModel proven{.proof = claim.proof, .round = claim.round};
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::VerifierKey log,
                         ledger_anchor::ParseVerifierKey(credentials.log_vkey));
  proven.policy = credentials.policy.empty() ? ledger_anchor::MakePolicyWithoutWitnesses(log)
                                             : credentials.policy;
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::GatePins pins, PinsOf(credentials, proven.policy));
  ledger_anchor::GateInput input;
  input.proof = claim.proof;
  input.now_s = claim.now_s;
  input.expected = {.type = "round-close", .study = claim.job, .round = claim.round};
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::ProvenEntry entry,
                         ledger_anchor::CheckProof(pins, input));
  const auto* close = std::get_if<RoundClose>(&entry.entry().body);
  if (close == nullptr) {
    return absl::DataLossError("the proven entry is not a round-close.");
  }
  if (close->status != "ok") {
    return absl::FailedPreconditionError(absl::StrCat("round ", claim.round, " of ", claim.job,
                                                      " was aborted, so it made no model."));
  }
  proven.sha256 = close->model;
  proven.index = entry.place().index;
  proven.cohort = NamesOf(close->cohort);
  proven.dropped = NamesOf(close->dropped);
  proven.metrics = close->metrics.items;
  proven.quorum_none = entry.quorum_none();
  return proven;
}

absl::StatusOr<proto::ModelDescription> WriteModelFolder(const fs::path& out,
                                                         const proto::RoundPlan& plan,
                                                         const ProvenModel& proven,
                                                         const LeadCredentials& credentials,
                                                         ByteView file) {
  if (crypto::Sha256(file) != proven.sha256) {
    return absl::DataLossError(absl::StrCat("the model's SHA-256 is ", ToHex(crypto::Sha256(file)),
                                            ", the ledger says ", ToHex(proven.sha256), "."));
  }
  const auto parsed = proto::ParseSafetensorsAs(file, plan.spec);
  if (!parsed.ok()) return absl::DataLossError(parsed.status().message());
  HILUM_ASSIGN_OR_RETURN(const std::vector<int64_t> input_size, InputSizeOf(plan.model.profile));
  const proto::ModelDescription model{.architecture = plan.model.architecture,
                                      .classes = plan.model.classes,
                                      .norm = plan.model.norm,
                                      .profile = plan.model.profile,
                                      .profile_digest = plan.model.profile_digest,
                                      .input_size = input_size,
                                      .n_params = plan.spec.n_params(),
                                      .round = proven.round,
                                      .job = plan.job,
                                      .origin = credentials.origin,
                                      .sha256 = proven.sha256,
                                      .min_age_years = plan.model.min_age_years};
  HILUM_RETURN_IF_ERROR(MakeFolder(out));
  HILUM_RETURN_IF_ERROR(WriteFileDurably(out / "model.safetensors", file));
  HILUM_RETURN_IF_ERROR(WriteText(out / "model.json", proto::ModelDescriptionToJson(model)));
  HILUM_RETURN_IF_ERROR(WriteText(out / "MODEL_CARD.md", ModelCard(model, plan, proven)));
  HILUM_RETURN_IF_ERROR(WriteText(out / "round.tlog-proof", proven.proof));
  HILUM_RETURN_IF_ERROR(WriteText(out / "policy", proven.policy));
  return model;
}

}  // namespace hilum::cli

#include "cli/job_model.h"

#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "evaluation/model_card.h"
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

evaluation::CardRound CardOf(const ProvenModel& proven) {
  evaluation::CardRound round{.cohort = proven.cohort,
                              .dropped = proven.dropped,
                              .measures = {},
                              .entry_index = proven.index,
                              .quorum_none = proven.quorum_none};
  for (const ledger_anchor::Metric& metric : proven.metrics) {
    round.measures.push_back({.name = metric.name, .value = metric.value, .n = metric.n});
  }
  return round;
}

absl::Status WriteText(const fs::path& path, absl::string_view text) {
  return WriteFileDurably(path, AsBytes(text));
}

}  // namespace

absl::StatusOr<ProvenForLead> CheckLeadProof(const LeadCredentials& credentials,
                                             const ModelClaim& claim, const std::string& type) {
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::VerifierKey log,
                         ledger_anchor::ParseVerifierKey(credentials.log_vkey));
  std::string policy = credentials.policy.empty() ? ledger_anchor::MakePolicyWithoutWitnesses(log)
                                                  : credentials.policy;
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::GatePins pins, PinsOf(credentials, policy));
  ledger_anchor::GateInput input;
  input.proof = claim.proof;
  input.now_s = claim.now_s;
  input.expected = {.type = type, .study = claim.job, .round = std::nullopt};
  if (type == "round-close") input.expected.round = claim.round;
  HILUM_ASSIGN_OR_RETURN(ledger_anchor::ProvenEntry entry, ledger_anchor::CheckProof(pins, input));
  return ProvenForLead{.entry = std::move(entry), .policy = std::move(policy)};
}

absl::StatusOr<ProvenModel> CheckModelProof(const LeadCredentials& credentials,
                                            const ModelClaim& claim) {
  ProvenModel proven{.proof = claim.proof, .round = claim.round};
  HILUM_ASSIGN_OR_RETURN(ProvenForLead checked, CheckLeadProof(credentials, claim, "round-close"));
  const ledger_anchor::ProvenEntry& entry = checked.entry;
  proven.policy = std::move(checked.policy);
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
  HILUM_ASSIGN_OR_RETURN(
      const proto::ModelDescription model,
      proto::DescribeModel(
          plan, {.round = proven.round, .origin = credentials.origin, .sha256 = proven.sha256}));
  HILUM_RETURN_IF_ERROR(MakeFolder(out));
  HILUM_RETURN_IF_ERROR(WriteFileDurably(out / "model.safetensors", file));
  HILUM_RETURN_IF_ERROR(WriteText(out / "model.json", proto::ModelDescriptionToJson(model)));
  HILUM_RETURN_IF_ERROR(
      WriteText(out / "MODEL_CARD.md", evaluation::ModelCard(model, plan, CardOf(proven))));
  HILUM_RETURN_IF_ERROR(WriteText(out / "round.tlog-proof", proven.proof));
  HILUM_RETURN_IF_ERROR(WriteText(out / "policy", proven.policy));
  return model;
}

}  // namespace hilum::cli

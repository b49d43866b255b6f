#include "client/policy.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/ledger_gate.h"
#include "client/rpc.h"
#include "ledger_anchor/policy.h"
#include "ledger_anchor/witness_folder.h"

namespace hilum::client {
namespace {

absl::StatusOr<PolicyReport> Describe(const ledger_anchor::Policy& policy) {
  HILUM_RETURN_IF_ERROR(ledger_anchor::CheckFaults(policy, 0));
  PolicyReport report;
  const std::string origin = policy.logs.empty() ? "" : policy.logs.front().key.name;
  for (const ledger_anchor::PolicyMember& member : policy.members) {
    if (!member.key.has_value()) continue;
    const std::string& name = member.key->name;
    report.witnesses.push_back({name, ledger_anchor::SiteOfWitness(origin, name)});
  }
  if (!policy.quorum.has_value()) return report;
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::FlatQuorum flat, ledger_anchor::FlatQuorumOf(policy));
  report.quorum = flat.q;
  report.faults = ledger_anchor::FaultsCovered(flat);
  report.may_be_away = flat.n - flat.q;
  return report;
}

// A server can log a second join in any member's name; this site knows at least its own key.
absl::Status CheckOwn(const ledger_anchor::VerifierKey& witness, const SiteFolder& folder) {
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::OpenedWitness own,
                         ledger_anchor::OpenWitness(folder.witness()));
  if (own.vkey == witness) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("the policy names ", FormatVerifierKey(witness),
                                          " as this site's own witness, which is ",
                                          FormatVerifierKey(own.vkey)));
}

// That the ledger names this key as the member's witness. Returns the index of the entry.
absl::StatusOr<uint64_t> CheckMember(const ledger_anchor::VerifierKey& witness,
                                     const std::string& member, LedgerGate& gate,
                                     Connection& connection, int64_t now_s) {
  HILUM_ASSIGN_OR_RETURN(const std::string proof, connection.FetchJoinProof(member));
  const ProveConsistency prove = [&](uint64_t old_size, uint64_t new_size) {
    return connection.ProveConsistency(old_size, new_size);
  };
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::ProvenEntry proven,
                         gate.CheckEntry(proof, {"join", "", {}}, prove, now_s));
  const auto* join = std::get_if<ledger_anchor::Join>(&proven.entry().body);
  if (join != nullptr && join->member == member &&
      join->witness_vkey == FormatVerifierKey(witness)) {
    return proven.place().index;
  }
  return absl::DataLossError(absl::StrCat("the ledger names another witness of ", member,
                                          " than the policy: ", FormatVerifierKey(witness)));
}

absl::Status CheckAgainstPins(const ledger_anchor::Policy& policy, const LedgerGate& gate,
                              const SiteOptions& options) {
  const ledger_anchor::Policy& pinned = gate.pins().policy;
  if (policy.logs.size() != 1 || policy.logs[0].key != pinned.logs.front().key) {
    return absl::InvalidArgumentError(
        absl::StrCat("the policy must name one log, the pinned one: ", gate.log_vkey()));
  }
  if (pinned.quorum.has_value() && !policy.quorum.has_value()) {
    return absl::PermissionDeniedError(
        "this site asks for a quorum of witnesses, and the new policy asks for none");
  }
  return ledger_anchor::CheckFaults(policy, options.faults);
}

}  // namespace

absl::StatusOr<PolicyReport> DescribePolicy(absl::string_view text) {
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::Policy policy, ledger_anchor::ParsePolicy(text));
  return Describe(policy);
}

absl::StatusOr<PolicyReport> PinPolicy(const SiteFolder& folder, const SiteOptions& options,
                                       absl::string_view text, int64_t now_s) {
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::Policy policy, ledger_anchor::ParsePolicy(text));
  const absl::StatusOr<FileLock> lock = FileLock::Acquire(folder.lock());
  if (absl::IsFailedPrecondition(lock.status())) {
    return absl::FailedPreconditionError(absl::StrCat("the agent runs with ", folder.root.string(),
                                                      ", stop it first: it keeps the policy that ",
                                                      "it started with"));
  }
  HILUM_RETURN_IF_ERROR(lock.status());
  HILUM_ASSIGN_OR_RETURN(
      LedgerGate gate,
      LedgerGate::Open(folder.ledger(), {options.faults, options.max_cosignature_age_s}));
  HILUM_RETURN_IF_ERROR(CheckAgainstPins(policy, gate, options));
  HILUM_ASSIGN_OR_RETURN(PolicyReport report, Describe(policy));
  HILUM_ASSIGN_OR_RETURN(const Credentials credentials, ReadCredentials(folder));
  Connection connection(options.server, credentials);
  size_t at = 0;
  for (const ledger_anchor::PolicyMember& member : policy.members) {
    if (!member.key.has_value()) continue;
    PolicyWitness& witness = report.witnesses[at++];
    if (witness.member.empty()) continue;
    if (witness.member == options.site) HILUM_RETURN_IF_ERROR(CheckOwn(*member.key, folder));
    HILUM_ASSIGN_OR_RETURN(witness.join_index,
                           CheckMember(*member.key, witness.member, gate, connection, now_s));
  }
  HILUM_RETURN_IF_ERROR(LedgerGate::Repin(folder.ledger(), text));
  return report;
}

}  // namespace hilum::client

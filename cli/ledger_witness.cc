#include "cli/ledger_witness.h"

#include <csignal>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "base/status_macros.h"
#include "cli/output.h"
#include "ledger_anchor/policy.h"
#include "ledger_anchor/witness_folder.h"
#include "ledger_anchor/witness_http.h"
#include "ledger_anchor/witness_pipe.h"

namespace hilum::cli {
namespace {

namespace la = ledger_anchor;
using Json = nlohmann::ordered_json;

absl::Status Create(const WitnessFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const std::string vkey, la::CreateWitness(flags.dir, flags.create));
  if (flags.json) {
    PrintJson(Json{{"vkey", vkey}, {"dir", flags.dir}});
  } else {
    Print(absl::StrCat(vkey, "\n"));
  }
  return absl::OkStatus();
}

absl::Status CheckPolicyFile(const WitnessFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const std::string text,
                         ReadTextFile(flags.check_policy, la::kPolicyLimitBytes));
  HILUM_ASSIGN_OR_RETURN(const la::Policy policy, la::ParsePolicy(text));
  HILUM_RETURN_IF_ERROR(la::CheckFaults(policy, flags.faults));
  if (flags.json) {
    PrintJson(Json{{"policy", flags.check_policy},
                   {"faults", flags.faults},
                   {"quorum_none", !policy.quorum.has_value()},
                   {"holds", true}});
  } else if (policy.quorum.has_value()) {
    Print(absl::StrCat("Two quorums always share a witness that is honest, even if ", flags.faults,
                       " are not.\n"));
  } else {
    Print("The policy asks for no witness (quorum none): it protects from no fork.\n");
  }
  return absl::OkStatus();
}

absl::Status PrintEvidence(const la::WitnessStore& store, bool json) {
  HILUM_ASSIGN_OR_RETURN(const std::vector<la::WitnessEvidence> evidence, store.Evidence());
  if (json) {
    Json list = Json::array();
    for (const la::WitnessEvidence& one : evidence) {
      list.push_back({{"origin", one.origin},
                      {"is_fork", one.is_fork},
                      {"cosigned", one.cosigned},
                      {"refused", one.refused}});
    }
    PrintJson(list);
    return absl::OkStatus();
  }
  if (evidence.empty()) Print("Nothing that a known log signed was refused here.\n");
  for (const la::WitnessEvidence& one : evidence) {
    Print(absl::StrCat("Cosigned of ", one.origin, ":\n\n", one.cosigned,
                       one.is_fork ? "\nRefused: the log signed another root for the same size, "
                                     "which proves a fork to anyone:\n\n"
                                   : "\nRefused: the consistency proof that came with it failed. "
                                     "That accuses nobody: ask the log for the proof.\n\n",
                       one.refused, "\n"));
  }
  return absl::OkStatus();
}

absl::Status Serve(const WitnessFlags& flags, const la::OpenedWitness& open) {
  std::vector<la::VerifierKey> logs;
  for (const std::string& text : flags.logs) {
    HILUM_ASSIGN_OR_RETURN(la::VerifierKey log, la::ParseVerifierKey(text));
    if (log.type != la::KeyType::kEd25519) {
      return absl::InvalidArgumentError(
          absl::StrCat("the key of the log ", log.name, " must be of type 1 (Ed25519)"));
    }
    logs.push_back(std::move(log));
  }
  if (logs.empty()) return absl::InvalidArgumentError("name at least one log with --log VKEY");
  const la::Witness witness{
      .name = open.vkey.name, .key = open.key, .logs = std::move(logs), .store = *open.store};
  if (flags.pipe) {
    return la::ServeWitnessPipe(witness, SystemClock(), StandardPipe());
  }
  const sigset_t signals = BlockEndSignals();
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<HttpService> service,
                         la::ServeWitness(witness, SystemClock(), flags.listen));
  if (flags.json) {
    PrintJsonLine(Json{{"event", "listening"}, {"http", service->address()}});
  } else {
    Print(
        absl::StrCat("Witness ", open.vkey.name, " listens on http://", service->address(), "\n"));
  }
  int signal = 0;
  sigwait(&signals, &signal);
  service->Stop();
  return absl::OkStatus();
}

}  // namespace

absl::Status RunWitness(const WitnessFlags& flags) {
  if (!flags.check_policy.empty()) return CheckPolicyFile(flags);
  if (flags.dir.empty()) {
    return absl::InvalidArgumentError("name the witness's folder with --dir DIR");
  }
  if (!flags.create.empty()) return Create(flags);
  HILUM_ASSIGN_OR_RETURN(const la::OpenedWitness open, la::OpenWitness(flags.dir));
  if (flags.evidence) return PrintEvidence(*open.store, flags.json);
  return Serve(flags, open);
}

}  // namespace hilum::cli

// What witnesses do to the server: cosigned checkpoints open its rounds, a contradiction stops it.
#include <utility>

#include "absl/strings/str_cat.h"
#include "aggregator/server_core.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "ledger_anchor/witness_folder.h"

namespace hilum::aggregator {
namespace {

// How an entry names a witness: by its site, else by the start of the hash of its name, since an
// entry holds no free text.
std::string Code(const std::string& name, const std::string& origin) {
  std::string site = ledger_anchor::SiteOfWitness(origin, name);
  if (!site.empty()) return site;
  return absl::StrCat("witness-", ToHex(crypto::Sha256(name)).substr(0, 16));
}

}  // namespace

absl::Status ServerCore::StartWitnesses() {
  if (!federation->policy.has_value()) return absl::OkStatus();
  Witnesses::Hooks hooks;
  hooks.on_published = [this] {
    const absl::MutexLock lock(&mutex);
    TouchAll();
  };
  hooks.on_fault = [this](const std::string& name, const ledger_anchor::FeedResult& result) {
    HandleFaultyWitness(name, result);
  };
  hooks.on_contradiction = [this](const std::string& name,
                                  const ledger_anchor::FeedResult& result) {
    HandleContradiction(name, result);
  };
  HILUM_ASSIGN_OR_RETURN(witnesses, Witnesses::Create(federation->log.get(), *federation->policy,
                                                      {.clock = options.clock}, std::move(hooks)));
  federation->on_grown = [this] { witnesses->Grew(); };
  witnesses->Start();
  return absl::OkStatus();
}

// A witness that lies goes on record, once in the life of this process: else it could fill the
// ledger. One that is not set up for this log is the operator's matter.
void ServerCore::HandleFaultyWitness(const std::string& name,
                                     const ledger_anchor::FeedResult& result) {
  Log(LogLevel::kWarning, "witness does not count", {{"witness", name}, {"reason", result.reason}});
  if (result.verdict != ledger_anchor::FeedVerdict::kFaulty) return;
  {
    const absl::MutexLock lock(&mutex);
    if (!recorded_liars.insert(name).second) return;
  }
  RecordIncident("witness-faulty", Code(name, federation->identity.origin), result.evidence);
}

void ServerCore::HandleContradiction(const std::string& name,
                                     const ledger_anchor::FeedResult& result) {
  const fs::path evidence =
      federation->identity.folder / "ledger" /
      absl::StrCat("fork-", ToHex(crypto::Sha256(result.evidence)).substr(0, 16), ".txt");
  const absl::Status written = WriteFileDurably(evidence, AsBytes(result.evidence));
  const absl::Status why = absl::DataLossError(
      absl::StrCat("witness ", name, ": ", result.reason, "; ",
                   written.ok() ? absl::StrCat("its note is kept in ", evidence.string())
                                : absl::StrCat("its note could not be kept: ", written.message())));
  Log(LogLevel::kError, "server stops", {{"reason", why}});
  const absl::MutexLock lock(&mutex);
  failure = why;
  stopping = true;
  TouchAll();
}

absl::StatusOr<ProofView> ServerCore::ProveJoin(const std::string& member) const {
  const ledger_anchor::Admission ledger = federation->log->State();
  const ledger_anchor::Member* found = ledger.members().Find(member);
  if (found == nullptr || found->role == "aggregator") {
    return absl::NotFoundError(absl::StrCat("the ledger has no join of ", member));
  }
  ProofView view;
  HILUM_ASSIGN_OR_RETURN(view.proof, federation->Prove(found->joined_index));
  return view;
}

absl::Status Server::AttachWitness(const SiteId& site,
                                   std::shared_ptr<ledger_anchor::WitnessTransport> way) {
  const ledger_anchor::Admission ledger = core_->federation->log->State();
  const ledger_anchor::Member* member = ledger.members().Find(site.name);
  if (member == nullptr || !member->witness_vkey.has_value()) {
    return absl::NotFoundError(absl::StrCat("site ", site.name, " joined without a witness"));
  }
  if (core_->witnesses == nullptr) {
    return absl::NotFoundError("this server asks no witnesses: its policy is `quorum none`");
  }
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::VerifierKey witness,
                         ledger_anchor::ParseVerifierKey(*member->witness_vkey));
  HILUM_RETURN_IF_ERROR(core_->witnesses->Attach(witness.name, std::move(way)));
  Log(LogLevel::kInfo, "witness here", {{"witness", witness.name}});
  return absl::OkStatus();
}

void Server::DetachWitness(const std::shared_ptr<ledger_anchor::WitnessTransport>& way) {
  if (core_->witnesses != nullptr) core_->witnesses->Detach(way);
}

}  // namespace hilum::aggregator

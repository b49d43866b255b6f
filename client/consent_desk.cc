#include "client/consent_desk.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/ledger_gate.h"
#include "client/rotation.h"
#include "client/rpc.h"
#include "ledger_anchor/consent_audit.h"
#include "ledger_anchor/consent_receipt.h"

namespace hilum::client {

std::string ConsentLimit() { return std::string(ledger_anchor::kConsentLimit); }

absl::StatusOr<std::string> WriteReceipt(const SiteFolder& folder, const SiteOptions& options,
                                         const PatientName& name) {
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<ConsentStore> store,
                         ConsentStore::Open(folder.consents()));
  HILUM_ASSIGN_OR_RETURN(const SiteSecret secret, LoadSiteSecret(folder.pseudonym_secret()));
  HILUM_ASSIGN_OR_RETURN(const Credentials credentials, ReadCredentials(folder));
  HILUM_ASSIGN_OR_RETURN(const std::vector<crypto::PublicKey> keys, OwnKeys(folder));
  Connection connection(options.server, credentials);
  const std::string pid = StudyPid(secret, name.study, Pseudonym(secret, kSiteStudy, name.patient));
  const auto fetch_proof = [&connection](const std::string& entry) -> absl::StatusOr<std::string> {
    HILUM_ASSIGN_OR_RETURN(const EntryReceipt answer, connection.SubmitEntry(entry));
    if (!answer.proof.empty()) return answer.proof;
    return absl::UnavailableError(
        "the witnesses have not cosigned the patient's batch yet; try again");
  };
  HILUM_ASSIGN_OR_RETURN(
      const ledger_anchor::ConsentReceipt receipt,
      MakeReceipt(*store, {.study = name.study, .pid = pid, .keys = keys}, fetch_proof));
  return ledger_anchor::FormatReceipt(receipt);
}

absl::StatusOr<ReceiptView> VerifyReceipt(const SiteFolder& folder, const SiteOptions& options,
                                          absl::string_view text, int64_t now_s) {
  HILUM_ASSIGN_OR_RETURN(const LedgerGate gate,
                         LedgerGate::Open(folder.ledger(), {.faults = options.faults}));
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::ConsentReceipt receipt,
                         ledger_anchor::ParseReceipt(text));
  HILUM_ASSIGN_OR_RETURN(
      const ledger_anchor::CheckedReceipt checked,
      ledger_anchor::CheckReceipt(receipt, gate.pins(), static_cast<uint64_t>(now_s)));
  return ReceiptView{.site = checked.site,
                     .study = checked.study,
                     .pid = checked.event.pid,
                     .action = checked.event.action,
                     .at_s = static_cast<int64_t>(checked.event.t),
                     .index = checked.place.index,
                     .logged_s = static_cast<int64_t>(checked.logged_s),
                     .entry_key = crypto::ToBase64(receipt.entry_key),
                     .witnesses = checked.witnesses,
                     .quorum_none = checked.quorum_none};
}

absl::StatusOr<std::string> Disclose(const SiteFolder& folder, const SiteOptions& options,
                                     const AuditQuestion& question) {
  if (question.n_samples == 0 || question.n_samples > ledger_anchor::kSampleLimit) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--samples ", question.n_samples, " is not within 1 to ", ledger_anchor::kSampleLimit));
  }
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<ConsentStore> store,
                         ConsentStore::Open(folder.consents()));
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::Disclosure disclosure,
                         MakeDisclosure(*store, {.study = question.study,
                                                 .site = options.site,
                                                 .round = question.round,
                                                 .seed = question.seed,
                                                 .n_samples = question.n_samples}));
  return ledger_anchor::FormatDisclosure(disclosure);
}

}  // namespace hilum::client

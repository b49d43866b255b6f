#include "cli/ledger_consent.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "cli/output.h"
#include "ledger_anchor/consent_audit.h"
#include "ledger_anchor/consent_receipt.h"

namespace hilum::cli {
namespace {

using ledger_anchor::AuditReport;
using ledger_anchor::Disclosure;
using nlohmann::ordered_json;

absl::StatusOr<ledger_anchor::AuditRequest> MakeRequest(const AuditConsentFlags& flags) {
  if (flags.n_samples == 0 || flags.n_samples > ledger_anchor::kSampleLimit) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--samples ", flags.n_samples, " is not within 1 to ", ledger_anchor::kSampleLimit));
  }
  ledger_anchor::AuditRequest request{
      .seed = flags.seed, .n_samples = flags.n_samples, .receipts = {}};
  for (const std::string& file : flags.receipts) {
    HILUM_ASSIGN_OR_RETURN(const std::string text,
                           ReadTextFile(file, ledger_anchor::kReceiptLimitBytes));
    absl::StatusOr<ledger_anchor::ConsentReceipt> receipt = ledger_anchor::ParseReceipt(text);
    if (!receipt.ok()) {
      return absl::DataLossError(absl::StrCat(file, ": ", receipt.status().message()));
    }
    request.receipts.push_back(*std::move(receipt));
  }
  return request;
}

ordered_json ReportJson(const LedgerSource& source, const Disclosure& disclosure,
                        const AuditReport& report) {
  ordered_json out = LedgerJson(source);
  out["study"] = disclosure.study;
  out["site"] = disclosure.site;
  out["round"] = disclosure.round;
  out["open_index"] = report.entries.open->index;
  out["manifest_index"] = report.entries.manifest->index;
  out["consents_below"] = report.entries.consent_size;
  out["leaves"] = report.n_leaves;
  out["patients"] = report.n_patients;
  out["dummies"] = report.n_dummies;
  out["revoked_absent"] = report.n_revoked;
  out["receipts_honoured"] = report.n_receipts;
  out["receipts_for_later_rounds"] = report.n_later;
  out["limit"] = std::string(ledger_anchor::kConsentLimit);
  return out;
}

std::string ReportText(const LedgerSource& source, const Disclosure& disclosure,
                       const AuditReport& report) {
  return absl::StrCat(
      "round ", disclosure.round, " of ", disclosure.study, " at ", disclosure.site,
      ": consents below entry ", report.entries.consent_size, " count\n", report.n_leaves,
      " leaves of the manifest opened: ", report.n_patients, " patients, all of them active, and ",
      report.n_dummies, " dummies\n", report.n_revoked,
      " patients whose consent had ended are in neither the active set nor the manifest\n",
      report.n_receipts, " receipts honoured, ", report.n_later,
      " of revocations that count in a later round\n", TrustOf(source.view), "\n",
      ledger_anchor::kConsentLimit, "\n");
}

}  // namespace

absl::Status RunAuditConsent(const AuditConsentFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::AuditRequest request, MakeRequest(flags));
  HILUM_ASSIGN_OR_RETURN(const std::string text,
                         ReadTextFile(flags.disclosure, ledger_anchor::kDisclosureLimitBytes));
  HILUM_ASSIGN_OR_RETURN(const Disclosure disclosure, ledger_anchor::ParseDisclosure(text));
  HILUM_ASSIGN_OR_RETURN(const LedgerSource source, OpenLedger(flags.ledger));
  HILUM_ASSIGN_OR_RETURN(const AuditReport report,
                         ledger_anchor::AuditConsent(source.view, disclosure, request));
  if (flags.ledger.json) {
    PrintJson(ReportJson(source, disclosure, report));
  } else {
    Print(ReportText(source, disclosure, report));
  }
  return absl::OkStatus();
}

}  // namespace hilum::cli

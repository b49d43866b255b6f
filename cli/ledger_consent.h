// `hilum-ledger audit-consent`.
#ifndef HILUM_CLI_LEDGER_CONSENT_H_
#define HILUM_CLI_LEDGER_CONSENT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/ledger_source.h"

namespace hilum::cli {

struct AuditConsentFlags {
  LedgerFlags ledger;
  std::string disclosure;  // file of `hilum site disclose`
  std::string seed;        // the auditor's, as named to the site
  uint64_t n_samples = 20;
  std::vector<std::string> receipts;  // files of patients who revoked
};

// Verifies the log, then the disclosure against it. DataLoss (exit 3): a leaf, a gap or a receipt
// does not fit; the sentence says which. NotFound: no such round of that site.
absl::Status RunAuditConsent(const AuditConsentFlags& flags);

}  // namespace hilum::cli

#endif  // HILUM_CLI_LEDGER_CONSENT_H_

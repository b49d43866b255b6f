// What a hospital hands out about consents: a patient's receipt, and an auditor's disclosure.
#ifndef HILUM_CLIENT_CONSENT_DESK_H_
#define HILUM_CLIENT_CONSENT_DESK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/consent_book.h"
#include "client/site_folder.h"

namespace hilum::client {

// To be printed wherever a receipt or an audit is shown.
std::string ConsentLimit();

struct ReceiptView {
  std::string site;
  std::string study;
  std::string pid;                     // of the study
  std::string action;                  // grant, revoke, expire
  int64_t at_s = 0;                    // of the event, by the site's clock
  uint64_t index = 0;                  // of the batch in the ledger
  int64_t logged_s = 0;                // by the site's clock
  std::string entry_key;               // base64; compare it with the site's join or key-rotate
  std::vector<std::string> witnesses;  // whose cosignatures verified
  bool quorum_none = false;            // no witness was asked for
};

// The receipt of a patient's newest logged consent event in a study (a job). The server is asked
// for the proof only; it hears nothing but bytes that stand in the ledger. NotFound: the ledger
// holds no event of the patient. Unavailable: the server cannot be reached.
struct PatientName {
  std::string patient;  // as in DICOM PatientID; never leaves the site
  std::string study;
};
absl::StatusOr<std::string> WriteReceipt(const SiteFolder& folder, const SiteOptions& options,
                                         const PatientName& name);

// Verifies a receipt under the policy that this site has pinned. Offline. Errors as CheckReceipt.
absl::StatusOr<ReceiptView> VerifyReceipt(const SiteFolder& folder, const SiteOptions& options,
                                          absl::string_view text, int64_t now_s);

// What an auditor's seed asks of a round. Offline. Errors as MakeDisclosure.
struct AuditQuestion {
  std::string study;
  uint64_t round = 0;
  std::string seed;
  uint64_t n_samples = 0;
};
absl::StatusOr<std::string> Disclose(const SiteFolder& folder, const SiteOptions& options,
                                     const AuditQuestion& question);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_CONSENT_DESK_H_

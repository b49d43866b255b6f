// What a patient gets for a consent event: enough to show, offline and without the hospital, that
// the event stands in the ledger (ledger.md, section 9).
#ifndef HILUM_LEDGER_ANCHOR_CONSENT_RECEIPT_H_
#define HILUM_LEDGER_ANCHOR_CONSENT_RECEIPT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ledger_anchor/consent_tree.h"
#include "ledger_anchor/gate.h"

namespace hilum::ledger_anchor {

inline constexpr size_t kReceiptLimitBytes = 1 << 20;

struct ConsentReceipt {
  std::string event;  // EncodeConsentEvent
  Digest nonce{};
  uint64_t slot = 0;            // of the commitment in its batch
  HashList path;                // to the batch's root
  std::string proof;            // .tlog-proof of the consent-batch
  crypto::PublicKey entry_key;  // the site's, that signed the batch
  friend bool operator==(const ConsentReceipt&, const ConsentReceipt&) = default;
};

// One line of canonical JSON and LF. InvalidArgument: a field has no such form.
absl::StatusOr<std::string> FormatReceipt(const ConsentReceipt& receipt);
// DataLoss: another form, or longer than kReceiptLimitBytes.
absl::StatusOr<ConsentReceipt> ParseReceipt(absl::string_view text);

// What a receipt shows, once it has been verified.
struct CheckedReceipt {
  ConsentEvent event;
  std::string site;
  std::string study;
  EntryPlace place;       // of the batch in the ledger
  uint64_t logged_s = 0;  // the site's claim
  std::vector<std::string> witnesses;
  bool quorum_none = false;
};

// The tlog-proof under the pinned policy (of any age: a receipt is kept for years), the batch under
// the key that the receipt names, the commitment in the batch.
// DataLoss, PermissionDenied: as CheckProof. DataLoss also: the event is not the committed one.
absl::StatusOr<CheckedReceipt> CheckReceipt(const ConsentReceipt& receipt, const GatePins& pins,
                                            uint64_t now_s);

// DataLoss: `event` under `nonce` is not at `slot` of the batch.
struct EventOpening {
  absl::string_view event;
  Digest nonce{};
  uint64_t slot = 0;
  HashSpan path;
};
absl::StatusOr<ConsentEvent> OpenEvent(const ConsentBatch& batch, const EventOpening& opening);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_CONSENT_RECEIPT_H_

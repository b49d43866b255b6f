// What a site keeps of a round that counted it: enough to show, offline and without the server,
// that its update stands in the round's `updates.root` (ledger.md, section 3.4).
#ifndef HILUM_LEDGER_ANCHOR_UPDATE_RECEIPT_H_
#define HILUM_LEDGER_ANCHOR_UPDATE_RECEIPT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ledger_anchor/gate.h"
#include "ledger_anchor/updates.h"

namespace hilum::ledger_anchor {

inline constexpr size_t kUpdateReceiptLimitBytes = 1 << 20;

struct UpdateReceipt {
  UpdateLeaf leaf;
  uint64_t position = 0;  // among the counted updates
  HashList path;          // to updates.root
  std::string proof;      // .tlog-proof of the round-close
};

// One line of canonical JSON and LF. InvalidArgument: a field has no such form.
absl::StatusOr<std::string> FormatUpdateReceipt(const UpdateReceipt& receipt);
// DataLoss: another form, or longer than kUpdateReceiptLimitBytes.
absl::StatusOr<UpdateReceipt> ParseUpdateReceipt(absl::string_view text);

// What a receipt shows, once it has been verified.
struct CheckedUpdateReceipt {
  std::string study;  // the job
  uint64_t round = 0;
  std::string site;      // empty: the ledger keeps the list of names as an annex
  uint64_t counted = 0;  // updates that the round counts
  Digest model{};        // that the round made
  EntryPlace place;      // of the round-close
  uint64_t logged_s = 0;
  std::vector<std::string> witnesses;
  bool quorum_none = false;
};

// The tlog-proof under the pinned policy (of any age: a receipt is kept for years), signed by the
// aggregator; the leaf in its updates.root.
// DataLoss, PermissionDenied: as CheckProof. DataLoss also: the round was aborted, or the leaf is
// not the one at its position.
absl::StatusOr<CheckedUpdateReceipt> CheckUpdateReceipt(const UpdateReceipt& receipt,
                                                        const GatePins& pins, uint64_t now_s);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_UPDATE_RECEIPT_H_

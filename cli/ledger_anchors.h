// `hilum-ledger anchors`.
#ifndef HILUM_CLI_LEDGER_ANCHORS_H_
#define HILUM_CLI_LEDGER_ANCHORS_H_

#include <string>

#include "absl/status/status.h"
#include "cli/ledger_source.h"

namespace hilum::cli {

struct AnchorsFlags {
  LedgerFlags ledger;
  std::string ca;      // --ca: PEM file with the authority's certificates; "": the log's own copy
  std::string policy;  // --tsa-policy: an OID; "": any
};

// Verifies the log, then lists its receipts with time, size and root, and verifies each: the note
// is of this log, the receipt vouches for it. DataLoss: one does not verify; all are listed.
absl::Status RunAnchors(const AnchorsFlags& flags);

}  // namespace hilum::cli

#endif  // HILUM_CLI_LEDGER_ANCHORS_H_

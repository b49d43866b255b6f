// `hilum-ledger anchors`.
#ifndef HILUM_CLI_LEDGER_ANCHORS_H_
#define HILUM_CLI_LEDGER_ANCHORS_H_

#include <cstddef>
#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
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

// Copies the receipts of the log's states up to `source`, with their notes and the authority's
// certificates, to `out`/anchors; returns how many. They are not verified: RunAnchors does that on
// the copy too. DataLoss: a receipt or its note is missing, or is not of this log's key.
absl::StatusOr<size_t> CopyAnchors(const LedgerSource& source, const std::filesystem::path& out);

}  // namespace hilum::cli

#endif  // HILUM_CLI_LEDGER_ANCHORS_H_

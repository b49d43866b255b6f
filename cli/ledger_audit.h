// `hilum-ledger export` and `audit`.
#ifndef HILUM_CLI_LEDGER_AUDIT_H_
#define HILUM_CLI_LEDGER_AUDIT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "cli/ledger_source.h"

namespace hilum::cli {

// Verifies the log, then computes the round again from the stored bytes and compares it with its
// entries. `device`: auto, cpu or cuda:N. DataLoss: a difference, or an object that the round needs
// is missing. InvalidArgument: no such device here.
absl::Status RunAudit(const LedgerFlags& flags, uint64_t round, const std::string& device);

// Writes the log and all objects of the round into `out`, a new or empty folder: what `audit` needs
// without the server. DataLoss: the log or an object is damaged.
absl::Status RunExport(const LedgerFlags& flags, uint64_t round, const std::string& out);

}  // namespace hilum::cli

#endif  // HILUM_CLI_LEDGER_AUDIT_H_

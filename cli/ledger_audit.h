// `hilum-ledger export` and `audit`.
#ifndef HILUM_CLI_LEDGER_AUDIT_H_
#define HILUM_CLI_LEDGER_AUDIT_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "cli/ledger_source.h"

namespace hilum::cli {

struct AuditFlags {
  LedgerFlags ledger;
  uint64_t round = 0;
  std::string device = "cpu";  // where updates are added up: auto, cpu, cuda:N or a list of GPUs
  bool tags = false;           // the cheaper form: the published sum against its tags alone
  bool quiet = false;          // no progress
};

// Verifies the log, then computes the round again from the stored bytes and compares it with its
// entries. DataLoss: a difference, or an object that the round needs is missing. InvalidArgument:
// no such device here, or tags of an open round, which has none.
absl::Status RunAudit(const AuditFlags& flags);

struct ExportFlags {
  LedgerFlags ledger;
  std::optional<uint64_t> round;
  std::string out;    // --out: a new or empty folder
  bool html = false;  // --html
};

// Writes the log and all objects of the round: what `audit` needs without the server. With `html`
// also the page for people, and the policy of --policy beside it; then the round may be left out.
// DataLoss: the log or an object is damaged. InvalidArgument: the flags.
absl::Status RunExport(const ExportFlags& flags);

}  // namespace hilum::cli

#endif  // HILUM_CLI_LEDGER_AUDIT_H_

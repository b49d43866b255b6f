// `hilum-ledger show` and `prove`.
#ifndef HILUM_CLI_LEDGER_SHOW_H_
#define HILUM_CLI_LEDGER_SHOW_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/ledger_source.h"

namespace hilum::cli {

struct ShowFlags {
  LedgerFlags ledger;
  std::optional<uint64_t> round;  // only entries of this round
  std::string type;               // "": all
  std::string site;               // signed by, about, or with this member; "": all
  std::string since;              // date or seconds; "": all
  bool cid = false;               // also the IPFS alias of each object that an entry names
};

// A table of entries for people.
std::string EntryTable(const std::vector<const ledger_anchor::ViewEntry*>& entries);

// Prints the entries of a verified log that match, as a table or as JSON.
absl::Status RunShow(const ShowFlags& flags);

// Seconds since 1970 of "2026-11-24", "2026-11-24T14:07:03Z" or "1764000000".
// InvalidArgument: none of them.
absl::StatusOr<uint64_t> ParseTime(absl::string_view text);

struct ProveFlags {
  LedgerFlags ledger;
  std::optional<uint64_t> round;  // proves its round-close, or its round-open with `open`
  std::optional<uint64_t> index;  // proves this entry
  bool open = false;
  std::string out;  // file to write; "": standard output
};

// Emits a .tlog-proof of one entry against the log's checkpoint.
absl::Status RunProve(const ProveFlags& flags);

}  // namespace hilum::cli

#endif  // HILUM_CLI_LEDGER_SHOW_H_

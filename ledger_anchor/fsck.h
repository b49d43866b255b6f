// Compares every file of a served folder, and every object of a store, with what it must be. A
// reader needs only the newest tiles; the operator wants to know of all damage at once.
#ifndef HILUM_LEDGER_ANCHOR_FSCK_H_
#define HILUM_LEDGER_ANCHOR_FSCK_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ledger_anchor/reader.h"

namespace hilum::ledger_anchor {

struct FsckReport {
  uint64_t n_files = 0;
  uint64_t n_objects = 0;
  std::vector<std::string> faults;  // a sentence each, sorted
};

// Files of `served` against a verified view of the same log: tiles and bundles of the newest and of
// all older sizes, and nothing else. Unavailable: the folder cannot be read.
absl::StatusOr<FsckReport> CheckServedFolder(const LogView& view,
                                             const std::filesystem::path& served);

// Every object of the store hashes to its name. Adds to `report`.
absl::Status CheckStore(const std::filesystem::path& objects, FsckReport& report);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_FSCK_H_

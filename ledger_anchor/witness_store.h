// What a witness must never forget: the last checkpoint that it cosigned of each log.
#ifndef HILUM_LEDGER_ANCHOR_WITNESS_STORE_H_
#define HILUM_LEDGER_ANCHOR_WITNESS_STORE_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"

namespace hilum::ledger_anchor {

struct WitnessedHead {
  uint64_t size = 0;
  Digest root{};
  uint64_t time_s = 0;  // of the cosignature
  std::string note;     // the checkpoint with the log's line and the cosignature
};

// Two notes that one log signed. With two roots for one size they prove a fork to anyone; else only
// the consistency proof failed that whoever asked sent along, which proves nothing by itself.
struct WitnessEvidence {
  std::string origin;
  bool is_fork = false;
  std::string cosigned;  // what this witness had cosigned
  std::string refused;   // what it was asked to cosign
};

// A SQLite file with synchronous=FULL. Thread-safe; two processes on one file are kept apart by its
// transactions.
class WitnessStore {
 public:
  static constexpr uint64_t kEvidenceLimit = 100;  // of one log, and of each kind

  // For a new key. AlreadyExists: there is a file.
  static absl::Status Create(const std::filesystem::path& path, absl::string_view vkey);
  // NotFound: no file; a witness that lost its memory is retired, never begun again empty.
  // FailedPrecondition: the file is another witness's. DataLoss: damaged.
  static absl::StatusOr<std::unique_ptr<WitnessStore>> Open(const std::filesystem::path& path,
                                                            absl::string_view vkey);
  ~WitnessStore();

  // Absent: nothing of this log was cosigned.
  absl::StatusOr<std::optional<WitnessedHead>> Last(absl::string_view origin) const;
  // Replaces the head of size `old_size` (0: also none) in one transaction, on disk when it returns
  // OK. Aborted: another size stands there by now.
  absl::Status Advance(absl::string_view origin, uint64_t old_size, const WitnessedHead& head);

  absl::Status KeepEvidence(const WitnessEvidence& evidence);
  absl::StatusOr<std::vector<WitnessEvidence>> Evidence() const;

 private:
  struct Impl;
  explicit WitnessStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_WITNESS_STORE_H_

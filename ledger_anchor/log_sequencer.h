// Makes batches of admitted entries durable, in the order of ledger.md 4.1. Only log*.cc include
// this (and the bench of durable appends).
#ifndef HILUM_LEDGER_ANCHOR_LOG_SEQUENCER_H_
#define HILUM_LEDGER_ANCHOR_LOG_SEQUENCER_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/sign.h"
#include "ledger_anchor/checkpoint.h"
#include "ledger_anchor/merkle.h"

namespace hilum::ledger_anchor {

// One thread commits; any thread reads and publishes.
class LogSequencer {
 public:
  struct Options {
    std::filesystem::path folder;
    std::string origin;
    bool witnessed = false;
  };
  // Called for each entry of the journal during recovery; `is_signed`: a signed head covers it.
  using Replay =
      std::function<absl::Status(uint64_t index, absl::string_view text, bool is_signed)>;

  // AlreadyExists: the folder holds a log with at least one entry.
  static absl::StatusOr<std::unique_ptr<LogSequencer>> Create(const Options& options,
                                                              crypto::SigningKey log_key);
  // Errors as Log::Open; those of `replay` are passed on.
  static absl::StatusOr<std::unique_ptr<LogSequencer>> Open(const Options& options,
                                                            crypto::SigningKey log_key,
                                                            const Replay& replay);
  ~LogSequencer();

  // Journal and sync; tiles; then a signed head and sync; then, without witnesses, the served
  // checkpoint. A log with witnesses that was opened again signs no head before Confirm. After an
  // error the object must not be used again.
  absl::Status Commit(std::span<const std::string> entries);
  // Where the last head was published with a quorum's new cosignatures since Open: signs what is
  // durable behind it, and Commit signs from then on. Else, and later, nothing. Errors: as Commit.
  absl::Status Confirm();

  // The last signed head.
  std::string CheckpointNote() const;
  Checkpoint LastCheckpoint() const;
  // As Log's.
  absl::Status Publish(absl::string_view note);
  std::string PublishedNote() const;
  Checkpoint Published() const;
  absl::StatusOr<Digest> RootAt(uint64_t size) const;
  absl::StatusOr<HashList> ProveInclusion(uint64_t index, uint64_t size) const;
  absl::StatusOr<HashList> ProveConsistency(uint64_t old_size, uint64_t new_size) const;
  // From the served bundles, compared with its leaf hash. OutOfRange, DataLoss.
  absl::StatusOr<std::string> ReadEntry(uint64_t index) const;
  const std::filesystem::path& served_folder() const;

 private:
  struct Impl;
  explicit LogSequencer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_LOG_SEQUENCER_H_

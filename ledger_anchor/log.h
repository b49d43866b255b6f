// The sequencer: the one writer of a federation's log (ledger.md, section 4). Only aggregator/ may
// include ledger_anchor/log*.
//
// Folder: `journal` (entries in order), `heads` (each signed checkpoint), `lock`, and `log/`, the
// served tiles. Bytes reach the disk in the order journal, heads, served checkpoint; nothing is
// signed before the journal is synced, nothing is answered before `heads` is. A log with witnesses
// serves, and proves against, only what they cosigned: Publish.
#ifndef HILUM_LEDGER_ANCHOR_LOG_H_
#define HILUM_LEDGER_ANCHOR_LOG_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/sign.h"
#include "ledger_anchor/admit.h"
#include "ledger_anchor/checkpoint.h"
#include "ledger_anchor/merkle.h"

namespace hilum::ledger_anchor {

struct LogReceipt {
  uint64_t index = 0;
  Digest leaf_hash{};
};

// Thread-safe. Concurrent Appends share one pair of syncs (group commit).
class Log {
 public:
  struct Options {
    std::filesystem::path folder;
    std::string origin;
    bool witnessed = false;  // else each signed checkpoint is published at once (`quorum none`)
  };

  // Makes the folder and the first signed checkpoint over `genesis` (from SignEntry).
  // AlreadyExists: there is a log. DataLoss: the genesis is not admitted or names another log key.
  static absl::StatusOr<std::unique_ptr<Log>> Create(const Options& options,
                                                     crypto::SigningKey log_key,
                                                     absl::string_view genesis);

  // Recovers: cuts torn tails, compares the journal with every signed head, rebuilds tiles, signs
  // what was durable but not in a head. A log with witnesses takes entries but signs nothing until
  // a quorum has cosigned its last head anew (Publish): a restored older copy stays silent.
  // FailedPrecondition: another writer holds the lock. NotFound: no log here. DataLoss: the journal
  // is shorter than, or contradicts, a checkpoint that was signed (a restored older copy looks like
  // that): nothing is signed, exit 3.
  static absl::StatusOr<std::unique_ptr<Log>> Open(const Options& options,
                                                   crypto::SigningKey log_key);
  ~Log();

  // Admits the entries in order, all or none, and returns when they are durable under a signed
  // checkpoint; after Open of a log with witnesses, durable, and signed once these answered. An
  // entry that stands in the log already gets the index it has. DataLoss: not admitted; nothing was
  // logged. InvalidArgument: none, or more than kBatchLimit. ResourceExhausted, Unavailable: the
  // disk failed; from then on every call fails with FailedPrecondition and the process should end:
  // a sync is never retried.
  absl::StatusOr<std::vector<LogReceipt>> Append(std::span<const std::string> entries);
  absl::StatusOr<LogReceipt> Append(const std::string& entry);
  static constexpr size_t kBatchLimit = 1024;

  // The last signed checkpoint, as a note: what witnesses are asked to cosign.
  std::string CheckpointNote() const;
  Checkpoint LastCheckpoint() const;

  // Serves `note`, one of this log's signed checkpoints with cosignatures, from now on. The caller
  // has checked that a quorum stands under it, and that its lines were asked for by this process.
  // One that is smaller than the published one is left aside (OK). FailedPrecondition: the log has
  // no witnesses, or stopped. DataLoss: not this log's, or not of a state of this log. Others: the
  // disk failed, as Append.
  absl::Status Publish(absl::string_view note);
  // What is served: empty, and of size 0, while witnesses have cosigned nothing yet.
  std::string PublishedNote() const;
  Checkpoint Published() const;
  // How many entries are durable, whether a signed checkpoint covers them yet or not.
  uint64_t size() const;
  // A copy of the state after the last admitted entry: what the next one will be checked against.
  Admission State() const;
  // A .tlog-proof of the entry against the published checkpoint. OutOfRange: no such index.
  // Unavailable: no published checkpoint covers it yet.
  absl::StatusOr<std::string> Prove(uint64_t index) const;
  // From an older size to a newer one, or to the last checkpoint when `new_size` is 0.
  // InvalidArgument: old_size is 0 or larger than new_size, or new_size is larger than the log.
  absl::StatusOr<HashList> ProveConsistency(uint64_t old_size, uint64_t new_size = 0) const;
  // Of the tree of the first `size` entries. InvalidArgument: larger than the log.
  absl::StatusOr<Digest> RootAt(uint64_t size) const;
  // OutOfRange: no such index. DataLoss: the stored bundle is damaged.
  absl::StatusOr<std::string> ReadEntry(uint64_t index) const;
  // The index of the entry with this leaf hash. NotFound.
  absl::StatusOr<uint64_t> Find(const Digest& leaf_hash) const;

  std::filesystem::path served_folder() const;

 private:
  struct Impl;
  explicit Log(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_LOG_H_

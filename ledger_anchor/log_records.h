// The two append-only files of the sequencer, byte by byte. Only log*.cc include this.
//
// journal: u64be index || u32be length || entry || leaf hash (32), from index 0 without gaps.
// heads:   u32be length || signed note || SHA-256 of the note (32), sizes ascending.
//
// A crash can tear the tail only: what was appended last. Whatever comes after the first incomplete
// or bad record of the journal is cut; Log::Open then asks whether a signed head covers more. Heads
// are synced one by one, so that only the last record may be torn: an earlier bad one is DataLoss.
#ifndef HILUM_LEDGER_ANCHOR_LOG_RECORDS_H_
#define HILUM_LEDGER_ANCHOR_LOG_RECORDS_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "ledger_anchor/checkpoint.h"

namespace hilum::ledger_anchor {

Bytes EncodeJournalRecord(uint64_t index, absl::string_view entry, const Digest& leaf_hash);
Bytes EncodeHeadRecord(absl::string_view note);

struct JournalEntry {
  uint64_t index = 0;
  absl::string_view text;  // valid during the call
  Digest leaf_hash{};
};

// Calls `visit` for each good record in order and gives the length of them all: where the file must
// be cut. An error of `visit` is passed on. NotFound: no such file.
absl::StatusOr<uint64_t> ReadJournal(const std::filesystem::path& path,
                                     const std::function<absl::Status(const JournalEntry&)>& visit);

struct Heads {
  std::vector<Checkpoint> checkpoints;  // sizes ascending; signatures not verified
  std::string last_note;                // empty when there is none
  uint64_t good_bytes = 0;              // where the file must be cut
};
// NotFound: no such file. DataLoss: a bad record that is not the last.
absl::StatusOr<Heads> ReadHeads(const std::filesystem::path& path);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_LOG_RECORDS_H_

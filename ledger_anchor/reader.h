// Reads a served log and believes none of it: everything is derived again from the bundles.
#ifndef HILUM_LEDGER_ANCHOR_READER_H_
#define HILUM_LEDGER_ANCHOR_READER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ledger_anchor/admit.h"
#include "ledger_anchor/checkpoint.h"
#include "ledger_anchor/entry.h"
#include "ledger_anchor/fetch.h"
#include "ledger_anchor/merkle.h"

namespace hilum::ledger_anchor {

// A log longer than this is refused by readers that hold it in memory.
inline constexpr uint64_t kViewLimit = uint64_t{1} << 24;

struct ViewEntry {
  uint64_t index = 0;
  Digest leaf_hash{};
  std::string text;
  Entry entry;
};

struct LogView {
  std::string checkpoint_note;
  Checkpoint checkpoint;
  std::vector<ViewEntry> entries;
  TreeHashes hashes;
  Admission state{LedgerPins{}};
  bool trusted_on_first_use = false;  // no pins were given: the genesis vouches for itself
};

// The pins of a person's command line: the log's verifier key and the aggregator's entry key in
// base64; each may be empty. The origin is the log key's name. InvalidArgument: neither form.
absl::StatusOr<LedgerPins> ParsePins(absl::string_view log_vkey, absl::string_view entry_key);

enum class VerifyDepth {
  kEverything,  // also signatures, members and chain of the entries
  kHashes,      // tree, tiles and canonical encoding only
};

// Checks the checkpoint's signature, the tree from the bundles, every tile against it, and each
// entry by Admission. DataLoss: the first thing that is wrong; a bad entry is named by its index.
// NotFound, Unavailable: a file is missing, the other side is unreachable.
absl::StatusOr<LogView> VerifyLog(const Fetch& fetch, const LedgerPins& pins,
                                  VerifyDepth depth = VerifyDepth::kEverything);

// Verifies that the log behind `fetch` went on from `view` to the checkpoint `note`, in the same
// way: the bundles of the new entries, derived upon what the view holds, give the note's root, and
// the tiles agree. So the old tree is a prefix of the new one. Errors as VerifyLog; DataLoss also
// when the note is of a smaller tree, or of one that does not hold the old one. After an error
// the view is spent: verify anew.
absl::Status ExtendLog(const Fetch& fetch, absl::string_view note, const VerifierKey& log,
                       VerifyDepth depth, LogView& view);

// The root over the first `size` entries. InvalidArgument: the view has fewer.
absl::StatusOr<Digest> RootAt(const LogView& view, uint64_t size);

// A .tlog-proof of the entry against the view's checkpoint. OutOfRange: no such index.
absl::StatusOr<std::string> ProveEntry(const LogView& view, uint64_t index);

// The round-open and round-close of a round; an open round has no close. NotFound: no such round.
// InvalidArgument: `study` is empty and the log holds several.
struct RoundEntries {
  const ViewEntry* open = nullptr;
  const ViewEntry* close = nullptr;
  const ViewEntry* before = nullptr;  // the study's last round-close with a result before the round
  std::vector<const ViewEntry*> earlier;  // its round-closes before the round, aborted ones too
};
absl::StatusOr<RoundEntries> FindRound(const LogView& view, uint64_t round,
                                       absl::string_view study = "");

// Whose witnesses cosigned the log's checkpoint: of the members that named one when they joined,
// in the order of their names. Lines of others say nothing here and are left aside.
// DataLoss: a member's line fails, or comes twice.
absl::StatusOr<std::vector<std::string>> CosignersOf(const LogView& view);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_READER_H_

// Checkpoints: a log's signed statement of its size and root (C2SP tlog-checkpoint v1.0.0).
#ifndef HILUM_LEDGER_ANCHOR_CHECKPOINT_H_
#define HILUM_LEDGER_ANCHOR_CHECKPOINT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "ledger_anchor/note.h"

namespace hilum::ledger_anchor {

struct Checkpoint {
  std::string origin;
  uint64_t size = 0;
  Digest root{};
  std::vector<std::string> extensions;  // Hilum writes none and refuses them (RefuseExtensions)
};

// The text before the signatures. DataLoss: not three non-empty lines and extension lines, a size
// that is not a decimal, a root that is not the strict base64 of 32 bytes, size 0 with another root
// than H("").
absl::StatusOr<Checkpoint> ParseCheckpointText(absl::string_view text);
// The same, but takes size 0 with any root: to a witness that is no malformed text.
absl::StatusOr<Checkpoint> ParseCheckpointForm(absl::string_view text);
std::string FormatCheckpointText(const Checkpoint& checkpoint);

// The note that a log issues: the text with its type 0x01 line.
std::string SignCheckpoint(const Checkpoint& checkpoint, const crypto::SigningKey& log_key);

// A checkpoint whose log signature was verified.
struct OpenedCheckpoint {
  Checkpoint checkpoint;
  Note note;
};

// Parses the note and the text and verifies the log's line. DataLoss: any of that fails, the origin
// is not the log's name, or there are extension lines.
absl::StatusOr<OpenedCheckpoint> OpenCheckpoint(absl::string_view note, const VerifierKey& log);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_CHECKPOINT_H_

#include "ledger_anchor/checkpoint.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "crypto/base64.h"
#include "crypto/tree.h"

namespace hilum::ledger_anchor {
namespace {

absl::Status Bad(absl::string_view why) {
  return absl::DataLossError(absl::StrCat("the checkpoint ", why));
}

}  // namespace

absl::StatusOr<Checkpoint> ParseCheckpointForm(absl::string_view text) {
  HILUM_RETURN_IF_ERROR(CheckText("the checkpoint", text));
  if (text.empty() || text.back() != '\n') return Bad("does not end in a line end");
  const std::vector<absl::string_view> lines =
      absl::StrSplit(text.substr(0, text.size() - 1), '\n');
  if (lines.size() < 3) return Bad(absl::StrCat("has ", lines.size(), " lines, not 3"));
  for (const absl::string_view line : lines) {
    if (line.empty()) return Bad("has an empty line");
  }
  Checkpoint checkpoint;
  checkpoint.origin = std::string(lines[0]);
  const absl::StatusOr<uint64_t> size = ParseDecimalInteger("the tree size", lines[1]);
  if (!size.ok()) return Bad(absl::StrCat("is malformed: ", size.status().message()));
  checkpoint.size = *size;
  const std::optional<Digest> root = ParseHash(lines[2]);
  if (!root.has_value()) return Bad("has a root that is not the base64 of 32 bytes");
  checkpoint.root = *root;
  for (size_t i = 3; i < lines.size(); ++i) checkpoint.extensions.emplace_back(lines[i]);
  return checkpoint;
}

absl::StatusOr<Checkpoint> ParseCheckpointText(absl::string_view text) {
  HILUM_ASSIGN_OR_RETURN(Checkpoint checkpoint, ParseCheckpointForm(text));
  if (checkpoint.size == 0 && checkpoint.root != crypto::EmptyTreeHash()) {
    return Bad("is of size 0 with another root than that of the empty tree");
  }
  return checkpoint;
}

std::string FormatCheckpointText(const Checkpoint& checkpoint) {
  std::string text = absl::StrCat(checkpoint.origin, "\n", checkpoint.size, "\n",
                                  crypto::Base64Encode(checkpoint.root), "\n");
  for (const std::string& line : checkpoint.extensions) absl::StrAppend(&text, line, "\n");
  return text;
}

std::string SignCheckpoint(const Checkpoint& checkpoint, const crypto::SigningKey& log_key) {
  Note note{.text = FormatCheckpointText(checkpoint), .lines = {}};
  note.lines.push_back(SignNote(note.text, checkpoint.origin, log_key));
  return FormatNote(note);
}

absl::StatusOr<OpenedCheckpoint> OpenCheckpoint(absl::string_view note, const VerifierKey& log) {
  OpenedCheckpoint opened;
  HILUM_ASSIGN_OR_RETURN(opened.note, ParseNote(note));
  HILUM_ASSIGN_OR_RETURN(opened.checkpoint, ParseCheckpointText(opened.note.text));
  if (opened.checkpoint.origin != log.name) {
    return Bad(absl::StrCat("is of the log \"", opened.checkpoint.origin, "\", not of \"", log.name,
                            "\""));
  }
  if (!opened.checkpoint.extensions.empty()) return Bad("has extension lines");
  HILUM_RETURN_IF_ERROR(VerifyNote(opened.note, std::span(&log, 1)));
  return opened;
}

}  // namespace hilum::ledger_anchor

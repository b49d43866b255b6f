#include "ledger_anchor/anchor.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hilum::ledger_anchor {

absl::StatusOr<AnchoredNote> MakeAnchoredNote(absl::string_view note, const VerifierKey& log) {
  HILUM_ASSIGN_OR_RETURN(const OpenedCheckpoint opened, OpenCheckpoint(note, log));
  AnchoredNote anchored{.checkpoint = opened.checkpoint,
                        .note = absl::StrCat(opened.note.text, "\n")};
  // OpenCheckpoint found exactly one such line.
  for (const SignatureLine& line : opened.note.lines) {
    if (line.name == log.name && line.key_id == log.id) {
      absl::StrAppend(&anchored.note, FormatSignatureLine(line));
    }
  }
  return anchored;
}

}  // namespace hilum::ledger_anchor

// The file that carries one entry with its proof (C2SP tlog-proof; ledger.md 2.7).
#ifndef HILUM_LEDGER_ANCHOR_PROOF_H_
#define HILUM_LEDGER_ANCHOR_PROOF_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ledger_anchor/merkle.h"

namespace hilum::ledger_anchor {

inline constexpr size_t kProofLimitBytes = 512 << 10;
inline constexpr size_t kProofHashLimit = 63;

struct TlogProof {
  std::string extra;  // the canonical entry; empty: no such line
  uint64_t index = 0;
  HashList hashes;         // leaf's sibling first
  std::string checkpoint;  // the note as issued, with all its signatures
};

// The text layer alone: proves nothing. DataLoss: over the limits or another form.
absl::StatusOr<TlogProof> ParseTlogProof(absl::string_view text);
std::string FormatTlogProof(const TlogProof& proof);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_PROOF_H_

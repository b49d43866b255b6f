// Cosignatures of witnesses, type 0x04 (C2SP tlog-cosignature v1.0.1; ledger.md 2.5).
#ifndef HILUM_LEDGER_ANCHOR_COSIGN_H_
#define HILUM_LEDGER_ANCHOR_COSIGN_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ledger_anchor/note.h"

namespace hilum::ledger_anchor {

struct CosignOptions {
  absl::string_view checkpoint_text;  // with its final LF, extension lines included
  absl::string_view name;             // of the witness
  uint64_t time_s = 0;                // 1 to 2^63-1
};
// InvalidArgument: the time is 0 or above 2^63-1.
absl::StatusOr<SignatureLine> Cosign(const CosignOptions& options, const crypto::SigningKey& key);

// The time that `line` carries. DataLoss: not 72 bytes, time out of range, or the signature fails.
absl::StatusOr<uint64_t> VerifyCosignature(absl::string_view checkpoint_text,
                                           const SignatureLine& line, const VerifierKey& witness);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_COSIGN_H_

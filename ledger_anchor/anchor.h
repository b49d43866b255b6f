// External anchors: somebody outside the federation says when a checkpoint existed. Engines stand
// behind one interface (docs/ledger.md, section 7); the first is RFC 3161.
#ifndef HILUM_LEDGER_ANCHOR_ANCHOR_H_
#define HILUM_LEDGER_ANCHOR_ANCHOR_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "ledger_anchor/checkpoint.h"

namespace hilum::ledger_anchor {

// A checkpoint in the form that is anchored: its text, an empty line and the log's own type 0x01
// line. Itself a valid note; cosignatures stay out, as they vary.
struct AnchoredNote {
  Checkpoint checkpoint;
  std::string note;
};

// DataLoss: as OpenCheckpoint.
absl::StatusOr<AnchoredNote> MakeAnchoredNote(absl::string_view note, const VerifierKey& log);

// What an engine gave, in its own form: of rfc3161 the DER of a TimeStampResp.
struct AnchorReceipt {
  Bytes bytes;
};

// What a receipt that verified says.
struct Vouched {
  int64_t time_s = 0;     // since 1970: the note existed then
  std::string authority;  // who says so, for people
  std::string serial;     // the authority's number of the receipt, hexadecimal
};

// Payload of an error of Submit: the start of the reply that was refused, if there was one.
inline constexpr absl::string_view kAnchorReplyPayload = "hilum/anchor-reply";

class Anchor {
 public:
  virtual ~Anchor() = default;
  // The folder of its receipts: "rfc3161".
  virtual absl::string_view engine() const = 0;
  // May block for minutes. Only a receipt that verifies comes back. Unavailable: no reply.
  // DataLoss: a reply that proves nothing.
  virtual absl::StatusOr<AnchorReceipt> Submit(const AnchoredNote& note) = 0;
  // Offline where the engine allows it. DataLoss: the receipt does not vouch for the note.
  virtual absl::StatusOr<Vouched> Verify(const AnchoredNote& note,
                                         const AnchorReceipt& receipt) const = 0;
  // Ends a Submit that is under way, and all later ones, soon. From any thread.
  virtual void Cancel() = 0;
};

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_ANCHOR_H_

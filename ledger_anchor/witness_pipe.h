// A witness in a process of its own, at the other end of two pipes: what a site's agent talks to.
// In frames of base/frame.h, integers big endian:
//   request  u8 kind (0 add-checkpoint, 1 get-checkpoint) | body
//   reply    u16 status | u8 n | n bytes of content type | body
#ifndef HILUM_LEDGER_ANCHOR_WITNESS_PIPE_H_
#define HILUM_LEDGER_ANCHOR_WITNESS_PIPE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/frame.h"
#include "ledger_anchor/witness.h"

namespace hilum::ledger_anchor {

enum class WitnessCall : uint8_t { kAddCheckpoint = 0, kGetCheckpoint = 1 };

// Answers until the other side closes (OK). InvalidArgument: a frame beyond
// kAddCheckpointLimitBytes or of another kind. Unavailable: a read or write failed.
absl::Status ServeWitnessPipe(const Witness& witness, const Clock& clock, const PipeEnds& ends);

// One call. The body is that of add-checkpoint, or the origin's hash in hex. After an error the
// pipes must not be used again. Unavailable: the other side closed. DeadlineExceeded. DataLoss: an
// answer beyond 64 KiB or of another form.
absl::StatusOr<WitnessReply> CallWitnessPipe(const PipeEnds& ends, WitnessCall call,
                                             absl::string_view body, absl::Duration limit);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_WITNESS_PIPE_H_

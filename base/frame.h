// Messages through pipes or sockets between two processes of ours: a length (u32, big endian), then
// the bytes.
#ifndef HILUM_BASE_FRAME_H_
#define HILUM_BASE_FRAME_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace hilum {

// Both ends of one side. Whoever made them closes them.
struct PipeEnds {
  int read_fd = -1;
  int write_fd = -1;
};
// Standard input and output.
PipeEnds StandardPipe();

// Cancelled: the other side closed between two messages. InvalidArgument: a message longer than
// `limit` bytes. Unavailable: closed within a message, or the system's error. DeadlineExceeded.
absl::StatusOr<std::string> ReadFrame(const PipeEnds& ends, size_t limit, absl::Time end);
// Unavailable: nobody reads, or the system's error. DeadlineExceeded.
absl::Status WriteFrame(const PipeEnds& ends, absl::string_view frame, absl::Time end);

// Waits until there is something to read, or the other side has closed, or `end`; false: `end`.
bool WaitForFrame(const PipeEnds& ends, absl::Time end);

// Whether the other side is there and has said nothing that is not read yet. Never waits.
bool IsQuiet(const PipeEnds& ends);

}  // namespace hilum

#endif  // HILUM_BASE_FRAME_H_

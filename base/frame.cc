#include "base/frame.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hilum {
namespace {

absl::Status Broken(absl::string_view what) {
  return absl::UnavailableError(absl::StrCat("the pipe to the other process: ", what));
}

// Waits for `events` on the descriptor.
absl::Status WaitFor(int fd, int16_t events, absl::Time end) {
  for (;;) {
    const absl::Duration left = end - absl::Now();
    if (left <= absl::ZeroDuration()) {
      return absl::DeadlineExceededError("no message came or went in time");
    }
    pollfd one{fd, events, 0};
    const bool forever = end == absl::InfiniteFuture();
    const int n =
        poll(&one, 1, forever ? -1 : static_cast<int>(absl::ToInt64Milliseconds(left)) + 1);
    if (n > 0) return absl::OkStatus();
    if (n < 0 && errno != EINTR) return Broken(std::strerror(errno));
  }
}

// Fills `to`. Cancelled: the other side closed before the first byte.
absl::Status ReadAll(int fd, char* to, size_t n, absl::Time end) {
  for (size_t done = 0; done < n;) {
    HILUM_RETURN_IF_ERROR(WaitFor(fd, POLLIN, end));
    const ssize_t got = read(fd, to + done, n - done);
    if (got > 0) done += static_cast<size_t>(got);
    if (got == 0 && done == 0) return absl::CancelledError("closed");
    if (got == 0) return Broken("closed within a message");
    if (got < 0 && errno != EINTR && errno != EAGAIN) return Broken(std::strerror(errno));
  }
  return absl::OkStatus();
}

// A socket whose other side is gone raises no signal. A pipe that is ready takes PIPE_BUF bytes
// without waiting for its reader.
ssize_t WriteSome(int fd, absl::string_view bytes) {
  const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent >= 0 || errno != ENOTSOCK) return sent;
  return write(fd, bytes.data(), std::min<size_t>(bytes.size(), PIPE_BUF));
}

absl::Status WriteAll(int fd, absl::string_view bytes, absl::Time end) {
  while (!bytes.empty()) {
    HILUM_RETURN_IF_ERROR(WaitFor(fd, POLLOUT, end));
    const ssize_t put = WriteSome(fd, bytes);
    if (put > 0) bytes.remove_prefix(static_cast<size_t>(put));
    if (put < 0 && errno != EINTR && errno != EAGAIN) return Broken(std::strerror(errno));
  }
  return absl::OkStatus();
}

}  // namespace

PipeEnds StandardPipe() { return {STDIN_FILENO, STDOUT_FILENO}; }

absl::StatusOr<std::string> ReadFrame(const PipeEnds& ends, size_t limit, absl::Time end) {
  unsigned char head[4];
  HILUM_RETURN_IF_ERROR(ReadAll(ends.read_fd, reinterpret_cast<char*>(head), sizeof(head), end));
  const size_t n = size_t{head[0]} << 24 | size_t{head[1]} << 16 | size_t{head[2]} << 8 | head[3];
  if (n > limit) {
    return absl::InvalidArgumentError(
        absl::StrCat("a message of ", n, " bytes through a pipe, the limit is ", limit));
  }
  std::string frame(n, '\0');
  if (n > 0) HILUM_RETURN_IF_ERROR(ReadAll(ends.read_fd, frame.data(), n, end));
  return frame;
}

absl::Status WriteFrame(const PipeEnds& ends, absl::string_view frame, absl::Time end) {
  const auto n = static_cast<uint32_t>(frame.size());
  const char head[4] = {static_cast<char>(n >> 24), static_cast<char>(n >> 16),
                        static_cast<char>(n >> 8), static_cast<char>(n)};
  return WriteAll(ends.write_fd, absl::StrCat(absl::string_view(head, sizeof(head)), frame), end);
}

bool WaitForFrame(const PipeEnds& ends, absl::Time end) {
  return WaitFor(ends.read_fd, POLLIN, end).ok();
}

bool IsQuiet(const PipeEnds& ends) {
  pollfd one{ends.read_fd, POLLIN, 0};
  return poll(&one, 1, 0) == 0;
}

}  // namespace hilum

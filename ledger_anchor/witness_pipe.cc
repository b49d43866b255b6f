#include "ledger_anchor/witness_pipe.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hilum::ledger_anchor {
namespace {

constexpr size_t kReplyLimitBytes = 64 << 10;
constexpr size_t kReplyHead = 3;

absl::Status Broken(absl::string_view what) {
  return absl::UnavailableError(absl::StrCat("the witness's pipe: ", what));
}

// Waits for `events` on the descriptor.
absl::Status WaitFor(int fd, int16_t events, absl::Time end) {
  for (;;) {
    const absl::Duration left = end - absl::Now();
    if (left <= absl::ZeroDuration()) {
      return absl::DeadlineExceededError("the witness's process does not answer");
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

absl::Status WriteAll(int fd, absl::string_view bytes, absl::Time end) {
  while (!bytes.empty()) {
    HILUM_RETURN_IF_ERROR(WaitFor(fd, POLLOUT, end));
    // A pipe that is ready takes PIPE_BUF bytes without waiting for its reader.
    const ssize_t put = write(fd, bytes.data(), std::min<size_t>(bytes.size(), 4096));
    if (put > 0) bytes.remove_prefix(static_cast<size_t>(put));
    if (put < 0 && errno != EINTR && errno != EAGAIN) return Broken(std::strerror(errno));
  }
  return absl::OkStatus();
}

// A frame's bytes after its length.
absl::StatusOr<std::string> ReadFrame(int fd, size_t limit, absl::Time end) {
  unsigned char head[4];
  HILUM_RETURN_IF_ERROR(ReadAll(fd, reinterpret_cast<char*>(head), sizeof(head), end));
  const size_t n = size_t{head[0]} << 24 | size_t{head[1]} << 16 | size_t{head[2]} << 8 | head[3];
  if (n > limit) {
    return absl::InvalidArgumentError(
        absl::StrCat("a message of ", n, " bytes to or from the witness, the limit is ", limit));
  }
  std::string frame(n, '\0');
  if (n > 0) HILUM_RETURN_IF_ERROR(ReadAll(fd, frame.data(), n, end));
  return frame;
}

absl::Status WriteFrame(int fd, absl::string_view frame, absl::Time end) {
  const auto n = static_cast<uint32_t>(frame.size());
  const char head[4] = {static_cast<char>(n >> 24), static_cast<char>(n >> 16),
                        static_cast<char>(n >> 8), static_cast<char>(n)};
  return WriteAll(fd, absl::StrCat(absl::string_view(head, sizeof(head)), frame), end);
}

std::string EncodeReply(const WitnessReply& reply) {
  std::string frame = {static_cast<char>(reply.status >> 8), static_cast<char>(reply.status),
                       static_cast<char>(reply.content_type.size())};
  absl::StrAppend(&frame, reply.content_type, reply.body);
  return frame;
}

}  // namespace

absl::Status ServeWitnessPipe(const Witness& witness, const Clock& clock, const PipeEnds& ends) {
  for (;;) {
    absl::StatusOr<std::string> frame =
        ReadFrame(ends.read_fd, kAddCheckpointLimitBytes + 1, absl::InfiniteFuture());
    if (absl::IsCancelled(frame.status())) return absl::OkStatus();
    HILUM_RETURN_IF_ERROR(frame.status());
    const absl::string_view body = absl::string_view(*frame).substr(frame->empty() ? 0 : 1);
    const int kind = frame->empty() ? -1 : static_cast<unsigned char>((*frame)[0]);
    WitnessReply reply;
    if (kind == static_cast<int>(WitnessCall::kAddCheckpoint)) {
      reply = HandleAddCheckpoint(witness, body, static_cast<uint64_t>(clock.NowSeconds()));
    } else if (kind == static_cast<int>(WitnessCall::kGetCheckpoint)) {
      reply = HandleGetCheckpoint(witness, body);
    } else {
      return absl::InvalidArgumentError(absl::StrCat("a witness has no call of kind ", kind));
    }
    HILUM_RETURN_IF_ERROR(WriteFrame(ends.write_fd, EncodeReply(reply), absl::InfiniteFuture()));
  }
}

absl::StatusOr<WitnessReply> CallWitnessPipe(const PipeEnds& ends, WitnessCall call,
                                             absl::string_view body, absl::Duration limit) {
  const absl::Time end = absl::Now() + limit;
  const char kind = static_cast<char>(call);
  HILUM_RETURN_IF_ERROR(
      WriteFrame(ends.write_fd, absl::StrCat(absl::string_view(&kind, 1), body), end));
  absl::StatusOr<std::string> frame = ReadFrame(ends.read_fd, kReplyLimitBytes, end);
  if (absl::IsCancelled(frame.status())) return Broken("the witness's process ended");
  if (absl::IsInvalidArgument(frame.status())) {
    return absl::DataLossError(frame.status().message());
  }
  HILUM_RETURN_IF_ERROR(frame.status());
  const auto byte = [&](size_t i) { return static_cast<unsigned char>((*frame)[i]); };
  if (frame->size() < kReplyHead || frame->size() < kReplyHead + byte(2)) {
    return absl::DataLossError("the witness's process sent an answer of another form");
  }
  return WitnessReply{.status = byte(0) << 8 | byte(1),
                      .content_type = frame->substr(kReplyHead, byte(2)),
                      .body = frame->substr(kReplyHead + byte(2))};
}

}  // namespace hilum::ledger_anchor

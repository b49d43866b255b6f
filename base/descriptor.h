// Open files as values: opened by one process, passed to another, read there.
#ifndef HILUM_BASE_DESCRIPTOR_H_
#define HILUM_BASE_DESCRIPTOR_H_

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/frame.h"

namespace hilum {

// An open file that is closed at the end of its scope.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor();
  int fd() const { return fd_; }

 private:
  int fd_ = -1;
};

// Opens a regular file for reading; never waits, also not on a named pipe. NotFound: no such file.
// InvalidArgument: not a regular file. Unavailable: the system call failed.
absl::StatusOr<Descriptor> OpenForReading(const fs::path& path);

// Reads a whole open file, from its beginning. ResourceExhausted: longer than `limit_bytes`.
// OutOfRange: it became shorter while it was read. Unavailable: the system call failed. No message
// names the file.
absl::StatusOr<Bytes> ReadDescriptor(const Descriptor& file, uint64_t limit_bytes);

// Writes all of `bytes` at the file's position. ResourceExhausted: the disk is full, or a limit of
// written files. Unavailable: the system call failed.
absl::Status WriteDescriptor(const Descriptor& file, ByteView bytes);

// Passes an open file through a socket, as one byte with the descriptor beside it (unix(7),
// SCM_RIGHTS). Never waits. Unavailable: nobody reads, or the system's error.
absl::Status SendDescriptor(const PipeEnds& ends, const Descriptor& file);

// Takes what SendDescriptor sent. Waits for it. Cancelled: the other side closed. InvalidArgument:
// the message brought no descriptor. Unavailable: the system's error.
absl::StatusOr<Descriptor> ReceiveDescriptor(const PipeEnds& ends);

}  // namespace hilum

#endif  // HILUM_BASE_DESCRIPTOR_H_

#include "base/descriptor.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/system_error.h"

namespace hilum {
namespace {

absl::Status Failed(absl::string_view action) {
  return SystemUnavailable(absl::StrCat("cannot ", action, ": ", std::strerror(errno)));
}

// One byte with room for a descriptor beside it.
struct Message {
  char byte = 'd';
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr head{};
  Message() {
    head.msg_iov = &data;
    head.msg_iovlen = 1;
    head.msg_control = control;
    head.msg_controllen = sizeof(control);
  }
  Message(const Message&) = delete;  // it points into itself
};

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<Descriptor> OpenForReading(const fs::path& path) {
  Descriptor file(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (file.fd() < 0 && errno == ENOENT) return absl::NotFoundError("there is no such file");
  if (file.fd() < 0) return Failed("open a file");
  struct stat info {};
  if (fstat(file.fd(), &info) != 0) return Failed("look at a file");
  if (!S_ISREG(info.st_mode)) return absl::InvalidArgumentError("the file is not a regular one");
  return file;
}

absl::StatusOr<Bytes> ReadDescriptor(const Descriptor& file, uint64_t limit_bytes) {
  const off_t size = lseek(file.fd(), 0, SEEK_END);
  if (size < 0) return Failed("tell the length of a file");
  if (static_cast<uint64_t>(size) > limit_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the file has ", size, " bytes, the limit is ", limit_bytes));
  }
  Bytes bytes(static_cast<size_t>(size));
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n =
        pread(file.fd(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failed("read a file");
    if (n == 0) {
      return absl::OutOfRangeError(
          absl::StrCat("the file ends at byte ", done, " of ", bytes.size()));
    }
    done += static_cast<size_t>(n);
  }
  return bytes;
}

absl::Status WriteDescriptor(const Descriptor& file, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(file.fd(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)) {
      return absl::ResourceExhaustedError("there is no more room for the file");
    }
    if (n < 0) return Failed("write a file");
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

absl::Status SendDescriptor(const PipeEnds& ends, const Descriptor& file) {
  Message message;
  cmsghdr* const head = CMSG_FIRSTHDR(&message.head);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof(int));
  const int fd = file.fd();
  std::memcpy(CMSG_DATA(head), &fd, sizeof(fd));
  ssize_t n = 0;
  do {
    n = sendmsg(ends.write_fd, &message.head, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  return n == 1 ? absl::OkStatus() : Failed("pass a file to the other process");
}

absl::StatusOr<Descriptor> ReceiveDescriptor(const PipeEnds& ends) {
  Message message;
  ssize_t n = 0;
  do {
    n = recvmsg(ends.read_fd, &message.head, MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return Failed("take a file from the other process");
  if (n == 0) return absl::CancelledError("closed");
  const cmsghdr* const head = CMSG_FIRSTHDR(&message.head);
  if (head == nullptr || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS ||
      head->cmsg_len != CMSG_LEN(sizeof(int))) {
    return absl::InvalidArgumentError("a message through a socket brought no open file");
  }
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(head), sizeof(fd));
  return Descriptor(fd);
}

}  // namespace hilum

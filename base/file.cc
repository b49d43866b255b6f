#include "base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/process.h"
#include "base/status_macros.h"
#include "base/system_error.h"

namespace hilum {
namespace {

absl::Status SystemError(absl::string_view action, const fs::path& path) {
  const int error = errno;
  const std::string text =
      absl::StrCat("cannot ", action, " ", path.string(), ": ", std::strerror(error));
  if (error == ENOENT) return absl::NotFoundError(text);
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
    return absl::ResourceExhaustedError(text);
  }
  return SystemUnavailable(text);
}

// A descriptor that is closed at the end of its scope.
struct Descriptor {
  int value;
  explicit Descriptor(int v) : value(v) {}
  Descriptor(const Descriptor&) = delete;
  ~Descriptor() {
    if (value >= 0) close(value);
  }
};

absl::Status WriteAll(int descriptor, ByteView bytes, const fs::path& path) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = write(descriptor, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SystemError("write", path);
    done += static_cast<size_t>(n);
  }
  return absl::OkStatus();
}

absl::Status ReadAll(int descriptor, uint64_t offset, std::span<uint8_t> bytes,
                     const fs::path& path) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = pread(descriptor, bytes.data() + done, bytes.size() - done,
                            static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SystemError("read", path);
    if (n == 0) {
      return absl::OutOfRangeError(absl::StrCat(path.string(), " ends at byte ", offset + done,
                                                ", ", offset + bytes.size(), " are needed"));
    }
    done += static_cast<size_t>(n);
  }
  return absl::OkStatus();
}

// Without O_NONBLOCK a named pipe in the place of a file would hang the program for ever.
int OpenToRead(const fs::path& path) {
  return open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

absl::StatusOr<uint64_t> SizeOfRegular(const Descriptor& file, const fs::path& path) {
  if (file.value < 0) return SystemError("open", path);
  struct stat info {};
  if (fstat(file.value, &info) != 0) return SystemError("stat", path);
  if (S_ISREG(info.st_mode)) return static_cast<uint64_t>(info.st_size);
  return absl::InvalidArgumentError(absl::StrCat(path.string(), " is not a regular file"));
}

}  // namespace

absl::StatusOr<Bytes> ReadFileHead(const fs::path& path, uint64_t n_bytes) {
  const Descriptor file(OpenToRead(path));
  HILUM_ASSIGN_OR_RETURN(const uint64_t size_bytes, SizeOfRegular(file, path));
  Bytes bytes(std::min(size_bytes, n_bytes));
  HILUM_RETURN_IF_ERROR(ReadAll(file.value, 0, bytes, path));
  return bytes;
}

absl::StatusOr<int64_t> LastChangeNs(const fs::path& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return SystemError("stat", path);
  return int64_t{info.st_ctim.tv_sec} * 1'000'000'000 + info.st_ctim.tv_nsec;
}

absl::StatusOr<Bytes> ReadFile(const fs::path& path, uint64_t limit_bytes) {
  const Descriptor file(OpenToRead(path));
  HILUM_ASSIGN_OR_RETURN(const uint64_t size_bytes, SizeOfRegular(file, path));
  if (size_bytes > limit_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(path.string(), " has ", size_bytes, " bytes, the limit is ", limit_bytes));
  }
  Bytes bytes(size_bytes);
  HILUM_RETURN_IF_ERROR(ReadAll(file.value, 0, bytes, path));
  return bytes;
}

absl::StatusOr<std::string> ReadTextFile(const fs::path& path, uint64_t limit_bytes) {
  HILUM_ASSIGN_OR_RETURN(const Bytes bytes, ReadFile(path, limit_bytes));
  return std::string(AsText(bytes));
}

absl::Status ReadFileAt(const fs::path& path, uint64_t offset, std::span<uint8_t> bytes) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.value < 0) return SystemError("open", path);
  return ReadAll(file.value, offset, bytes, path);
}

absl::Status SyncFolder(const fs::path& path) {
  const Descriptor folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.value < 0) return SystemError("open", path);
  if (fsync(folder.value) != 0) return SystemError("sync", path);
  return absl::OkStatus();
}

absl::Status WriteFileDurably(const fs::path& path, ByteView bytes, FileMode mode) {
  CrashPoint("file write begins");
  fs::path temporary = path;
  temporary += absl::StrCat(".tmp", getpid());
  {
    const Descriptor file(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                               static_cast<mode_t>(mode)));
    if (file.value < 0) return SystemError("create", temporary);
    absl::Status status = WriteAll(file.value, bytes, temporary);
    if (status.ok() && fsync(file.value) != 0) status = SystemError("sync", temporary);
    if (!status.ok()) {
      unlink(temporary.c_str());
      return status;
    }
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    const absl::Status status = SystemError("rename", temporary);
    unlink(temporary.c_str());
    return status;
  }
  const fs::path folder = path.parent_path();
  const absl::Status synced = SyncFolder(folder.empty() ? fs::path(".") : folder);
  CrashPoint("file write ends");
  return synced;
}

absl::Status MakeFolder(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return absl::OkStatus();
  if (path.has_parent_path() && path.parent_path() != path) {
    HILUM_RETURN_IF_ERROR(MakeFolder(path.parent_path()));
  }
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return SystemError("create folder", path);
  }
  return absl::OkStatus();
}

AppendFile::AppendFile(fs::path path, int descriptor, uint64_t size_bytes)
    : path_(std::move(path)), descriptor_(descriptor), size_bytes_(size_bytes) {}

AppendFile::AppendFile(AppendFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_bytes_(other.size_bytes_) {}

AppendFile& AppendFile::operator=(AppendFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(size_bytes_, other.size_bytes_);
  return *this;
}

AppendFile::~AppendFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

absl::StatusOr<AppendFile> AppendFile::Open(const fs::path& path,
                                            std::optional<uint64_t> truncate_to, FileMode mode) {
  const int descriptor =
      open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, static_cast<mode_t>(mode));
  if (descriptor < 0) return SystemError("open", path);
  AppendFile file(path, descriptor, 0);
  if (truncate_to && ftruncate(descriptor, static_cast<off_t>(*truncate_to)) != 0) {
    return SystemError("truncate", path);
  }
  struct stat info {};
  if (fstat(descriptor, &info) != 0) return SystemError("stat", path);
  file.size_bytes_ = static_cast<uint64_t>(info.st_size);
  return file;
}

absl::Status AppendFile::Append(ByteView bytes) {
  CrashPoint("append begins");
  HILUM_RETURN_IF_ERROR(WriteAll(descriptor_, bytes, path_));
  size_bytes_ += bytes.size();
  return absl::OkStatus();
}

absl::Status AppendFile::Sync() {
  if (fdatasync(descriptor_) != 0) return SystemError("sync", path_);
  CrashPoint("append synced");
  return absl::OkStatus();
}

absl::StatusOr<FileLock> FileLock::Acquire(const fs::path& path) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) return SystemError("open", path);
  FileLock lock(descriptor);
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        path.string(), " is locked: another process uses this folder; stop that one first"));
  }
  return lock;
}

FileLock::FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

}  // namespace hilum

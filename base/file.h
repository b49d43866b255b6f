// Files that survive a power cut, and bounded reads.
#ifndef HILUM_BASE_FILE_H_
#define HILUM_BASE_FILE_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"

namespace hilum {

namespace fs = std::filesystem;

// Reads a whole file. NotFound: no such file. ResourceExhausted: longer than `limit_bytes`.
// Unavailable: the system call failed; the sentence holds its reason.
absl::StatusOr<Bytes> ReadFile(const fs::path& path, uint64_t limit_bytes);
// The first `n_bytes` bytes, or all of a shorter file. Errors as ReadFile, without a limit.
absl::StatusOr<Bytes> ReadFileHead(const fs::path& path, uint64_t n_bytes);
// When the file's bytes or its inode last changed, in nanoseconds since the epoch. A program can
// set a file's time of modification back; not this one.
absl::StatusOr<int64_t> LastChangeNs(const fs::path& path);
absl::StatusOr<std::string> ReadTextFile(const fs::path& path, uint64_t limit_bytes);

// Reads `bytes.size()` bytes from `offset`. OutOfRange: the file ends before.
absl::Status ReadFileAt(const fs::path& path, uint64_t offset, std::span<uint8_t> bytes);

enum class FileMode { kPrivate = 0600, kPublic = 0644 };

// Writes a temporary file beside `path`, syncs it, renames it over `path`, syncs the folder.
// After OK the bytes survive a power cut; before, `path` is as it was.
// ResourceExhausted: the disk is full. Unavailable: another system error.
absl::Status WriteFileDurably(const fs::path& path, ByteView bytes,
                              FileMode mode = FileMode::kPublic);

// Creates the folder and its parents (mode 0700 where created). Unavailable: could not.
absl::Status MakeFolder(const fs::path& path);

// A file that grows at its end. Not thread-safe.
class AppendFile {
 public:
  // Opens or creates; `truncate_to` cuts the file to that length first.
  static absl::StatusOr<AppendFile> Open(const fs::path& path,
                                         std::optional<uint64_t> truncate_to = std::nullopt,
                                         FileMode mode = FileMode::kPublic);
  AppendFile(AppendFile&& other) noexcept;
  AppendFile& operator=(AppendFile&& other) noexcept;
  ~AppendFile();

  // ResourceExhausted: disk full. After a failure the file's tail is undefined.
  absl::Status Append(ByteView bytes);
  // fdatasync. Never retry a failed sync: the pages may be gone.
  absl::Status Sync();
  uint64_t size_bytes() const { return size_bytes_; }

 private:
  AppendFile(fs::path path, int descriptor, uint64_t size_bytes);
  fs::path path_;
  int descriptor_ = -1;
  uint64_t size_bytes_ = 0;
};

// Syncs a folder, so that names created or renamed in it survive a power cut.
absl::Status SyncFolder(const fs::path& path);

// An exclusive lock on `path` for the life of the object (flock).
class FileLock {
 public:
  // FailedPrecondition: another process holds it.
  static absl::StatusOr<FileLock> Acquire(const fs::path& path);
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

}  // namespace hilum

#endif  // HILUM_BASE_FILE_H_

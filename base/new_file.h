// A file that gets its name only when it is complete and on the disk.
#ifndef HILUM_BASE_NEW_FILE_H_
#define HILUM_BASE_NEW_FILE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/descriptor.h"
#include "base/file.h"

namespace hilum {

// Not thread-safe. Mode 0600. Unless committed, it is deleted at the end of its scope; after a
// power cut it may stay in its folder, which RemoveUnfinished empties.
class NewFile {
 public:
  // `folder` must be on the file system that the file will stay on.
  // ResourceExhausted: the disk is full. Unavailable: another system error.
  static absl::StatusOr<NewFile> Create(const fs::path& folder);
  NewFile(NewFile&& other) noexcept;
  NewFile& operator=(NewFile&& other) noexcept;
  ~NewFile();

  // Open for reading and writing; another process may fill the file through it.
  const Descriptor& descriptor() const { return file_; }
  absl::StatusOr<uint64_t> size_bytes() const;
  // ResourceExhausted: the disk is full. Unavailable: another system error.
  absl::Status Append(ByteView bytes);
  // Syncs the file, renames it to `path`, syncs the folder of `path`. After OK it survives a power
  // cut under that name. Once only.
  absl::Status Commit(const fs::path& path);

 private:
  NewFile(fs::path path, Descriptor file) : path_(std::move(path)), file_(std::move(file)) {}
  fs::path path_;  // empty: committed or moved from
  Descriptor file_;
};

// Deletes what NewFile left in the folder when its program was killed. Nobody may be writing there.
void RemoveUnfinished(const fs::path& folder);

}  // namespace hilum

#endif  // HILUM_BASE_NEW_FILE_H_

#include "base/new_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "base/system_error.h"

namespace hilum {
namespace {

constexpr absl::string_view kPrefix = ".unfinished-";

absl::Status Failed(absl::string_view action, const fs::path& path) {
  const std::string sentence =
      absl::StrCat("cannot ", action, " ", path.string(), ": ", std::strerror(errno));
  if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) {
    return absl::ResourceExhaustedError(sentence);
  }
  return SystemUnavailable(sentence);
}

}  // namespace

absl::StatusOr<NewFile> NewFile::Create(const fs::path& folder) {
  std::string path = (folder / absl::StrCat(kPrefix, "XXXXXX")).string();
  Descriptor file(mkostemp(path.data(), O_CLOEXEC));
  if (file.fd() < 0) return Failed("create a file in", folder);
  return NewFile(path, std::move(file));
}

NewFile::NewFile(NewFile&& other) noexcept
    : path_(std::exchange(other.path_, fs::path())), file_(std::move(other.file_)) {}

NewFile& NewFile::operator=(NewFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(file_, other.file_);
  return *this;
}

NewFile::~NewFile() {
  if (!path_.empty()) unlink(path_.c_str());
}

absl::StatusOr<uint64_t> NewFile::size_bytes() const {
  struct stat info {};
  if (fstat(file_.fd(), &info) != 0) return Failed("stat", path_);
  return static_cast<uint64_t>(info.st_size);
}

absl::Status NewFile::Append(ByteView bytes) { return WriteDescriptor(file_, bytes); }

absl::Status NewFile::Commit(const fs::path& path) {
  HILUM_CHECK(!path_.empty());
  if (fsync(file_.fd()) != 0) return Failed("sync", path_);
  if (rename(path_.c_str(), path.c_str()) != 0) return Failed("rename", path_);
  path_.clear();
  return SyncFolder(path.parent_path());
}

void RemoveUnfinished(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> left;
  for (auto item = fs::directory_iterator(folder, error);
       !error && item != fs::directory_iterator(); item.increment(error)) {
    if (absl::StartsWith(item->path().filename().string(), kPrefix)) left.push_back(item->path());
  }
  for (const fs::path& path : left) fs::remove(path, error);
}

}  // namespace hilum

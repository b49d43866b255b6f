#include "cli/dicom_files.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "cli/output.h"

namespace hilum::cli {

absl::StatusOr<std::vector<std::string>> FilesOf(const std::vector<std::string>& named) {
  namespace fs = std::filesystem;
  std::vector<std::string> files;
  for (const std::string& name : named) {
    std::error_code error;
    if (!fs::is_directory(name, error)) {
      files.push_back(name);
      continue;
    }
    const size_t first = files.size();
    fs::recursive_directory_iterator it(name, error);
    for (const fs::recursive_directory_iterator end; !error && it != end; it.increment(error)) {
      std::error_code ignored;
      if (it->is_regular_file(ignored)) files.push_back(it->path().string());
    }
    if (error) {
      return absl::NotFoundError(
          absl::StrCat("the folder ", Printable(name), " cannot be read: ", error.message()));
    }
    if (files.size() == first) {
      return absl::NotFoundError(absl::StrCat("the folder ", Printable(name), " holds no file"));
    }
    std::sort(files.begin() + static_cast<int64_t>(first), files.end());
  }
  return files;
}

}  // namespace hilum::cli

// The files that a command line names.
#ifndef HILUM_CLI_DICOM_FILES_H_
#define HILUM_CLI_DICOM_FILES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace hilum::cli {

// A folder stands for all files in it and below, by path. NotFound: a folder that cannot be read or
// holds no file.
absl::StatusOr<std::vector<std::string>> FilesOf(const std::vector<std::string>& named);

}  // namespace hilum::cli

#endif  // HILUM_CLI_DICOM_FILES_H_

#include "dicom/file_bytes.h"

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "dicom/refusal.h"

namespace hilum::dicom {

absl::Status RefusalOfFile(const absl::Status& status, const GateLimits& limits) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return absl::OkStatus();
    case absl::StatusCode::kResourceExhausted:
      return Refuse(Refusal::kFileSize, absl::StrCat("the file is longer than the limit of ",
                                                     limits.file_bytes, " bytes"));
    case absl::StatusCode::kNotFound:
      return Refuse(Refusal::kFile, "there is no such file");
    default:
      return Refuse(Refusal::kFile, "the file cannot be read");
  }
}

absl::StatusOr<Bytes> ReadFileBytes(const std::filesystem::path& path, const GateLimits& limits) {
  absl::StatusOr<Bytes> bytes = ReadFileHead(path, kFileHeadBytes);
  if (bytes.ok()) {
    HILUM_RETURN_IF_ERROR(CheckPreamble(*bytes));
    bytes = ReadFile(path, limits.file_bytes);
  }
  if (bytes.ok()) return bytes;
  return RefusalOfFile(bytes.status(), limits);
}

}  // namespace hilum::dicom

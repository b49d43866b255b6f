// The bytes of a file, or a refusal that does not repeat its path.
#ifndef HILUM_DICOM_FILE_BYTES_H_
#define HILUM_DICOM_FILE_BYTES_H_

#include <filesystem>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "dicom/gate.h"

namespace hilum::dicom {

// FILE_SIZE: longer than limits.file_bytes. FILE: cannot be read. Paths can hold a patient's name.
absl::StatusOr<Bytes> ReadFileBytes(const std::filesystem::path& path, const GateLimits& limits);

// The status of opening or reading a file as one of these refusals; OK stays OK.
absl::Status RefusalOfFile(const absl::Status& status, const GateLimits& limits);

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_FILE_BYTES_H_

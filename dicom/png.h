// 8-bit images, and their PNG form (W3C PNG, third edition).
#ifndef HILUM_DICOM_PNG_H_
#define HILUM_DICOM_PNG_H_

#include <cstdint>
#include <filesystem>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"

namespace hilum::dicom {

// Grey (one channel) or RGB (three, interleaved), row by row from the top left.
struct Image8 {
  int64_t width = 0;
  int64_t height = 0;
  int channels = 1;
  std::vector<uint8_t> values{};  // [height * width * channels]
};

// InvalidArgument: empty, more than 16,384 rows or columns, channels other than 1 and 3, or a
// number of values that does not fit.
absl::StatusOr<Bytes> EncodePng(const Image8& image);

// EncodePng, then a durable write. Also the codes of WriteFileDurably.
absl::Status WritePng(const std::filesystem::path& path, const Image8& image);

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_PNG_H_

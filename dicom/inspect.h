// What the reader sees in a file, for `hilum dicom inspect`: stored pixel values before any LUT.
#ifndef HILUM_DICOM_INSPECT_H_
#define HILUM_DICOM_INSPECT_H_

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "dicom/gate.h"
#include "dicom/png.h"

namespace hilum::dicom {

struct InspectReport {
  absl::Status status;          // OK, or the refusal; fields known before it are filled in
  std::string transfer_syntax;  // UID, "" when unknown
  std::string modality;         // a defined term of PS3.3 C.7.3.1.1.1, else ""
  std::optional<int64_t> rows, columns, frames;
  std::optional<int> bits_stored;
  std::optional<bool> is_signed;
  std::optional<double> min, max, mean;             // of the stored values, all frames and samples
  std::string unit;                                 // "HU" or "grey"
  std::optional<std::array<double, 2>> spacing_mm;  // between rows, between columns
  std::vector<std::string> warnings;
  std::optional<Image8> picture;  // when asked for and possible
  absl::Status picture_status;    // why a picture that was asked for could not be made
};

struct InspectOptions {
  GateLimits limits;
  // Called once a frame, in order, with its stored values: C order, samples interleaved, little
  // endian, native width (1-bit pixels as one byte each). Hash them to get stored_sha256.
  std::function<void(ByteView)> stored;
  // Make the 8-bit image of the first frame after modality, VOI and presentation stages. CT
  // without a window: centre -600, width 1500. Others: LUT, window, as is, full range. Grey and
  // 8-bit RGB; anything else leaves COLOUR or BITS in picture_status, and the report stays OK.
  bool picture = false;
};

// Never fails as a whole: a refused file is a report with its refusal. Thread-safe.
InspectReport Inspect(const std::filesystem::path& file, const InspectOptions& options = {});
InspectReport InspectBytes(ByteView file, const InspectOptions& options = {});

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_INSPECT_H_

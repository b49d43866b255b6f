// `hilum-dicom series`: the CT volumes in a folder, and where their slices lie.
#ifndef HILUM_CLI_DICOM_SERIES_H_
#define HILUM_CLI_DICOM_SERIES_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace hilum::cli {

struct SeriesFlags {
  std::vector<std::string> files;
  double thickness_limit_mm = 5;
  bool allow_gaps = false;
  bool reviewed = false;  // a person has looked at all of the images
  bool json = false;
};

// Reads all files, groups their slices and prints each volume's size, spacing, tilt and range in
// HU, or why it is none. Files that are no CT are counted by code. Aborted: a series is no volume,
// or there is none. ResourceExhausted: over 2^28 voxels in all.
absl::Status RunSeries(const SeriesFlags& flags);

}  // namespace hilum::cli

#endif  // HILUM_CLI_DICOM_SERIES_H_

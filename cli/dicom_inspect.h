// `hilum-dicom inspect`: what the reader sees in files, as a table or as JSON.
#ifndef HILUM_CLI_DICOM_INSPECT_H_
#define HILUM_CLI_DICOM_INSPECT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace hilum::cli {

struct InspectFlags {
  std::vector<std::string> files;
  std::string png;    // one file: the image; several: a folder for NAME.png. "" for none
  bool json = false;  // an object for one file, an array for several
};

// Inspects each file and prints what it found. A refused file is a result like any other: the run
// goes on. Aborted: at least one file was refused, or a picture could not be made or written.
absl::Status RunInspect(const InspectFlags& flags);

}  // namespace hilum::cli

#endif  // HILUM_CLI_DICOM_INSPECT_H_

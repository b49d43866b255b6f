// `hilum-dicom deidentify`: copies of images that name nobody, and what was taken out of each.
#ifndef HILUM_CLI_DICOM_DEIDENTIFY_H_
#define HILUM_CLI_DICOM_DEIDENTIFY_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "dicom/deidentify.h"

namespace hilum::cli {

struct DeidentifyFlags {
  std::vector<std::string> files;
  std::string out;        // folder of the copies, 000001.dcm, …
  std::string key;        // file with 64 hexadecimal digits, made when it is not there
  bool reviewed = false;  // a person has looked at all of the images
  bool json = false;
};

// Writes a copy of each file that can be de-identified and prints what was removed, replaced and
// moved, by tag, without any value. Names of copies are numbers: paths can hold names.
// Aborted: at least one file was refused. DataLoss: the key file is not a key. PermissionDenied:
// others than its owner may read it.
absl::Status RunDeidentify(const DeidentifyFlags& flags);

// Keyed functions: HMAC-SHA-256(key, label || 0x00 || value); UIDs are "2.25." and its first 128
// bits; dates move 1 to 365 days into the past.
dicom::SiteKeys KeysOf(const Bytes& key);

}  // namespace hilum::cli

#endif  // HILUM_CLI_DICOM_DEIDENTIFY_H_

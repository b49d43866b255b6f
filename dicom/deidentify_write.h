// Writes an image again: another header, the pixels bit for bit. Only .cc files of dicom/ include
// it.
#ifndef HILUM_DICOM_DEIDENTIFY_WRITE_H_
#define HILUM_DICOM_DEIDENTIFY_WRITE_H_

#include <string>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "dcmtk/dcmdata/dcdatset.h"
#include "dicom/gate.h"

namespace hilum::dicom {

struct FileMeta {
  std::string sop_class;
  std::string sop_instance;
};

// A whole DICOM file: new meta information (PS3.10 section 7.1), `header`, and the pixel data of
// `source` in its own encoding. Nothing else of `source` is copied; native bytes after the last
// pixel and elements after the pixel data are dropped.
// DICOM: compressed pixels with implicit VR, which no transfer syntax allows, or DCMTK cannot
// write the header.
absl::StatusOr<Bytes> WriteImage(DcmDataset& header, const SafeFile& source, const FileMeta& meta);

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_DEIDENTIFY_WRITE_H_

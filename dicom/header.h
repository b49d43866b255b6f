// The attributes of a data set that the pipeline needs, parsed by DCMTK.
//
// A Header holds identities and text of the file. It stays inside dicom/: nothing of it reaches a
// PixelVolume or a message except through closed lists, numbers and the pseudonym function.
#ifndef HILUM_DICOM_HEADER_H_
#define HILUM_DICOM_HEADER_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dicom/gate.h"

namespace hilum::dicom {

// A lookup table (PS3.3 sections C.11.1.1 and C.11.2.1.1).
struct Lut {
  int64_t first = 0;                // the input that maps to entries[0]
  int bits = 16;                    // of an entry
  std::vector<uint16_t> entries{};  // never empty; unsigned
};

struct Header {
  // Identity; leaves only as pseudonyms.
  std::string patient_id, issuer, study_uid, series_uid, sop_uid;

  std::string modality, presentation_intent, view_position, body_part, photometric;
  std::string burned_in, presentation_shape, rescale_type, calibration_type, age, sex;
  std::string lossy, voi_function, intensity_relationship;
  std::vector<std::string> image_type, patient_orientation;

  std::optional<double> slope, intercept;  // of the first frame, where frames have their own
  bool bad_rescale = false;                // present, but not a number
  std::optional<Lut> modality_lut, voi_lut;
  bool bad_lut = false;                               // a LUT sequence that is not a LUT
  std::optional<double> window_centre, window_width;  // the first window
  bool has_presentation_lut = false;
  std::optional<int64_t> padding_value, padding_limit;                       // stored values
  std::optional<std::array<double, 2>> imager_spacing_mm, pixel_spacing_mm;  // rows, columns
};

// Parses the header of a file that passed the gate: the data set up to the pixel data, never
// the pixels. DICOM: DCMTK cannot parse it. Thread-safe.
absl::StatusOr<Header> ParseHeader(const SafeFile& file);

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_HEADER_H_

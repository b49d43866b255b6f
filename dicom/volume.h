// PixelVolume: what is left of a DICOM file when it is ready for a network and names nobody.
#ifndef HILUM_DICOM_VOLUME_H_
#define HILUM_DICOM_VOLUME_H_

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "dicom/profile.h"

namespace hilum::dicom {

// Maps an identifier to a pseudonym: a keyed one-way function of the site, the same for equal
// arguments. `kind` is "patient", "study", "series" or "sop"; for "patient" the value is
// PatientID, or PatientID ^ "\" ^ IssuerOfPatientID where the issuer is known.
using Pseudonym = std::function<std::string(absl::string_view kind, absl::string_view value)>;

struct PseudonymousIds {
  std::string patient;  // "" when the file names no patient: no consent can then be found
  std::string study;
  std::string series;
  std::string sop;
};

enum class Sex { kUnknown, kFemale, kMale, kOther };
enum class View { kUnknown, kPa, kAp };
enum class Modality { kCr, kDx };

// What the header says about the film, reduced to closed lists and numbers.
struct FilmFacts {
  Modality modality = Modality::kCr;
  View view = View::kUnknown;
  Sex sex = Sex::kUnknown;
  std::optional<double> age_years;  // PatientAge (0010,1010): "045Y", "018M" is 1.5
};

// PixelIntensityRelationship (0028,1040): pixel values against X-ray intensity.
enum class Intensity { kAbsent, kLinear, kLogarithmic, kDisplay, kOther };

enum class VoiBranch { kLut, kWindow, kAsIs, kPercentile, kFullRange };

// Each choice that the file's header forced. A branch can be a site's fingerprint, so its rate
// per class and site is reported.
struct BranchRecord {
  VoiBranch voi = VoiBranch::kAsIs;
  bool inverted = false;         // the y -> 255 - y of MONOCHROME1 or INVERSE was applied
  bool shape_overrides = false;  // MONOCHROME1 with PresentationLUTShape IDENTITY
  bool padded = false;           // at least one pixel was padding
  bool monochrome1 = false;      // PhotometricInterpretation, before any shape
  Intensity intensity = Intensity::kAbsent;
  bool lossy = false;       // lossy syntax or LossyImageCompression 01
  bool reoriented = false;  // PatientOrientation asked for a flip or a turn
  bool orientation_absent = false;
  bool view_absent = false;
  bool body_part_absent = false;
  bool age_absent = false;
  bool spacing_calibrated = false;  // PixelSpacing with a calibration type
  std::string ToText() const;       // "voi=window inverted=1 …", fixed order, all fields
};

// The network input of one film. Immutable; safe to share between threads. Only ReadVolume makes
// one, so whatever holds a PixelVolume holds checked, oriented, de-identified data: no string in
// it comes from the file except through the pseudonym function.
class PixelVolume {
 public:
  // float32 in [0, 1], shape [C, H, W] in C order. X-ray profiles: C = 3 equal channels,
  // H = W = size_px of the profile, row 0 is the head end, column 0 the patient's right.
  const std::vector<float>& values() const { return values_; }
  const std::array<int64_t, 3>& shape() const { return shape_; }
  // [H * W], 1 where the nearest source pixel was padding; the value there is 0.
  const std::vector<uint8_t>& padding() const { return padding_; }
  // Distance of neighbouring rows and columns after the resize, at the detector (ImagerPixel
  // Spacing) or calibrated (BranchRecord); absent when the file gives none.
  const std::optional<std::array<double, 2>>& spacing_mm() const { return spacing_mm_; }
  absl::string_view unit() const { return "grey"; }
  const PseudonymousIds& ids() const { return ids_; }
  const FilmFacts& facts() const { return facts_; }
  const BranchRecord& branches() const { return branches_; }
  const std::string& profile_name() const { return profile_name_; }

 private:
  friend class VolumeBuilder;  // dicom/read.cc
  PixelVolume() = default;
  std::vector<float> values_;
  std::array<int64_t, 3> shape_{};
  std::vector<uint8_t> padding_;
  std::optional<std::array<double, 2>> spacing_mm_;
  PseudonymousIds ids_;
  FilmFacts facts_;
  BranchRecord branches_;
  std::string profile_name_;
};

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_VOLUME_H_

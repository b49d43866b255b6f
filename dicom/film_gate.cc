#include "dicom/film_gate.h"

#include <algorithm>
#include <array>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "dicom/refusal.h"

namespace hilum::dicom {
namespace {

// Defined terms that a refusal may repeat. Any other text could be a name.
constexpr std::array<absl::string_view, 65> kModalities = {
    "AR",     "AU",       "BDUS",     "BI",    "BMD",  "CFM",  "CR",  "CT",  "DG",     "DMS",
    "DOC",    "DX",       "ECG",      "EEG",   "EMG",  "EPS",  "ES",  "FID", "GM",     "HC",
    "HD",     "IO",       "IOL",      "IVOCT", "IVUS", "KER",  "KO",  "LEN", "LS",     "M3D",
    "MG",     "MR",       "NM",       "OAM",   "OCT",  "OP",   "OPM", "OPT", "OPV",    "OT",
    "PLAN",   "PR",       "PT",       "PX",    "REG",  "RESP", "RF",  "RG",  "RTDOSE", "RTIMAGE",
    "RTPLAN", "RTRECORD", "RTSTRUCT", "RWV",   "SC",   "SEG",  "SM",  "SMR", "SR",     "STAIN",
    "TG",     "US",       "VA",       "XA",    "XC"};
constexpr std::array<absl::string_view, 8> kOtherViews = {"LL",  "RL",  "LLD", "RLD",
                                                          "LLO", "RLO", "LAT", "LATERAL"};
constexpr std::array<absl::string_view, 16> kOtherParts = {
    "ABDOMEN", "ANKLE", "CSPINE", "ELBOW", "FOOT",   "HAND",     "HEAD",  "HIP",
    "KNEE",    "LEG",   "LSPINE", "NECK",  "PELVIS", "SHOULDER", "SKULL", "WRIST"};
// Terms that leave the part open, besides an absent one.
constexpr std::array<absl::string_view, 3> kOpenParts = {"", "UNKNOWN", "WHOLEBODY"};

template <size_t n>
bool In(const std::array<absl::string_view, n>& list, absl::string_view term) {
  return std::find(list.begin(), list.end(), term) != list.end();
}

// The term itself when it is in the list, else words that repeat nothing of the file.
template <size_t n>
std::string Named(const std::array<absl::string_view, n>& list, absl::string_view term) {
  if (term.empty()) return "absent";
  return In(list, term) ? std::string(term) : "another term";
}

absl::Status CheckKind(const Header& header) {
  if (header.modality != "CR" && header.modality != "DX") {
    return Refuse(Refusal::kModality,
                  absl::StrCat("the modality is ", Named(kModalities, header.modality),
                               ", X-ray profiles take CR and DX"));
  }
  // CR images have no intent attribute.
  if (header.modality == "DX" && header.presentation_intent != "FOR PRESENTATION") {
    return Refuse(Refusal::kForProcessing,
                  "the image is not FOR PRESENTATION: send the image that the readers see");
  }
  if (header.photometric != "MONOCHROME1" && header.photometric != "MONOCHROME2") {
    return Refuse(Refusal::kColour, "the image is not MONOCHROME1 or MONOCHROME2");
  }
  return absl::OkStatus();
}

absl::Status CheckAnatomy(const Header& header) {
  const std::string& view = header.view_position;
  if (!view.empty() && view != "PA" && view != "AP") {
    return Refuse(Refusal::kView, absl::StrCat("the view is ", Named(kOtherViews, view),
                                               ", X-ray profiles take PA and AP"));
  }
  const std::string& part = header.body_part;
  if (part != "CHEST" && !In(kOpenParts, part)) {
    return Refuse(Refusal::kBodyPart, absl::StrCat("the body part is ", Named(kOtherParts, part),
                                                   ", X-ray profiles take CHEST"));
  }
  return absl::OkStatus();
}

// "045Y", "018M", "003W", "010D" (PS3.5 table 6.2-1, AS).
std::optional<double> AgeYears(const std::string& age) {
  int number = 0;
  if (age.size() != 4 || !absl::SimpleAtoi(age.substr(0, 3), &number) || number < 0) {
    return std::nullopt;
  }
  switch (age[3]) {
    case 'Y':
      return number;
    case 'M':
      return number / 12.0;
    case 'W':
      return number * 7 / 365.25;
    case 'D':
      return number / 365.25;
    default:
      return std::nullopt;
  }
}

Sex SexOf(const std::string& sex) {
  if (sex == "F") return Sex::kFemale;
  if (sex == "M") return Sex::kMale;
  return sex == "O" ? Sex::kOther : Sex::kUnknown;
}

View ViewOf(const std::string& view) {
  if (view == "PA") return View::kPa;
  return view == "AP" ? View::kAp : View::kUnknown;
}

Intensity IntensityOf(const std::string& relationship) {
  if (relationship.empty()) return Intensity::kAbsent;
  if (relationship == "LIN") return Intensity::kLinear;
  if (relationship == "LOG") return Intensity::kLogarithmic;
  return relationship == "DISP" ? Intensity::kDisplay : Intensity::kOther;
}

// The largest detectors have about 25 million pixels. A small file may claim many more, and its
// decoder would take memory for all of them.
constexpr int64_t kMaxFilmPixels = int64_t{64} << 20;

absl::Status CheckSize(const PixelHeader& pixels) {
  if (pixels.columns <= kMaxFilmPixels / std::max<int64_t>(pixels.rows, 1)) {
    return absl::OkStatus();
  }
  return Refuse(Refusal::kDimensions,
                absl::StrCat("the film has ", pixels.rows, " x ", pixels.columns,
                             " pixels, the limit is ", kMaxFilmPixels));
}

}  // namespace

absl::Status CheckComplete(const GateReport& report, const Header& header) {
  if (!report.has_pixels) return Refuse(Refusal::kDicom, "the file has no pixel data");
  if (header.study_uid.empty() || header.series_uid.empty() || header.sop_uid.empty()) {
    return Refuse(Refusal::kDicom, "the file lacks a study, series or SOP instance UID");
  }
  return absl::OkStatus();
}

absl::Status CheckText(const Header& header, bool reviewed) {
  if (header.burned_in == "YES") {
    return Refuse(Refusal::kBurnedIn, "the header says that the pixels hold burned-in text");
  }
  if (header.burned_in == "NO" || reviewed) return absl::OkStatus();
  for (size_t i = 0; i < header.image_type.size() && i < 2; ++i) {
    if (header.image_type[i] == "DERIVED" || header.image_type[i] == "SECONDARY") {
      return Refuse(Refusal::kBurnedIn,
                    absl::StrCat("the image is ", header.image_type[i],
                                 " and BurnedInAnnotation is absent: a person must look for text "
                                 "in the pixels first"));
    }
  }
  return absl::OkStatus();
}

bool IsModality(absl::string_view term) { return In(kModalities, term); }

absl::Status CheckFilm(const GateReport& report, const Header& header, bool reviewed_for_text) {
  HILUM_RETURN_IF_ERROR(CheckKind(header));
  HILUM_RETURN_IF_ERROR(CheckComplete(report, header));
  HILUM_RETURN_IF_ERROR(CheckSize(report.pixels));
  if (report.pixels.frames != 1) {
    return Refuse(Refusal::kFrames, absl::StrCat("the file has ", report.pixels.frames,
                                                 " frames, X-ray profiles take 1"));
  }
  if (report.pixels.samples != 1 || report.pixels.is_float ||
      (report.pixels.bits_allocated != 8 && report.pixels.bits_allocated != 16)) {
    return Refuse(Refusal::kBits, "X-ray profiles take one sample of 8 or 16 bits a pixel");
  }
  HILUM_RETURN_IF_ERROR(CheckAnatomy(header));
  return CheckText(header, reviewed_for_text);
}

FilmFacts FactsOf(const Header& header) {
  return {.modality = header.modality == "DX" ? Modality::kDx : Modality::kCr,
          .view = ViewOf(header.view_position),
          .sex = SexOf(header.sex),
          .age_years = AgeYears(header.age)};
}

BranchRecord BranchesOf(const GateReport& report, const Header& header) {
  BranchRecord branches;
  branches.monochrome1 = header.photometric == "MONOCHROME1";
  branches.intensity = IntensityOf(header.intensity_relationship);
  branches.lossy = report.syntax->lossy || header.lossy == "01";
  branches.view_absent = header.view_position.empty();
  branches.body_part_absent = header.body_part != "CHEST";
  branches.age_absent = !AgeYears(header.age).has_value();
  branches.spacing_calibrated = !header.imager_spacing_mm.has_value() &&
                                header.pixel_spacing_mm.has_value() &&
                                !header.calibration_type.empty();
  return branches;
}

}  // namespace hilum::dicom

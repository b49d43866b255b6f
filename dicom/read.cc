#include "dicom/read.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "dicom/file_bytes.h"
#include "dicom/film_gate.h"
#include "dicom/fit.h"
#include "dicom/frames.h"
#include "dicom/grey.h"
#include "dicom/header.h"
#include "dicom/refusal.h"

namespace hilum::dicom {

// The one place that makes a PixelVolume.
class VolumeBuilder {
 public:
  static PixelVolume Build(Fitted fitted, const Profile& profile, PseudonymousIds ids,
                           FilmFacts facts, BranchRecord branches,
                           std::optional<std::array<double, 2>> spacing_mm) {
    PixelVolume volume;
    volume.values_ = std::move(fitted.values);
    volume.shape_ = {3, profile.size_px, profile.size_px};
    volume.padding_ = std::move(fitted.padding);
    volume.spacing_mm_ = spacing_mm;
    volume.ids_ = std::move(ids);
    volume.facts_ = facts;
    volume.branches_ = branches;
    volume.profile_name_ = profile.name;
    return volume;
  }
};

namespace {

PseudonymousIds Pseudonymise(const Header& header, const Pseudonym& pseudonym) {
  PseudonymousIds ids;
  if (!header.patient_id.empty()) {
    ids.patient = pseudonym("patient", header.issuer.empty()
                                           ? header.patient_id
                                           : absl::StrCat(header.patient_id, "\\", header.issuer));
  }
  ids.study = pseudonym("study", header.study_uid);
  ids.series = pseudonym("series", header.series_uid);
  ids.sop = pseudonym("sop", header.sop_uid);
  return ids;
}

// Millimetres between target pixels; turned when the film was.
std::optional<std::array<double, 2>> TargetSpacing(const Header& header, const Turn& turn,
                                                   double scale) {
  std::optional<std::array<double, 2>> spacing = header.imager_spacing_mm;
  if (!spacing && !header.calibration_type.empty()) spacing = header.pixel_spacing_mm;
  if (!spacing) return std::nullopt;
  if (turn.transpose) std::swap((*spacing)[0], (*spacing)[1]);
  return std::array<double, 2>{(*spacing)[0] * scale, (*spacing)[1] * scale};
}

}  // namespace

absl::StatusOr<PixelVolume> ReadVolumeFromBytes(ByteView file, const Profile& profile,
                                                const Pseudonym& pseudonym,
                                                const ReadOptions& options) {
  HILUM_ASSIGN_OR_RETURN(const SafeFile safe, OpenFile(file, options.limits));
  HILUM_ASSIGN_OR_RETURN(const Header header, ParseHeader(safe));
  HILUM_RETURN_IF_ERROR(CheckFilm(safe.report(), header, options.reviewed_for_text));
  HILUM_ASSIGN_OR_RETURN(const std::optional<Turn> turn, TurnOf(header.patient_orientation));
  HILUM_ASSIGN_OR_RETURN(const FrameReader frames, FrameReader::Create(safe));
  HILUM_ASSIGN_OR_RETURN(const Bytes frame, frames.Read(0));
  HILUM_ASSIGN_OR_RETURN(
      GreyImage image, ToGrey(frame, safe.report().pixels, header, {.fallback = profile.fallback}));
  const Turn upright = turn.value_or(Turn{});
  Reorient(upright, image);
  HILUM_ASSIGN_OR_RETURN(Fitted fitted, Fit(image, profile));
  BranchRecord branches = BranchesOf(safe.report(), header);
  branches.voi = image.voi;
  branches.inverted = image.inverted;
  branches.shape_overrides = image.shape_overrides;
  branches.padded = image.padded;
  branches.reoriented = upright.any();
  branches.orientation_absent = !turn.has_value();
  const auto spacing_mm = TargetSpacing(header, upright, fitted.scale);
  return VolumeBuilder::Build(std::move(fitted), profile, Pseudonymise(header, pseudonym),
                              FactsOf(header), branches, spacing_mm);
}

absl::StatusOr<PixelVolume> ReadVolume(const std::vector<std::filesystem::path>& files,
                                       const Profile& profile, const Pseudonym& pseudonym,
                                       const ReadOptions& options) {
  if (files.size() != 1) {
    return Refuse(Refusal::kFrames, absl::StrCat("X-ray profiles take 1 file, not ", files.size()));
  }
  HILUM_ASSIGN_OR_RETURN(const Bytes bytes, ReadFileBytes(files[0], options.limits));
  return ReadVolumeFromBytes(bytes, profile, pseudonym, options);
}

}  // namespace hilum::dicom

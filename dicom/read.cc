#include "dicom/read.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "dicom/file_bytes.h"
#include "dicom/film.h"
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
  static PixelVolume Build(ReadyFilm film, const Profile& profile, PseudonymousIds ids) {
    PixelVolume volume;
    volume.values_ = std::move(film.fitted.values);
    volume.shape_ = {3, profile.size_px, profile.size_px};
    volume.padding_ = std::move(film.fitted.padding);
    volume.spacing_mm_ = film.spacing_mm;
    volume.ids_ = std::move(ids);
    volume.facts_ = film.facts;
    volume.branches_ = film.branches;
    volume.profile_name_ = profile.name;
    return volume;
  }
};

namespace {

// No detector has coarser pixels: a larger number is a slip of the writer.
constexpr double kMostSpacingMm = 1000;

// Millimetres between target pixels; turned when the film was.
std::optional<std::array<double, 2>> TargetSpacing(const Header& header, const Turn& turn,
                                                   double scale) {
  std::optional<std::array<double, 2>> spacing = header.imager_spacing_mm;
  if (!spacing && !header.calibration_type.empty()) spacing = header.pixel_spacing_mm;
  if (!spacing || std::max((*spacing)[0], (*spacing)[1]) > kMostSpacingMm) return std::nullopt;
  if (turn.transpose) std::swap((*spacing)[0], (*spacing)[1]);
  return std::array<double, 2>{(*spacing)[0] * scale, (*spacing)[1] * scale};
}

}  // namespace

absl::StatusOr<ReadyFilm> ReadFilm(ByteView file, const Profile& profile,
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
  ReadyFilm film;
  HILUM_ASSIGN_OR_RETURN(film.fitted, Fit(image, profile));
  film.branches = BranchesOf(safe.report(), header);
  film.branches.voi = image.voi;
  film.branches.inverted = image.inverted;
  film.branches.shape_overrides = image.shape_overrides;
  film.branches.padded = image.padded;
  film.branches.reoriented = upright.any();
  film.branches.orientation_absent = !turn.has_value();
  film.facts = FactsOf(header);
  film.spacing_mm = TargetSpacing(header, upright, film.fitted.scale);
  film.identity = {header.patient_id, header.issuer, header.study_uid, header.series_uid,
                   header.sop_uid};
  return film;
}

PseudonymousIds Pseudonymise(const Identity& of, const Pseudonym& pseudonym) {
  PseudonymousIds ids;
  if (!of.patient_id.empty()) {
    ids.patient =
        pseudonym("patient",
                  of.issuer.empty() ? of.patient_id : absl::StrCat(of.patient_id, "\\", of.issuer));
  }
  ids.study = pseudonym("study", of.study_uid);
  ids.series = pseudonym("series", of.series_uid);
  ids.sop = pseudonym("sop", of.sop_uid);
  return ids;
}

PixelVolume ToVolume(ReadyFilm film, const Profile& profile, const Pseudonym& pseudonym) {
  PseudonymousIds ids = Pseudonymise(film.identity, pseudonym);
  return VolumeBuilder::Build(std::move(film), profile, std::move(ids));
}

absl::StatusOr<PixelVolume> ReadVolumeFromBytes(ByteView file, const Profile& profile,
                                                const Pseudonym& pseudonym,
                                                const ReadOptions& options) {
  HILUM_ASSIGN_OR_RETURN(ReadyFilm film, ReadFilm(file, profile, options));
  return ToVolume(std::move(film), profile, pseudonym);
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

// A film between the file and the PixelVolume: read, but its identifiers are still the patient's.
//
// These two halves of ReadVolume run in two processes: the sandboxed worker reads, the program
// that asked holds the site's key and makes pseudonyms.
#ifndef HILUM_DICOM_FILM_H_
#define HILUM_DICOM_FILM_H_

#include <array>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "dicom/fit.h"
#include "dicom/profile.h"
#include "dicom/read.h"
#include "dicom/volume.h"

namespace hilum::dicom {

// As the file has them. Never logged, never stored.
struct Identity {
  std::string patient_id{}, issuer{}, study_uid{}, series_uid{}, sop_uid{};
};

struct ReadyFilm {
  Identity identity;
  Fitted fitted;
  FilmFacts facts;
  BranchRecord branches;
  std::optional<std::array<double, 2>> spacing_mm;
};

// The first half of ReadVolumeFromBytes, with its refusals.
absl::StatusOr<ReadyFilm> ReadFilm(ByteView file, const Profile& profile,
                                   const ReadOptions& options);

// The pseudonyms of what the file names. No PatientID: an empty patient.
PseudonymousIds Pseudonymise(const Identity& of, const Pseudonym& pseudonym);

// The second half.
PixelVolume ToVolume(ReadyFilm film, const Profile& profile, const Pseudonym& pseudonym);

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_FILM_H_

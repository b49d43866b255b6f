// The model gate: is this file a frontal chest X-ray that a network may see?
#ifndef HILUM_DICOM_FILM_GATE_H_
#define HILUM_DICOM_FILM_GATE_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "dicom/gate.h"
#include "dicom/header.h"
#include "dicom/volume.h"

namespace hilum::dicom {

// Decides from the header alone, before decoding. What is absent or open is recorded; the
// networks' own gates decide there.
// DICOM: no pixel data, no study, series or SOP instance UID. FRAMES, MODALITY, FOR_PROCESSING,
// COLOUR, VIEW, BODY_PART, BURNED_IN.
absl::Status CheckFilm(const GateReport& report, const Header& header, bool reviewed_for_text);

// BURNED_IN: the header states text in the pixels, or leaves it open (attribute absent on a derived
// or secondary image) and nobody has looked (PS3.15 annex E.3.1).
absl::Status CheckText(const Header& header, bool reviewed);

// DICOM: no pixel data, no study, series or SOP instance UID.
absl::Status CheckComplete(const GateReport& report, const Header& header);

// The facts and the header's share of the branches of a film that passed.
FilmFacts FactsOf(const Header& header);
BranchRecord BranchesOf(const GateReport& report, const Header& header);

// Whether `term` is a modality of PS3.3 section C.7.3.1.1.1 (the usual ones), which reports may
// repeat.
bool IsModality(absl::string_view term);

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_FILM_GATE_H_

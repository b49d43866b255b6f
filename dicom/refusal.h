// Refusals: why a file was not read, as a code that programs count and a sentence for people.
#ifndef HILUM_DICOM_REFUSAL_H_
#define HILUM_DICOM_REFUSAL_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace hilum::dicom {

// The codes, in the order in which the checks run (docs/dicom.md has one line on each).
enum class Refusal {
  // Safety gate: the bytes alone, before any library has seen them.
  kFile,            // FILE: the file cannot be opened or read
  kFileSize,        // FILE_SIZE
  kNoPreamble,      // NO_PREAMBLE
  kTransferSyntax,  // TRANSFER_SYNTAX
  kInflate,         // INFLATE
  kNesting,         // NESTING
  kElements,        // ELEMENTS
  kValueSize,       // VALUE_SIZE
  kLength,          // LENGTH
  kDimensions,      // DIMENSIONS
  kBits,            // BITS
  kPixelSize,       // PIXEL_SIZE
  kTruncated,       // TRUNCATED
  kFragments,       // FRAGMENTS
  kCodestream,      // CODESTREAM: header of the codestream, or the codestream itself, is wrong
  // After the gate.
  kDicom,            // DICOM: the header does not parse, or lacks what every image has
  kModality,         // MODALITY
  kForProcessing,    // FOR_PROCESSING
  kColour,           // COLOUR
  kView,             // VIEW
  kBodyPart,         // BODY_PART
  kBurnedIn,         // BURNED_IN
  kFrames,           // FRAMES: the profile takes one frame of one file
  kRescale,          // RESCALE
  kVoi,              // VOI
  kPresentationLut,  // PRESENTATION_LUT
  // CT series.
  kNotHu,            // NOT_HU
  kLocalizer,        // LOCALIZER
  kNoPosition,       // NO_POSITION: a slice does not say where it lies
  kOrientation,      // ORIENTATION
  kAmbiguousSeries,  // AMBIGUOUS_SERIES: the slices are not those of one volume
  kMissingSlices,    // MISSING_SLICES
  kIrregular,        // IRREGULAR
  kThickness,        // THICKNESS
  // Any file.
  kWorker,  // WORKER: the decoder crashed, hung, asked for too much or answered nonsense
};

// "FOR_PROCESSING".
absl::string_view NameOf(Refusal code);

// InvalidArgument with the message "CODE: sentence". The sentence names thing, value and limit.
// It never holds text from the file: a value that a person typed can be a name. Numbers, tags,
// terms of closed lists and UIDs below the standard's own root 1.2.840.10008 are safe.
absl::Status Refuse(Refusal code, absl::string_view sentence);

// What hospital IT does about a file that was refused with this code; "" for any other text.
absl::string_view AdviceOn(absl::string_view code);

// Whether a file refused with this code waits for a person, rather than being of no use here:
// BURNED_IN, whose pixels somebody must look at, and WORKER, which may be an attack.
bool IsQuarantine(absl::string_view code);

// The code at the start of a status made by Refuse, "" for any other status.
absl::string_view CodeOf(const absl::Status& status);

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_REFUSAL_H_

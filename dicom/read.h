// From a file to a network's input, in the one fixed order: gate, parse, model gate, decode,
// unpack, padding, modality, VOI, presentation, orientation, crop, resize, scale.
#ifndef HILUM_DICOM_READ_H_
#define HILUM_DICOM_READ_H_

#include <filesystem>
#include <vector>

#include "absl/status/statusor.h"
#include "dicom/gate.h"
#include "dicom/profile.h"
#include "dicom/volume.h"

namespace hilum::dicom {

struct ReadOptions {
  GateLimits limits;
  // A person has looked at this film and found no text in its pixels: a film whose header leaves
  // that open (BurnedInAnnotation absent on a derived or secondary image) is then taken. A film
  // whose header says YES is refused all the same.
  bool reviewed_for_text = false;
};

// Reads one film (`files` holds one path: X-ray profiles take one frame of one file).
//
// Refusals (InvalidArgument, "CODE: sentence", see refusal.h): FILE, all codes of the gate, DICOM,
// MODALITY (not CR or DX), FOR_PROCESSING, COLOUR, VIEW (lateral, …), BODY_PART (not the chest),
// BURNED_IN, FRAMES, BITS (not 8 or 16 bits), CODESTREAM (does not decode), RESCALE, VOI,
// PRESENTATION_LUT. A refusal names neither the path nor any text of the file: both can hold a
// patient's name, and the caller knows the path.
//
// Peak memory: the file, the native pixels, and about 8 bytes a pixel. Thread-safe; every call is
// independent. Same bits for the same file on every x86-64 for lossless syntaxes.
absl::StatusOr<PixelVolume> ReadVolume(const std::vector<std::filesystem::path>& files,
                                       const Profile& profile, const Pseudonym& pseudonym,
                                       const ReadOptions& options = {});

// The same for a file that is already in memory.
absl::StatusOr<PixelVolume> ReadVolumeFromBytes(ByteView file, const Profile& profile,
                                                const Pseudonym& pseudonym,
                                                const ReadOptions& options = {});

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_READ_H_

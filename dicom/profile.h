// Preprocessing profiles: the named recipe from decoded pixels to a network's input.
#ifndef HILUM_DICOM_PROFILE_H_
#define HILUM_DICOM_PROFILE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace hilum::dicom {

// What to do with a film that has neither VOI LUT nor window and whose values do not already lie
// in 0 to 255 (docs/dicom.md, "Grey levels").
enum class VoiFallback {
  kPercentile,  // 0.5th to 99.5th percentile of the pixels that are not padding
  kFullRange,   // all values that BitsStored can hold
};

// A recipe for frontal chest X-rays. Two profiles with one canonical text give equal bits for
// equal files; anything that changes a value changes the text.
struct Profile {
  std::string name;        // "cxr128"
  int size_px = 0;         // the input is [3, size_px, size_px]
  double top_crop = 0.08;  // share of the rows dropped at the top
  VoiFallback fallback = VoiFallback::kPercentile;

  // The recipe in words, one step a line, ASCII. Its SHA-256 is the profile digest that travels
  // with every update and stands in model.json; dicom/ has no arrow to crypto/, so callers hash.
  std::string canonical_text() const;
};

// "cxr96", "cxr128", "cxr224" or "cxr480". NotFound: another name; the sentence lists them.
absl::StatusOr<Profile> FindProfile(absl::string_view name);

// The names, smallest first.
std::vector<std::string> ProfileNames();

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_PROFILE_H_

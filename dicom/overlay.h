// The picture that goes with a result: the film, where the network looked, and a line that cannot
// be lost, because it is burned into the pixels.
#ifndef HILUM_DICOM_OVERLAY_H_
#define HILUM_DICOM_OVERLAY_H_

#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "dicom/png.h"

namespace hilum::dicom {

inline constexpr absl::string_view kBurnedInText = "RESEARCH USE ONLY - not for diagnosis";

struct Overlay {
  int height = 0;  // pixels, of film and heat
  int width = 0;
  std::span<const float> film;  // [height, width] in [0, 1]
  std::span<const float> heat;  // [height, width] in [0, 1]; empty: none
  std::string caption;          // a second line; printable ASCII, cut at 64 characters
};

// RGB, the film at 512 pixels wide; hot places are red. Below it, on black, kBurnedInText and the
// caption. InvalidArgument: sizes that do not fit, or a side that is not 1 to 4,096 pixels.
absl::StatusOr<Image8> DrawOverlay(const Overlay& overlay);

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_OVERLAY_H_

// Value-of-interest windows and lookup tables (PS3.3 section C.11.2), to 0 … 255.
#ifndef HILUM_DICOM_VOI_H_
#define HILUM_DICOM_VOI_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "dicom/header.h"

namespace hilum::dicom {

enum class VoiFunction { kLinear, kLinearExact, kSigmoid };

struct Window {
  double centre = 0;
  double width = 0;
  VoiFunction function = VoiFunction::kLinear;
};

// VOI: width below 1 (LINEAR) or not above 0, a centre or width that is not finite, or a function
// other than LINEAR (also ""), LINEAR_EXACT and SIGMOID.
absl::StatusOr<Window> MakeWindow(double centre, double width, absl::string_view function);

// The formula of PS3.3 section C.11.2.1.2.1 or C.11.2.1.3, in double, before any rounding:
// 0 … 255 for any finite x. `window` comes from MakeWindow.
double ApplyWindow(const Window& window, double x);

// The entry for input x: x is rounded half up to an integer; inputs outside the table take its
// first or last entry.
uint16_t LookUp(const Lut& lut, double x);

// 0 … 255 to a byte, half up: the one quantisation of the 8-bit profiles.
uint8_t QuantiseHalfUp(double y);

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_VOI_H_

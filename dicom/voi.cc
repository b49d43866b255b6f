#include "dicom/voi.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "dicom/refusal.h"

namespace hilum::dicom {
namespace {

constexpr double kWhite = 255;

double Linear(double x, double centre, double width) {
  const double middle = centre - 0.5;
  const double half = (width - 1) / 2;
  if (x <= middle - half) return 0;
  if (x > middle + half) return kWhite;
  return ((x - middle) / (width - 1) + 0.5) * kWhite;
}

double LinearExact(double x, double centre, double width) {
  if (x <= centre - width / 2) return 0;
  if (x > centre + width / 2) return kWhite;
  return ((x - centre) / width + 0.5) * kWhite;
}

double Sigmoid(double x, double centre, double width) {
  return kWhite / (1 + std::exp(-4 * (x - centre) / width));
}

}  // namespace

absl::StatusOr<Window> MakeWindow(double centre, double width, absl::string_view function) {
  Window window{.centre = centre, .width = width};
  if (function == "LINEAR_EXACT") {
    window.function = VoiFunction::kLinearExact;
  } else if (function == "SIGMOID") {
    window.function = VoiFunction::kSigmoid;
  } else if (!function.empty() && function != "LINEAR") {
    return Refuse(Refusal::kVoi,
                  "the VOI LUT function is none of LINEAR, LINEAR_EXACT and SIGMOID");
  }
  const bool linear = window.function == VoiFunction::kLinear;
  if (!std::isfinite(centre) || !std::isfinite(width) || (linear ? width < 1 : width <= 0)) {
    return Refuse(Refusal::kVoi, absl::StrCat("the window's width is ", width, ", ",
                                              linear ? "LINEAR needs at least 1"
                                                     : "it must be "
                                                       "above 0"));
  }
  return window;
}

double ApplyWindow(const Window& window, double x) {
  switch (window.function) {
    case VoiFunction::kLinear:
      return Linear(x, window.centre, window.width);
    case VoiFunction::kLinearExact:
      return LinearExact(x, window.centre, window.width);
    default:
      return Sigmoid(x, window.centre, window.width);
  }
}

uint16_t LookUp(const Lut& lut, double x) {
  const double last = static_cast<double>(lut.entries.size()) - 1;
  const double index = std::floor(x + 0.5) - static_cast<double>(lut.first);
  return lut.entries[static_cast<size_t>(std::clamp(index, 0.0, last))];
}

uint8_t QuantiseHalfUp(double y) {
  return static_cast<uint8_t>(std::floor(std::clamp(y, 0.0, kWhite) + 0.5));
}

}  // namespace hilum::dicom

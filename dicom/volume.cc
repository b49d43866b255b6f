#include "dicom/volume.h"

#include <array>

#include "absl/strings/str_cat.h"

namespace hilum::dicom {

std::string BranchRecord::ToText() const {
  constexpr std::array<absl::string_view, 5> kVoi = {"lut", "window", "as_is", "percentile",
                                                     "full_range"};
  constexpr std::array<absl::string_view, 5> kIntensity = {"absent", "lin", "log", "disp", "other"};
  return absl::StrCat("voi=", kVoi[static_cast<size_t>(voi)], " inverted=", inverted,
                      " shape_overrides=", shape_overrides, " padded=", padded,
                      " monochrome1=", monochrome1,
                      " intensity=", kIntensity[static_cast<size_t>(intensity)], " lossy=", lossy,
                      " reoriented=", reoriented, " orientation_absent=", orientation_absent,
                      " view_absent=", view_absent, " body_part_absent=", body_part_absent,
                      " age_absent=", age_absent, " spacing_calibrated=", spacing_calibrated);
}

}  // namespace hilum::dicom

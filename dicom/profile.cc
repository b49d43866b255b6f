#include "dicom/profile.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace hilum::dicom {
namespace {

constexpr std::array<int, 4> kSizes = {96, 128, 224, 480};

}  // namespace

std::string Profile::canonical_text() const {
  const absl::string_view last_voi =
      fallback == VoiFallback::kPercentile ? "percentile 0.5 99.5 nearest-rank" : "full-range";
  return absl::StrCat("hilum preprocessing profile, version 1\n",                          //
                      "name ", name, "\n",                                                 //
                      "input CR or DX, one frame, MONOCHROME1 or MONOCHROME2\n",           //
                      "modality LUT, else slope and intercept\n",                          //
                      "voi first of: LUT 0, window 0, as is in 0..255, ", last_voi, "\n",  //
                      "invert once for MONOCHROME1 or INVERSE, IDENTITY wins\n",           //
                      "padding 0\n",                                                       //
                      "quantise 8 bits half up\n",                                         //
                      "orient rows L columns F\n",                                         //
                      "crop top int(", top_crop, " * H), then central square\n",           //
                      "resize ", size_px, " bilinear half-pixel no-antialias float32\n",   //
                      "scale 1/255\n",                                                     //
                      "channels 3 equal\n");
}

absl::StatusOr<Profile> FindProfile(absl::string_view name) {
  for (const int size : kSizes) {
    if (name == absl::StrCat("cxr", size)) {
      return Profile{.name = std::string(name), .size_px = size};
    }
  }
  return absl::NotFoundError(absl::StrCat("there is no preprocessing profile ", name,
                                          "; there are ", absl::StrJoin(ProfileNames(), ", ")));
}

std::vector<std::string> ProfileNames() {
  std::vector<std::string> names;
  for (const int size : kSizes) names.push_back(absl::StrCat("cxr", size));
  return names;
}

}  // namespace hilum::dicom

// Steps 11 and 12: upright, cropped, resized, scaled.
#ifndef HILUM_DICOM_FIT_H_
#define HILUM_DICOM_FIT_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dicom/grey.h"
#include "dicom/profile.h"

namespace hilum::dicom {

// What brings a film upright: first the turn (rows become columns), then the flips.
struct Turn {
  bool transpose = false;
  bool flip_rows = false;     // head and feet
  bool flip_columns = false;  // left and right
  bool any() const { return transpose || flip_rows || flip_columns; }
};

// From PatientOrientation (0020,0020): the directions of a row and of a column. Upright is
// row L, column F. nullopt: absent. VIEW: not the directions of a frontal film.
absl::StatusOr<std::optional<Turn>> TurnOf(const std::vector<std::string>& patient_orientation);

// Applies `turn` to the pixels and their padding, in place.
void Reorient(const Turn& turn, GreyImage& image);

struct Fitted {
  std::vector<float> values;     // [3, size_px, size_px], in [0, 1]
  std::vector<uint8_t> padding;  // [size_px, size_px]
  double scale = 1;              // source pixels per target pixel
};

// Drops the top int(top_crop * H) rows, takes the central square, resizes it bilinearly (half-pixel
// centres, no antialias, OpenCV's INTER_LINEAR on floats), fills padding with 0 by its
// nearest-neighbour mask, and divides by 255.
absl::StatusOr<Fitted> Fit(const GreyImage& image, const Profile& profile);

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_FIT_H_

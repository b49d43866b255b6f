// Where the slices of a CT series lie, from their positions alone: groups, order, spacing, tilt,
// and an affine. Never by InstanceNumber, SliceLocation or file name.
//
// PS3.3 sections C.7.6.2.1.1 (position, orientation) and C.7.6.16.2 (functional groups).
#ifndef HILUM_DICOM_SERIES_H_
#define HILUM_DICOM_SERIES_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace hilum::dicom {

using Vector3 = std::array<double, 3>;

// One slice as its header places it: a file, or a frame of an enhanced file. The texts only tell
// slices apart; they never leave dicom/.
struct SlicePlace {
  std::string sop_uid{};
  int64_t frame = 0;
  std::string series_uid{}, frame_of_reference{}, kernel{}, image_type3{}, stack{};
  std::optional<int64_t> acquisition{};  // AcquisitionNumber
  std::optional<int64_t> temporal{};     // TemporalPositionIndex or -Identifier
  int64_t rows = 0;
  int64_t columns = 0;
  std::optional<Vector3> position_mm{};                 // ImagePositionPatient, LPS
  std::optional<std::array<Vector3, 2>> orientation{};  // of a row, of a column
  std::optional<std::array<double, 2>> spacing_mm{};    // between rows, between columns
  std::optional<double> thickness_mm{};
  uint64_t pixel_hash = 0;  // of the stored pixels; tells a copy from another slice
};

// Slices that can make one volume.
using SliceGroup = std::vector<size_t>;  // indices, in the order of the input

// Groups by series, frame of reference, rows, columns, spacing (relative 1e-4), orientation
// (cosine 0.9999), kernel, third value of ImageType and stack. Where two slices of a group lie at
// one position, the group is split by acquisition number or else by temporal position, if that
// separates all of them. Localizers (ImageType value 3) are in no group. Ordered by first slice.
std::vector<SliceGroup> GroupSlices(std::span<const SlicePlace> slices);

struct SeriesOptions {
  bool allow_gaps = false;        // a gap is interpolated, on the caller's explicit word
  double thickness_limit_mm = 5;  // of networks that see volumes
};

// How a volume's slices lie. Index k counts slices along the normal.
struct SeriesGeometry {
  std::vector<size_t> order{};  // indices into the input, ascending; copies are left out
  size_t n_copies = 0;          // slices left out
  // Columns: step of one column (mm), of one row, of one slice; then the centre of the first voxel.
  // LPS, right-handed: (column, row, slice, 1) -> mm.
  std::array<std::array<double, 4>, 3> affine{};
  std::vector<double> distance_mm{};  // of each slice along the normal, from the first one
  double spacing_mm = 0;              // median distance of neighbours along the normal
  bool is_regular = true;             // false: distances differ by 1 % to 10 %, or there are gaps
  size_t n_gaps = 0;                  // only with allow_gaps
  double tilt_deg = 0;                // between the stacking direction and the normal
  bool is_sheared = false;            // tilt over 0.5 degrees: the affine's third axis is oblique
};

// Places the slices of one group (GroupSlices). Refusals: NO_POSITION: a slice without position,
// orientation or spacing. ORIENTATION: no right-angled unit vectors. AMBIGUOUS_SERIES: two
// different slices at one place, or slices of several groups. MISSING_SLICES: a distance over 1.5
// times the median, or fewer than 2 slices. IRREGULAR: other distances, or slices off their line.
// THICKNESS: over the limit.
absl::StatusOr<SeriesGeometry> PlaceSlices(std::span<const SlicePlace> slices,
                                           const SeriesOptions& options = {});

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_SERIES_H_

// CT: files to a volume in Hounsfield units whose every voxel has a place in the patient.
#ifndef HILUM_DICOM_CT_H_
#define HILUM_DICOM_CT_H_

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "dicom/film.h"
#include "dicom/read.h"
#include "dicom/series.h"
#include "dicom/volume.h"

namespace hilum::dicom {

inline constexpr float kPaddingHu = -1024;
inline constexpr size_t kSliceLimit = 10'000;             // files or frames of one volume
inline constexpr int64_t kVoxelLimit = int64_t{1} << 28;  // 1 GiB of float32

// One decoded slice.
struct CtSlice {
  SlicePlace place;
  std::vector<float> hu;  // [rows, columns] float32; padding is kPaddingHu
};

// What one file holds: one slice, or the frames of an enhanced image.
struct CtFile {
  Identity identity;  // sop_uid is that of the file
  bool is_lossy = false;
  std::vector<CtSlice> slices;
};

// Decodes a CT file. Rescale, position, orientation and spacing are those of each frame; values at
// the root of an enhanced image are not used. Refusals: those of the gate; MODALITY: not CT;
// LOCALIZER; COLOUR; BITS; PIXEL_SIZE: more than kVoxelLimit voxels; BURNED_IN; NOT_HU: a rescale
// type other than HU, or a Modality LUT; RESCALE; FRAMES: more frames than functional groups;
// CODESTREAM; DICOM.
absl::StatusOr<CtFile> ReadCtFile(ByteView file, const ReadOptions& options = {});

// Where a voxel layer of a volume comes from: for references in results.
struct SliceSource {
  std::string sop;    // pseudonym
  int64_t frame = 0;  // of an enhanced image, from 0
};

// A CT volume that names nobody. Immutable. Only AssembleCt makes one.
class CtVolume {
 public:
  // [slices, rows, columns] float32 HU, C order; slices ascend along the normal.
  const std::vector<float>& values() const { return values_; }
  const std::array<int64_t, 3>& shape() const { return shape_; }
  // Affine, distances, tilt; `order` is 0, 1, ….
  const SeriesGeometry& geometry() const { return geometry_; }
  const std::vector<SliceSource>& sources() const { return sources_; }  // of each slice
  const PseudonymousIds& ids() const { return ids_; }                   // sop: of the first slice
  bool is_lossy() const { return is_lossy_; }
  absl::string_view unit() const { return "HU"; }

 private:
  friend class CtBuilder;  // dicom/ct_assemble.cc
  CtVolume() = default;
  std::vector<float> values_;
  std::array<int64_t, 3> shape_{};
  SeriesGeometry geometry_;
  std::vector<SliceSource> sources_;
  PseudonymousIds ids_;
  bool is_lossy_ = false;
};

// What came out of a set of files that may hold several series.
struct CtSet {
  std::vector<absl::StatusOr<CtVolume>> volumes;  // a volume or why not, by first file
  size_t n_localizers = 0;                        // slices that belong to no volume
};

// Groups the slices of `files` and places each group. A group's refusal is a value: it is one of
// PlaceSlices, AMBIGUOUS_SERIES: slices of several patients or studies, or PIXEL_SIZE: more than
// kSliceLimit slices or kVoxelLimit voxels. Consumes `files`: each slice's values are freed once
// they are copied.
CtSet AssembleCt(std::vector<CtFile> files, const Pseudonym& pseudonym,
                 const SeriesOptions& options = {});

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_CT_H_

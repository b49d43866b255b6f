#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "dicom/ct.h"
#include "dicom/refusal.h"

namespace hilum::dicom {
namespace {

// A slice and the file that it came from.
struct Part {
  const Identity* identity = nullptr;
  CtSlice* slice = nullptr;
  bool is_lossy = false;
};

absl::Status CheckParts(const std::vector<Part>& parts) {
  const Identity& first = *parts.front().identity;
  for (const Part& part : parts) {
    if (part.identity->patient_id != first.patient_id || part.identity->issuer != first.issuer ||
        part.identity->study_uid != first.study_uid) {
      return Refuse(Refusal::kAmbiguousSeries,
                    "the slices of one series name several patients or studies");
    }
  }
  const SlicePlace& place = parts.front().slice->place;
  const int64_t n = static_cast<int64_t>(parts.size());
  if (parts.size() > kSliceLimit || n * place.rows * place.columns > kVoxelLimit) {
    return Refuse(
        Refusal::kPixelSize,
        absl::StrCat("the series has ", n, " slices of ", place.rows, " x ", place.columns,
                     ", the limits are ", kSliceLimit, " slices and ", kVoxelLimit, " voxels"));
  }
  return absl::OkStatus();
}

}  // namespace

// The one place that makes a CtVolume.
class CtBuilder {
 public:
  static absl::StatusOr<CtVolume> Build(const std::vector<Part>& parts, const Pseudonym& pseudonym,
                                        const SeriesOptions& options) {
    HILUM_RETURN_IF_ERROR(CheckParts(parts));
    std::vector<SlicePlace> places;
    for (const Part& part : parts) places.push_back(part.slice->place);
    CtVolume volume;
    HILUM_ASSIGN_OR_RETURN(volume.geometry_, PlaceSlices(places, options));
    const size_t n = volume.geometry_.order.size();
    volume.shape_ = {static_cast<int64_t>(n), places.front().rows, places.front().columns};
    volume.values_.reserve(n * static_cast<size_t>(volume.shape_[1] * volume.shape_[2]));
    for (const size_t index : volume.geometry_.order) {
      const Part& part = parts[index];
      std::vector<float> hu = std::move(part.slice->hu);  // freed at the end of each turn
      volume.values_.insert(volume.values_.end(), hu.begin(), hu.end());
      volume.sources_.push_back(
          {.sop = pseudonym("sop", part.identity->sop_uid), .frame = part.slice->place.frame});
      volume.is_lossy_ |= part.is_lossy;
    }
    std::iota(volume.geometry_.order.begin(), volume.geometry_.order.end(), size_t{0});
    volume.ids_ = Pseudonymise(*parts[0].identity, pseudonym);
    volume.ids_.sop = volume.sources_.front().sop;
    return volume;
  }
};

CtSet AssembleCt(std::vector<CtFile> files, const Pseudonym& pseudonym,
                 const SeriesOptions& options) {
  std::vector<Part> parts;
  std::vector<SlicePlace> places;
  CtSet set;
  for (CtFile& file : files) {
    for (CtSlice& slice : file.slices) {
      set.n_localizers += slice.place.image_type3 == "LOCALIZER";
      places.push_back(slice.place);
      parts.push_back({&file.identity, &slice, file.is_lossy});
    }
  }
  for (const SliceGroup& group : GroupSlices(places)) {
    std::vector<Part> of_group;
    for (const size_t i : group) of_group.push_back(parts[i]);
    set.volumes.push_back(CtBuilder::Build(of_group, pseudonym, options));
  }
  return set;
}

}  // namespace hilum::dicom

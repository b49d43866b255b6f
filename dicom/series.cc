#include "dicom/series.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "dicom/refusal.h"

namespace hilum::dicom {
namespace {

constexpr double kUnitTolerance = 1e-3;    // of a direction's length and of right angles
constexpr double kSameDirection = 0.9999;  // cosine
constexpr double kSameSpacing = 1e-4;      // relative
constexpr double kSamePlaceMm = 0.01;      // two slices nearer than this lie at one place
constexpr double kSamePlaceShare = 1e-3;   // or than this share of the median distance
constexpr double kRegularShare = 0.01;     // of the median
constexpr double kRegularMm = 0.02;        // at least
constexpr double kIrregularShare = 0.1;    // resampled on true positions up to here
constexpr double kGapShare = 1.5;          // a slice is missing from here
constexpr double kOffLineMm = 0.5;         // of a slice from the line through first and last
constexpr double kUprightDeg = 0.5;        // a tilt up to here is noise of the header
constexpr double kPi = 3.14159265358979323846;

double Dot(const Vector3& a, const Vector3& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
double Length(const Vector3& a) { return std::sqrt(Dot(a, a)); }
Vector3 Cross(const Vector3& a, const Vector3& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}
Vector3 Minus(const Vector3& a, const Vector3& b) {
  return {a[0] - b[0], a[1] - b[1], a[2] - b[2]};
}
Vector3 Times(const Vector3& a, double factor) {
  return {a[0] * factor, a[1] * factor, a[2] * factor};
}

double Median(std::vector<double> values) {
  // Of an even number the lower one: of two distances the larger may be a gap.
  const auto middle = values.begin() + static_cast<ptrdiff_t>((values.size() - 1) / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

bool IsFinite(const Vector3& a) {
  return std::isfinite(a[0]) && std::isfinite(a[1]) && std::isfinite(a[2]);
}

bool IsPlaced(const SlicePlace& slice) {
  return slice.position_mm && IsFinite(*slice.position_mm) && slice.orientation &&
         IsFinite((*slice.orientation)[0]) && IsFinite((*slice.orientation)[1]) &&
         slice.spacing_mm && (*slice.spacing_mm)[0] > 0 && (*slice.spacing_mm)[1] > 0;
}

bool Near(double a, double b) {
  return std::abs(a - b) <= kSameSpacing * std::max(std::abs(a), std::abs(b));
}

bool SameSpacing(const SlicePlace& a, const SlicePlace& b) {
  if (!a.spacing_mm || !b.spacing_mm) return a.spacing_mm.has_value() == b.spacing_mm.has_value();
  return Near((*a.spacing_mm)[0], (*b.spacing_mm)[0]) &&
         Near((*a.spacing_mm)[1], (*b.spacing_mm)[1]);
}

bool SameOrientation(const SlicePlace& a, const SlicePlace& b) {
  if (!a.orientation || !b.orientation) {
    return a.orientation.has_value() == b.orientation.has_value();
  }
  return Dot((*a.orientation)[0], (*b.orientation)[0]) >= kSameDirection &&
         Dot((*a.orientation)[1], (*b.orientation)[1]) >= kSameDirection;
}

bool SameGroup(const SlicePlace& a, const SlicePlace& b) {
  const auto terms = [](const SlicePlace& s) {
    return std::tie(s.series_uid, s.frame_of_reference, s.rows, s.columns, s.kernel, s.image_type3,
                    s.stack);
  };
  return terms(a) == terms(b) && SameSpacing(a, b) && SameOrientation(a, b);
}

bool IsCopy(const SlicePlace& a, const SlicePlace& b) {
  const bool same_object = a.sop_uid == b.sop_uid && a.frame == b.frame && !a.sop_uid.empty();
  return same_object || (a.pixel_hash == b.pixel_hash && a.pixel_hash != 0);
}

// Whether two slices lie at one place and are not copies of one another.
bool Collides(const SlicePlace& a, const SlicePlace& b) {
  if (IsCopy(a, b)) return false;
  return Length(Minus(*a.position_mm, *b.position_mm)) < kSamePlaceMm;
}

// Sorted along the normal, only slices that follow closely can collide.
bool AnyCollision(std::span<const SlicePlace> slices, const SliceGroup& group) {
  const SlicePlace& first = slices[group.front()];
  if (!first.orientation) return false;  // refused later
  const Vector3 normal = Cross((*first.orientation)[0], (*first.orientation)[1]);
  std::vector<std::pair<double, size_t>> sorted;
  for (const size_t i : group) {
    if (IsPlaced(slices[i])) sorted.emplace_back(Dot(*slices[i].position_mm, normal), i);
  }
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < sorted.size(); ++i) {
    for (size_t j = i + 1; j < sorted.size(); ++j) {
      if (sorted[j].first - sorted[i].first > kSamePlaceMm) break;
      if (Collides(slices[sorted[i].second], slices[sorted[j].second])) return true;
    }
  }
  return false;
}

// The group in parts by `key`, when all parts are then free of collisions; else as it was.
template <class Key>
std::vector<SliceGroup> SplitBy(std::span<const SlicePlace> slices, const SliceGroup& group,
                                Key key) {
  std::map<std::optional<int64_t>, SliceGroup> parts;
  for (const size_t i : group) parts[key(slices[i])].push_back(i);
  std::vector<SliceGroup> split;
  for (const auto& [value, part] : parts) {
    if (AnyCollision(slices, part)) return {group};
    split.push_back(part);
  }
  return split;
}

std::vector<SliceGroup> Split(std::span<const SlicePlace> slices, const SliceGroup& group) {
  if (!AnyCollision(slices, group)) return {group};
  std::vector<SliceGroup> split =
      SplitBy(slices, group, [](const SlicePlace& slice) { return slice.acquisition; });
  if (split.size() > 1) return split;
  return SplitBy(slices, group, [](const SlicePlace& slice) { return slice.temporal; });
}

absl::Status CheckPlaces(std::span<const SlicePlace> slices, const SeriesOptions& options) {
  size_t n_without = 0;
  for (const SlicePlace& slice : slices) {
    n_without += !IsPlaced(slice);
  }
  if (n_without > 0) {
    return Refuse(Refusal::kNoPosition,
                  absl::StrCat(n_without, " of ", slices.size(),
                               " slices lack ImagePositionPatient, ImageOrientationPatient or "
                               "PixelSpacing"));
  }
  for (const SlicePlace& slice : slices) {
    const auto& [row, column] = *slice.orientation;
    // Written so that a value that is not a number fails too.
    const bool fits = std::abs(Length(row) - 1) <= kUnitTolerance &&
                      std::abs(Length(column) - 1) <= kUnitTolerance &&
                      std::abs(Dot(row, column)) <= kUnitTolerance;
    if (!fits) {
      return Refuse(Refusal::kOrientation,
                    "ImageOrientationPatient is not two unit vectors at right angles");
    }
    if (slice.thickness_mm.value_or(0) > options.thickness_limit_mm) {
      return Refuse(Refusal::kThickness,
                    absl::StrCat("a slice is ", *slice.thickness_mm, " mm thick, the limit is ",
                                 options.thickness_limit_mm, " mm"));
    }
    if (!SameGroup(slice, slices.front())) {
      return Refuse(Refusal::kAmbiguousSeries,
                    "the slices differ in series, size, spacing, orientation, kernel or stack");
    }
  }
  return absl::OkStatus();
}

// Sorts by distance along the normal and leaves copies out.
absl::Status Order(std::span<const SlicePlace> slices, const Vector3& normal,
                   SeriesGeometry& geometry) {
  std::vector<std::pair<double, size_t>> sorted;
  for (size_t i = 0; i < slices.size(); ++i) {
    sorted.emplace_back(Dot(*slices[i].position_mm, normal), i);
  }
  std::sort(sorted.begin(), sorted.end());
  std::vector<double> steps;
  for (size_t i = 1; i < sorted.size(); ++i) {
    const double step = sorted[i].first - sorted[i - 1].first;
    if (step >= kSamePlaceMm) steps.push_back(step);
  }
  const double same = std::max(kSamePlaceMm, steps.empty() ? 0 : kSamePlaceShare * Median(steps));
  const double first = sorted.front().first;
  for (const auto& [distance, index] : sorted) {
    const bool repeats =
        !geometry.order.empty() && distance - first - geometry.distance_mm.back() < same;
    if (!repeats) {
      geometry.order.push_back(index);
      geometry.distance_mm.push_back(distance - first);
    } else if (IsCopy(slices[index], slices[geometry.order.back()])) {
      ++geometry.n_copies;
    } else {
      return Refuse(Refusal::kAmbiguousSeries,
                    absl::StrCat("two different slices lie at one place, ", distance - first,
                                 " mm from the first"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSpacing(const SeriesOptions& options, SeriesGeometry& geometry) {
  const std::vector<double>& at = geometry.distance_mm;
  if (at.size() < 2) {
    return Refuse(Refusal::kMissingSlices,
                  absl::StrCat("the series has ", at.size(), " slice, a volume has at least 2"));
  }
  std::vector<double> steps;
  for (size_t i = 1; i < at.size(); ++i) steps.push_back(at[i] - at[i - 1]);
  const double median = Median(steps);
  geometry.spacing_mm = median;
  const double regular = std::max(kRegularMm, kRegularShare * median);
  for (size_t i = 0; i < steps.size(); ++i) {
    const double off = std::abs(steps[i] - median);
    if (off <= regular) continue;
    geometry.is_regular = false;
    if (steps[i] > kGapShare * median) {
      ++geometry.n_gaps;
      if (options.allow_gaps) continue;
      return Refuse(Refusal::kMissingSlices,
                    absl::StrCat("between slices ", i + 1, " and ", i + 2, " lie ", steps[i],
                                 " mm, the median is ", median, " mm"));
    }
    if (off > kIrregularShare * median) {
      return Refuse(Refusal::kIrregular,
                    absl::StrCat("slices ", i + 1, " and ", i + 2, " are ", steps[i],
                                 " mm apart, the median is ", median, " mm"));
    }
  }
  return absl::OkStatus();
}

// The slice axis and the affine. The stacking direction comes from positions, never from the
// nominal gantry tilt, whose sign differs by vendor.
absl::Status SetAxes(std::span<const SlicePlace> slices, const Vector3& normal,
                     SeriesGeometry& geometry) {
  const SlicePlace& first = slices[geometry.order.front()];
  const SlicePlace& last = slices[geometry.order.back()];
  const double depth = geometry.distance_mm.back();
  const Vector3 along = Times(Minus(*last.position_mm, *first.position_mm), 1 / depth);
  for (size_t k = 0; k < geometry.order.size(); ++k) {
    const Vector3 offset = Minus(*slices[geometry.order[k]].position_mm, *first.position_mm);
    const double off = Length(Minus(offset, Times(along, geometry.distance_mm[k])));
    if (off > kOffLineMm) {
      return Refuse(Refusal::kIrregular,
                    absl::StrCat("slice ", k + 1, " lies ", off,
                                 " mm beside the line through the first and the last, the limit "
                                 "is ",
                                 kOffLineMm, " mm"));
    }
  }
  const double cosine = std::clamp(Dot(along, normal) / Length(along), -1.0, 1.0);
  geometry.tilt_deg = std::acos(cosine) * 180 / kPi;
  geometry.is_sheared = geometry.tilt_deg > kUprightDeg;
  const Vector3 step = Times(geometry.is_sheared ? along : normal, geometry.spacing_mm);
  const auto& [row, column] = *first.orientation;
  const auto& [row_mm, column_mm] = *first.spacing_mm;
  for (size_t axis = 0; axis < 3; ++axis) {
    geometry.affine[axis] = {row[axis] * column_mm, column[axis] * row_mm, step[axis],
                             (*first.position_mm)[axis]};
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<SliceGroup> GroupSlices(std::span<const SlicePlace> slices) {
  std::vector<SliceGroup> groups;
  for (size_t i = 0; i < slices.size(); ++i) {
    if (slices[i].image_type3 == "LOCALIZER") continue;
    const auto group = std::find_if(groups.begin(), groups.end(), [&](const SliceGroup& other) {
      return SameGroup(slices[i], slices[other.front()]);
    });
    if (group == groups.end()) {
      groups.push_back({i});
    } else {
      group->push_back(i);
    }
  }
  std::vector<SliceGroup> split;
  for (const SliceGroup& group : groups) {
    for (SliceGroup& part : Split(slices, group)) split.push_back(std::move(part));
  }
  std::sort(split.begin(), split.end());
  return split;
}

absl::StatusOr<SeriesGeometry> PlaceSlices(std::span<const SlicePlace> slices,
                                           const SeriesOptions& options) {
  if (slices.empty()) {
    return Refuse(Refusal::kMissingSlices, "the series has 0 slices, a volume has at least 2");
  }
  HILUM_RETURN_IF_ERROR(CheckPlaces(slices, options));
  const auto& [row, column] = *slices.front().orientation;
  const Vector3 across = Cross(row, column);
  const Vector3 normal = Times(across, 1 / Length(across));
  SeriesGeometry geometry;
  HILUM_RETURN_IF_ERROR(Order(slices, normal, geometry));
  HILUM_RETURN_IF_ERROR(CheckSpacing(options, geometry));
  HILUM_RETURN_IF_ERROR(SetAxes(slices, normal, geometry));
  return geometry;
}

}  // namespace hilum::dicom

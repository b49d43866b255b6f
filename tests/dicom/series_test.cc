#include "dicom/series.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "dicom/refusal.h"
#include "tests/status_matchers.h"

namespace hilum::dicom {
namespace {

constexpr double kPi = 3.14159265358979323846;

// Axial slices of 2 mm from z = 100 upwards.
std::vector<SlicePlace> Axial(size_t n) {
  std::vector<SlicePlace> slices(n);
  for (size_t i = 0; i < n; ++i) {
    SlicePlace& slice = slices[i];
    slice.sop_uid = "1.2." + std::to_string(i);
    slice.series_uid = "1.2";
    slice.image_type3 = "AXIAL";
    slice.rows = 64;
    slice.columns = 48;
    slice.position_mm = Vector3{-10, -20, 100 + 2.0 * static_cast<double>(i)};
    slice.orientation = {Vector3{1, 0, 0}, Vector3{0, 1, 0}};
    slice.spacing_mm = {0.8, 0.5};  // between rows, between columns
    slice.thickness_mm = 2;
    slice.pixel_hash = 1000 + i;
  }
  return slices;
}

// All positions moved by `step` a slice more, which tilts the stack.
void Shear(std::vector<SlicePlace>& slices, const Vector3& step) {
  for (size_t i = 0; i < slices.size(); ++i) {
    for (size_t axis = 0; axis < 3; ++axis) {
      (*slices[i].position_mm)[axis] += step[axis] * static_cast<double>(i);
    }
  }
}

std::string CodeFor(const std::vector<SlicePlace>& slices, const SeriesOptions& options = {}) {
  return std::string(CodeOf(PlaceSlices(slices, options).status()));
}

TEST(PlaceSlices, SortsByPositionWhateverTheOrderOfTheFiles) {
  std::vector<SlicePlace> slices = Axial(20);
  std::mt19937 random(7);
  std::shuffle(slices.begin(), slices.end(), random);
  HILUM_ASSERT_OK_AND_ASSIGN(const SeriesGeometry geometry, PlaceSlices(slices));
  ASSERT_EQ(geometry.order.size(), 20u);
  for (size_t k = 0; k < 20; ++k) {
    EXPECT_EQ(slices[geometry.order[k]].sop_uid, "1.2." + std::to_string(k));
    EXPECT_DOUBLE_EQ(geometry.distance_mm[k], 2.0 * static_cast<double>(k));
  }
  EXPECT_DOUBLE_EQ(geometry.spacing_mm, 2);
  EXPECT_TRUE(geometry.is_regular);
  EXPECT_FALSE(geometry.is_sheared);
  // The step of a column is PixelSpacing's second value, the step of a row its first.
  const std::array<std::array<double, 4>, 3> expected = {
      {{0.5, 0, 0, -10}, {0, 0.8, 0, -20}, {0, 0, 2, 100}}};
  EXPECT_EQ(geometry.affine, expected);
}

TEST(PlaceSlices, AscendsAlongTheNormalOfFeetFirstAndCoronalSeries) {
  std::vector<SlicePlace> slices = Axial(5);
  for (SlicePlace& slice : slices) slice.orientation = {Vector3{-1, 0, 0}, Vector3{0, 1, 0}};
  HILUM_ASSERT_OK_AND_ASSIGN(const SeriesGeometry flipped, PlaceSlices(slices));
  EXPECT_EQ(slices[flipped.order[0]].sop_uid, "1.2.4");  // the normal points to the feet
  EXPECT_DOUBLE_EQ(flipped.affine[2][2], -2);
  slices = Axial(5);
  for (size_t i = 0; i < slices.size(); ++i) {
    slices[i].orientation = {Vector3{1, 0, 0}, Vector3{0, 0, -1}};
    slices[i].position_mm = Vector3{0, 3.0 * static_cast<double>(i), 0};
  }
  HILUM_ASSERT_OK_AND_ASSIGN(const SeriesGeometry coronal, PlaceSlices(slices));
  EXPECT_DOUBLE_EQ(coronal.affine[1][2], 3);
  EXPECT_DOUBLE_EQ(coronal.affine[2][1], -0.8);
}

TEST(PlaceSlices, LeavesCopiesOut) {
  std::vector<SlicePlace> slices = Axial(6);
  slices.push_back(slices[2]);  // the same object twice
  SlicePlace copy = slices[4];  // the same pixels under another UID
  copy.sop_uid = "1.2.99";
  slices.push_back(copy);
  HILUM_ASSERT_OK_AND_ASSIGN(const SeriesGeometry geometry, PlaceSlices(slices));
  EXPECT_EQ(geometry.order.size(), 6u);
  EXPECT_EQ(geometry.n_copies, 2u);
}

TEST(PlaceSlices, RefusesTwoSlicesAtOnePlace) {
  std::vector<SlicePlace> slices = Axial(6);
  SlicePlace other = slices[3];
  other.sop_uid = "1.2.99";
  other.pixel_hash = 5;
  (*other.position_mm)[2] += 0.001;
  slices.push_back(other);
  EXPECT_EQ(CodeFor(slices), "AMBIGUOUS_SERIES");
}

TEST(PlaceSlices, RefusesAGapUnlessToldOtherwise) {
  std::vector<SlicePlace> slices = Axial(12);
  slices.erase(slices.begin() + 5);
  const absl::Status status = PlaceSlices(slices).status();
  EXPECT_EQ(status.message(),
            "MISSING_SLICES: between slices 5 and 6 lie 4 mm, the median is 2 mm");
  HILUM_ASSERT_OK_AND_ASSIGN(const SeriesGeometry geometry,
                             PlaceSlices(slices, {.allow_gaps = true}));
  EXPECT_EQ(geometry.n_gaps, 1u);
  EXPECT_FALSE(geometry.is_regular);
  EXPECT_DOUBLE_EQ(geometry.distance_mm.back(), 22);
  EXPECT_EQ(CodeFor({slices[0]}), "MISSING_SLICES");
  EXPECT_EQ(CodeFor({}), "MISSING_SLICES");
}

TEST(PlaceSlices, TellsUnevenFromIrregular) {
  std::vector<SlicePlace> slices = Axial(11);
  (*slices[10].position_mm)[2] += 0.01;  // within 0.02 mm
  HILUM_ASSERT_OK_AND_ASSIGN(const SeriesGeometry even, PlaceSlices(slices));
  EXPECT_TRUE(even.is_regular);
  (*slices[10].position_mm)[2] += 0.1;  // 5.5 %
  HILUM_ASSERT_OK_AND_ASSIGN(const SeriesGeometry uneven, PlaceSlices(slices));
  EXPECT_FALSE(uneven.is_regular);
  EXPECT_NEAR(uneven.distance_mm[10], 20.11, 1e-9);
  (*slices[10].position_mm)[2] += 0.4;
  EXPECT_EQ(CodeFor(slices), "IRREGULAR");
}

TEST(PlaceSlices, MeasuresTheTiltFromPositions) {
  for (const double degrees : {15.0, -15.0}) {
    std::vector<SlicePlace> slices = Axial(10);
    const double sideways = 2 * std::tan(degrees * kPi / 180);
    Shear(slices, {0, sideways, 0});
    HILUM_ASSERT_OK_AND_ASSIGN(const SeriesGeometry geometry, PlaceSlices(slices));
    EXPECT_NEAR(geometry.tilt_deg, 15, 1e-9);
    EXPECT_TRUE(geometry.is_sheared);
    EXPECT_NEAR(geometry.affine[1][2], sideways, 1e-9);
    EXPECT_NEAR(geometry.affine[2][2], 2, 1e-9);
    EXPECT_TRUE(geometry.is_regular);
  }
  std::vector<SlicePlace> slices = Axial(10);
  Shear(slices, {0, 2 * std::tan(0.4 * kPi / 180), 0});
  HILUM_ASSERT_OK_AND_ASSIGN(const SeriesGeometry upright, PlaceSlices(slices));
  EXPECT_FALSE(upright.is_sheared);
  EXPECT_EQ(upright.affine[1][2], 0);
}

TEST(PlaceSlices, KeepsObliqueSeriesRightHanded) {
  const double s = std::sqrt(0.5);
  std::vector<SlicePlace> slices = Axial(8);
  for (size_t i = 0; i < slices.size(); ++i) {
    slices[i].orientation = {Vector3{s, s, 0}, Vector3{0, 0, -1}};
    const double d = 1.5 * static_cast<double>(i);
    slices[i].position_mm = Vector3{-s * d, s * d, 7};
  }
  HILUM_ASSERT_OK_AND_ASSIGN(const SeriesGeometry geometry, PlaceSlices(slices));
  const auto& a = geometry.affine;
  const double determinant = a[0][0] * (a[1][1] * a[2][2] - a[1][2] * a[2][1]) -
                             a[0][1] * (a[1][0] * a[2][2] - a[1][2] * a[2][0]) +
                             a[0][2] * (a[1][0] * a[2][1] - a[1][1] * a[2][0]);
  EXPECT_NEAR(determinant, 0.5 * 0.8 * 1.5, 1e-9);
  EXPECT_NEAR(geometry.spacing_mm, 1.5, 1e-9);
  EXPECT_LT(geometry.tilt_deg, 1e-4);
}

TEST(PlaceSlices, RefusesASliceBesideTheLine) {
  std::vector<SlicePlace> slices = Axial(10);
  (*slices[4].position_mm)[0] += 1;  // the table moved
  EXPECT_EQ(CodeFor(slices), "IRREGULAR");
}

TEST(PlaceSlices, RefusesSlicesThatDoNotSayWhereTheyLie) {
  std::vector<SlicePlace> slices = Axial(4);
  slices[2].position_mm.reset();
  EXPECT_EQ(CodeFor(slices), "NO_POSITION");
  slices = Axial(4);
  slices[2].orientation.reset();
  EXPECT_EQ(CodeFor(slices), "NO_POSITION");
  slices = Axial(4);
  slices[1].spacing_mm.reset();
  EXPECT_EQ(CodeFor(slices), "NO_POSITION");
  slices = Axial(4);
  (*slices[1].position_mm)[2] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(CodeFor(slices), "NO_POSITION");
}

TEST(PlaceSlices, RefusesDirectionsThatAreNone) {
  for (const auto& [row, column] : {std::pair(Vector3{1, 0, 0}, Vector3{0, 1.1, 0}),
                                    std::pair(Vector3{1, 0, 0}, Vector3{0.1, 0.995, 0}),
                                    std::pair(Vector3{0, 0, 0}, Vector3{0, 0, 0})}) {
    std::vector<SlicePlace> slices = Axial(4);
    for (SlicePlace& slice : slices) slice.orientation = {row, column};
    EXPECT_EQ(CodeFor(slices), "ORIENTATION");
  }
}

TEST(PlaceSlices, RefusesThickSlicesAndMixedSeries) {
  std::vector<SlicePlace> slices = Axial(4);
  slices[1].thickness_mm = 7.5;
  EXPECT_EQ(CodeFor(slices), "THICKNESS");
  HILUM_EXPECT_OK(PlaceSlices(slices, {.thickness_limit_mm = 10}).status());
  slices = Axial(4);
  slices[1].kernel = "SHARP";
  EXPECT_EQ(CodeFor(slices), "AMBIGUOUS_SERIES");
}

TEST(GroupSlices, TellsSeriesApart) {
  std::vector<SlicePlace> slices = Axial(2);
  const auto add = [&](auto change) {
    for (SlicePlace slice : Axial(2)) {
      change(slice);
      slices.push_back(slice);
    }
  };
  add([](SlicePlace& s) { s.series_uid = "other"; });
  add([](SlicePlace& s) { s.kernel = "SHARP"; });
  add([](SlicePlace& s) { s.columns = 49; });
  add([](SlicePlace& s) { s.spacing_mm = {0.8, 0.51}; });
  add([](SlicePlace& s) { s.orientation = {Vector3{1, 0, 0}, Vector3{0, 0.9, 0.435889}}; });
  add([](SlicePlace& s) { s.frame_of_reference = "other"; });
  add([](SlicePlace& s) { s.image_type3 = "LOCALIZER"; });
  add([](SlicePlace& s) { s.stack = "2"; });
  add([](SlicePlace& s) { s.spacing_mm = {0.80001, 0.5}; });  // of the first group
  const std::vector<SliceGroup> groups = GroupSlices(slices);
  ASSERT_EQ(groups.size(), 8u);  // the localizers are in none
  EXPECT_EQ(groups[0], (SliceGroup{0, 1, 18, 19}));
}

TEST(GroupSlices, SplitsRepeatedPositionsByAcquisitionThenByTime) {
  std::vector<SlicePlace> slices = Axial(3);
  for (SlicePlace slice : Axial(3)) {
    slice.sop_uid += ".2";
    slice.pixel_hash += 50;
    slices.push_back(slice);
  }
  EXPECT_EQ(GroupSlices(slices).size(), 1u);  // and PlaceSlices refuses it
  EXPECT_EQ(CodeFor(slices), "AMBIGUOUS_SERIES");
  for (size_t i = 0; i < 6; ++i) slices[i].temporal = i < 3 ? 1 : 2;
  EXPECT_EQ(GroupSlices(slices), (std::vector<SliceGroup>{{0, 1, 2}, {3, 4, 5}}));
  for (size_t i = 0; i < 6; ++i) slices[i].temporal.reset();
  for (size_t i = 0; i < 6; ++i) slices[i].acquisition = i < 3 ? 4 : 7;
  EXPECT_EQ(GroupSlices(slices), (std::vector<SliceGroup>{{0, 1, 2}, {3, 4, 5}}));
  // Where positions do not repeat, acquisition numbers do not matter.
  std::vector<SlicePlace> one = Axial(4);
  for (size_t i = 0; i < 4; ++i) one[i].acquisition = static_cast<int64_t>(i);
  EXPECT_EQ(GroupSlices(one).size(), 1u);
}

}  // namespace
}  // namespace hilum::dicom

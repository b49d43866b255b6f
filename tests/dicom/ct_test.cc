#include "dicom/ct.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "dicom/refusal.h"
#include "tests/dicom/film_builder.h"
#include "tests/dicom/vectors.h"
#include "tests/status_matchers.h"

namespace hilum::dicom {
namespace {

constexpr int kRows = 24;
constexpr int kColumns = 20;
constexpr double kSpacing = 2;  // of rows and columns, mm
constexpr double kStep = 3;     // of slices, mm

std::string Mark(absl::string_view kind, absl::string_view value) {
  return absl::StrCat(kind, "#", value);
}

// A parametric thorax in HU: air, an elliptic body, two lungs, and a lesion of 60 HU around
// kLesion. Place in mm, LPS.
constexpr Vector3 kLesion = {-8, 2, 12};
double Phantom(const Vector3& at) {
  const auto inside = [&](double x, double y, double rx, double ry) {
    return std::pow((at[0] - x) / rx, 2) + std::pow((at[1] - y) / ry, 2) <= 1;
  };
  const double to_lesion = std::hypot(at[0] - kLesion[0], at[1] - kLesion[1], at[2] - kLesion[2]);
  if (to_lesion <= 5) return 60;
  if (inside(-8, 0, 6, 12) || inside(8, 0, 6, 12)) return -850;
  return inside(0, 0, 18, 20) ? 40 : -1000;
}

// Far more digits than a header has, far fewer than a double's noise.
double Digits(double x) { return std::round(x * 1e6) / 1e6; }

std::string Join(const Vector3& v) { return absl::StrCat(v[0], "\\", v[1], "\\", v[2]); }

// Stored = HU + 1024.
std::vector<uint16_t> Words(const Vector3& origin, const Vector3& row, const Vector3& column) {
  std::vector<uint16_t> words;
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < kColumns; ++c) {
      Vector3 at = origin;
      for (size_t axis = 0; axis < 3; ++axis) {
        at[axis] = Digits(at[axis] + kSpacing * (row[axis] * c + column[axis] * r));
      }
      words.push_back(static_cast<uint16_t>(Phantom(at) + 1024));
    }
  }
  return words;
}

struct Stack {
  Vector3 row = {1, 0, 0}, column = {0, 1, 0};
  Vector3 first = {-20, -24, 0};  // position of slice 0
  Vector3 step = {0, 0, kStep};
  Vector3 At(int i) const {
    return {first[0] + step[0] * i, first[1] + step[1] * i, first[2] + step[2] * i};
  }
};

Film Slice(const Stack& stack, int i) {
  Film film(kRows, kColumns, 16, Words(stack.At(i), stack.row, stack.column));
  film.Text(0x00080008, "CS", "ORIGINAL\\PRIMARY\\AXIAL").Text(0x00080060, "CS", "CT");
  film.Text(0x00080018, "UI", absl::StrCat("1.2.3.9.", i)).Text(0x00180050, "DS", "3");
  film.Text(0x00200032, "DS", Join(stack.At(i)));
  film.Text(0x00200037, "DS", absl::StrCat(Join(stack.row), "\\", Join(stack.column)));
  film.Text(0x00280030, "DS", "2\\2");
  film.Text(0x00281052, "DS", "-1024").Text(0x00281053, "DS", "1");
  return film;
}

std::vector<CtFile> ReadAll(const std::vector<Film>& films) {
  std::vector<CtFile> files;
  for (const Film& film : films) {
    absl::StatusOr<CtFile> file = ReadCtFile(film.Build());
    EXPECT_TRUE(file.ok()) << file.status();
    if (file.ok()) files.push_back(*std::move(file));
  }
  return files;
}

std::vector<Film> Films(const Stack& stack, int n) {
  std::vector<Film> films;
  for (int i = 0; i < n; ++i) films.push_back(Slice(stack, i));
  return films;
}

// Every voxel holds the phantom's value at the place where the affine puts it.
void ExpectPhantom(const CtVolume& volume) {
  const auto& [n, rows, columns] = volume.shape();
  const auto& affine = volume.geometry().affine;
  int64_t n_wrong = 0, n_lesion = 0;
  for (int64_t k = 0; k < n; ++k) {
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c) {
        Vector3 at{};
        for (size_t axis = 0; axis < 3; ++axis) {
          at[axis] = affine[axis][0] * static_cast<double>(c) +
                     affine[axis][1] * static_cast<double>(r) +
                     affine[axis][2] * static_cast<double>(k) + affine[axis][3];
          at[axis] = Digits(at[axis]);
        }
        const float hu = volume.values()[static_cast<size_t>((k * rows + r) * columns + c)];
        n_wrong += hu != static_cast<float>(Phantom(at));
        n_lesion += hu == 60;
      }
    }
  }
  EXPECT_EQ(n_wrong, 0);
  EXPECT_GT(n_lesion, 5);
}

CtVolume Only(CtSet set) {
  EXPECT_EQ(set.volumes.size(), 1u);
  EXPECT_TRUE(set.volumes.at(0).ok()) << set.volumes.at(0).status();
  return std::move(set.volumes.at(0)).value();
}

std::string CodeFor(const Film& film) {
  return std::string(CodeOf(ReadCtFile(film.Build()).status()));
}

TEST(Ct, ShuffledReversedAndDoubledSlicesGiveOneVolume) {
  std::vector<Film> films = Films({}, 9);
  const CtVolume straight = Only(AssembleCt(ReadAll(films), Mark));
  ExpectPhantom(straight);
  EXPECT_EQ(straight.shape(), (std::array<int64_t, 3>{9, kRows, kColumns}));
  EXPECT_EQ(straight.ids().patient, "patient#ID-1");
  EXPECT_EQ(straight.sources()[4].sop, "sop#1.2.3.9.4");
  std::reverse(films.begin(), films.end());
  EXPECT_EQ(Only(AssembleCt(ReadAll(films), Mark)).values(), straight.values());
  std::mt19937 random(11);
  std::shuffle(films.begin(), films.end(), random);
  films.push_back(films[3]);
  const CtVolume shuffled = Only(AssembleCt(ReadAll(films), Mark));
  EXPECT_EQ(shuffled.values(), straight.values());
  EXPECT_EQ(shuffled.geometry().n_copies, 1u);
  EXPECT_EQ(shuffled.sources()[0].sop, "sop#1.2.3.9.0");
}

TEST(Ct, TiltedAndObliqueStacksKeepEachVoxelsPlace) {
  for (const double sideways : {0.8, -0.8}) {
    Stack tilted;
    tilted.step = {0, sideways, kStep};
    const CtVolume volume = Only(AssembleCt(ReadAll(Films(tilted, 9)), Mark));
    EXPECT_NEAR(volume.geometry().tilt_deg, std::atan(0.8 / kStep) * 180 / 3.14159265, 1e-6);
    EXPECT_TRUE(volume.geometry().is_sheared);
    ExpectPhantom(volume);
  }
  Stack sagittal;
  sagittal.row = {0, 1, 0};
  sagittal.column = {0, 0, -1};
  sagittal.first = {-20, -20, 40};
  sagittal.step = {kStep, 0, 0};
  ExpectPhantom(Only(AssembleCt(ReadAll(Films(sagittal, 13)), Mark)));
}

TEST(Ct, RescalesEachSliceByItsOwnHeader) {
  std::vector<Film> films = Films({}, 2);
  films[1].Text(0x00281053, "DS", "2.5").Text(0x00281052, "DS", "-1000.25");
  const CtVolume volume = Only(AssembleCt(ReadAll(films), Mark));
  const auto stored = static_cast<float>(Phantom({-20, -24, kStep}) + 1024);
  EXPECT_EQ(volume.values()[0], static_cast<float>(Phantom({-20, -24, 0})));
  EXPECT_EQ(volume.values()[kRows * kColumns], stored * 2.5f - 1000.25f);
}

TEST(Ct, NegativeStoredValuesAndPaddingAreRead) {
  std::vector<uint16_t> words(kRows * kColumns, static_cast<uint16_t>(-500));
  words[1] = static_cast<uint16_t>(-2000);
  Film film(kRows, kColumns, 16, words);
  film.Text(0x00080060, "CS", "CT").Text(0x00080008, "CS", "ORIGINAL\\PRIMARY\\AXIAL");
  film.Short(0x00280103, {1}).Short(0x00280120, {static_cast<uint16_t>(-2000)}, "SS");
  HILUM_ASSERT_OK_AND_ASSIGN(const CtFile file, ReadCtFile(film.Build()));
  EXPECT_EQ(file.slices[0].hu[0], -500);
  EXPECT_EQ(file.slices[0].hu[1], kPaddingHu);
}

TEST(Ct, RefusesAGapTwoPatientsAndALonelySlice) {
  std::vector<Film> films = Films({}, 9);
  films.erase(films.begin() + 4);
  CtSet set = AssembleCt(ReadAll(films), Mark);
  EXPECT_EQ(CodeOf(set.volumes.at(0).status()), "MISSING_SLICES");
  films = Films({}, 4);
  films[2].Text(0x00100020, "LO", "ID-2");
  set = AssembleCt(ReadAll(films), Mark);
  EXPECT_EQ(CodeOf(set.volumes.at(0).status()), "AMBIGUOUS_SERIES");
  EXPECT_FALSE(absl::StrContains(set.volumes.at(0).status().message(), "ID-"));
  set = AssembleCt(ReadAll(Films({}, 1)), Mark);
  EXPECT_EQ(CodeOf(set.volumes.at(0).status()), "MISSING_SLICES");
  EXPECT_TRUE(AssembleCt({}, Mark).volumes.empty());
}

TEST(Ct, OneBadSeriesLeavesTheOthersAlone) {
  std::vector<Film> films = Films({}, 5);
  for (Film film : Films({}, 5)) films.push_back(film.Text(0x0020000E, "UI", "1.2.3.77"));
  films[6].Drop(0x00200032);
  const CtSet set = AssembleCt(ReadAll(films), Mark);
  ASSERT_EQ(set.volumes.size(), 2u);
  HILUM_EXPECT_OK(set.volumes[0].status());
  EXPECT_EQ(CodeOf(set.volumes[1].status()), "NO_POSITION");
}

TEST(Ct, RefusesWhatIsNoCtInHounsfieldUnits) {
  EXPECT_EQ(CodeFor(Slice({}, 0).Text(0x00080060, "CS", "MR")), "MODALITY");
  EXPECT_EQ(CodeFor(Slice({}, 0).Text(0x00080008, "CS", "ORIGINAL\\PRIMARY\\LOCALIZER")),
            "LOCALIZER");
  EXPECT_EQ(CodeFor(Slice({}, 0).Text(0x00281054, "LO", "US")), "NOT_HU");
  EXPECT_EQ(CodeFor(Slice({}, 0).Text(0x00281054, "LO", "HU")), "");
  EXPECT_EQ(CodeFor(Slice({}, 0).Text(0x00281053, "DS", "0")), "RESCALE");
  EXPECT_EQ(CodeFor(Slice({}, 0).Text(0x00281053, "DS", "abc")), "RESCALE");
  EXPECT_EQ(CodeFor(Slice({}, 0).Text(0x00280301, "CS", "YES")), "BURNED_IN");
  EXPECT_EQ(CodeFor(Slice({}, 0).Text(0x00080008, "CS", "DERIVED\\SECONDARY\\AXIAL")), "BURNED_IN");
  EXPECT_EQ(CodeFor(Slice({}, 0).Text(0x00280008, "IS", "1").Drop(0x0020000E)), "DICOM");
}

// A few bytes that would become 2 GiB of floats.
TEST(Ct, RefusesAFileThatClaimsMoreVoxelsThanAVolumeHas) {
  Film vast = Slice({}, 0);
  vast.Short(0x00280010, {16384}).Short(0x00280011, {16384}).Text(0x00280008, "IS", "2");
  const Bytes file = vast.BuildCompressed(kRle, {Bytes(64, 0), Bytes(64, 0)});
  EXPECT_THAT(ReadCtFile(file).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "the limit is 268435456 voxels"));
}

// ---- Enhanced CT ----

Element Item(const std::vector<Element>& elements) {
  Bytes content;
  for (const Element& element : elements) AppendBytes(content, Encode(element));
  return {0xFFFEE000, "", content};
}

Element Items(uint32_t tag, const std::vector<Element>& items) {
  Bytes content;
  for (const Element& item : items) AppendBytes(content, Encode(item));
  return {tag, "SQ", content};
}

Element DecimalText(uint32_t tag, const std::string& text) { return {tag, "DS", TextBytes(text)}; }

// Frames of `order` of the stack; the root holds rescale values that must not be used.
Film Enhanced(const Stack& stack, const std::vector<int>& order, size_t n_groups) {
  std::vector<uint16_t> words;
  std::vector<Element> groups;
  for (const int i : order) {
    const std::vector<uint16_t> of_frame = Words(stack.At(i), stack.row, stack.column);
    words.insert(words.end(), of_frame.begin(), of_frame.end());
    groups.push_back(Item({Sequence(0x00209113, {DecimalText(0x00200032, Join(stack.At(i)))})}));
  }
  const Element last = groups.back();
  groups.resize(n_groups, last);
  Film film(kRows, kColumns, 16, words);
  film.Text(0x00080008, "CS", "ORIGINAL\\PRIMARY\\VOLUME").Text(0x00080060, "CS", "CT");
  film.Text(0x00280008, "IS", absl::StrCat(order.size()));
  film.Text(0x00281052, "DS", "-9999").Text(0x00281053, "DS", "7");
  film.Put(Sequence(
      0x52009229,
      {Sequence(0x00209116,
                {DecimalText(0x00200037, absl::StrCat(Join(stack.row), "\\", Join(stack.column)))}),
       Sequence(0x00289110, {DecimalText(0x00180050, "3"), DecimalText(0x00280030, "2\\2")}),
       Sequence(0x00289145, {DecimalText(0x00281052, "-1024"),
                             DecimalText(0x00281053, "1"),
                             {0x00281054, "LO", TextBytes("HU")}})}));
  film.Put(Items(0x52009230, groups));
  return film;
}

TEST(Ct, EnhancedFramesOutOfOrderGiveTheSameVolume) {
  const Stack stack;
  const CtVolume classic = Only(AssembleCt(ReadAll(Films(stack, 6)), Mark));
  const CtVolume enhanced =
      Only(AssembleCt(ReadAll({Enhanced(stack, {3, 0, 5, 1, 4, 2}, 6)}), Mark));
  EXPECT_EQ(enhanced.values(), classic.values());
  EXPECT_EQ(enhanced.geometry().affine, classic.geometry().affine);
  EXPECT_EQ(enhanced.sources()[0].frame, 1);
  EXPECT_EQ(enhanced.sources()[5].frame, 2);
}

TEST(Ct, EnhancedFramesAndGroupsMustAgree) {
  EXPECT_EQ(CodeFor(Enhanced({}, {0, 1, 2}, 2)), "FRAMES");
  EXPECT_EQ(CodeFor(Enhanced({}, {0, 1, 2}, 4)), "FRAMES");
  EXPECT_EQ(CodeFor(Enhanced({}, {0, 1, 2}, 3).Drop(0x52009230)), "FRAMES");
  EXPECT_EQ(CodeFor(Enhanced({}, {0, 1, 2}, 3).Drop(0x52009230).Drop(0x52009229)), "FRAMES");
  EXPECT_EQ(CodeFor(Enhanced({}, {0, 1, 2}, 3).Drop(0x52009229)), "NOT_HU");
}

// A series of a GE scanner whose gantry was tilted by 18.5 degrees.
TEST(Ct, TheStagedSeriesHaveTheirKnownGeometry) {
  const std::optional<fs::path> shared = SharedFolder();
  if (!shared) return;  // phantoms above cover the same code
  for (const auto& [name, tilt] : {std::pair("dcmqactt", 18.5), std::pair("dcmqi", 0.0)}) {
    std::vector<CtFile> files;
    for (const auto& item : fs::directory_iterator(*shared / "dicom" / name)) {
      HILUM_ASSERT_OK_AND_ASSIGN(const Bytes bytes, ReadFile(item.path(), 100 << 20));
      HILUM_ASSERT_OK_AND_ASSIGN(CtFile file, ReadCtFile(bytes, {.reviewed_for_text = true}));
      files.push_back(std::move(file));
    }
    CtSet set = AssembleCt(std::move(files), Mark, {.thickness_limit_mm = 20});
    ASSERT_EQ(set.volumes.size(), 1u) << name;
    HILUM_ASSERT_OK(set.volumes[0].status());
    EXPECT_EQ(set.volumes[0]->shape()[0], 3);
    EXPECT_NEAR(set.volumes[0]->geometry().tilt_deg, tilt, 0.05) << name;
  }
}

}  // namespace
}  // namespace hilum::dicom

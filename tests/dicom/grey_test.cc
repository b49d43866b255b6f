#include "dicom/grey.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "dicom/frames.h"
#include "dicom/refusal.h"
#include "tests/dicom/film_builder.h"
#include "tests/status_matchers.h"

namespace hilum::dicom {
namespace {

absl::StatusOr<GreyImage> Render(const Bytes& file, const GreyOptions& options = {}) {
  HILUM_ASSIGN_OR_RETURN(const SafeFile safe, OpenFile(file));
  HILUM_ASSIGN_OR_RETURN(const Header header, ParseHeader(safe));
  HILUM_ASSIGN_OR_RETURN(const FrameReader frames, FrameReader::Create(safe));
  HILUM_ASSIGN_OR_RETURN(const Bytes frame, frames.Read(0));
  return ToGrey(frame, safe.report().pixels, header, options);
}

std::string CodeFor(const Film& film) { return std::string(CodeOf(Render(film.Build()).status())); }

Film EightBits() { return Film(16, 16, 8, Ramp(256)); }

// A film of 16-bit words.
Film SixteenBits(std::vector<uint16_t> words) {
  const int columns = static_cast<int>(words.size());
  return Film(1, columns, 16, std::move(words));
}

TEST(Grey, EightBitsStayAsTheyAre) {
  HILUM_ASSERT_OK_AND_ASSIGN(const GreyImage image, Render(EightBits().Build()));
  EXPECT_EQ(image.voi, VoiBranch::kAsIs);
  for (int i = 0; i < 256; ++i) EXPECT_EQ(image.grey[static_cast<size_t>(i)], i);
}

// The table of docs/dicom.md: photometric interpretation, shape, first and last of a ramp.
TEST(Grey, InvertsAtMostOnce) {
  struct Row {
    const char* photometric;
    const char* shape;
    int first, last;
    bool inverted, overrides;
  };
  for (const Row& row : {Row{"MONOCHROME2", "", 0, 255, false, false},
                         Row{"MONOCHROME2", "IDENTITY", 0, 255, false, false},
                         Row{"MONOCHROME1", "", 255, 0, true, false},
                         Row{"MONOCHROME2", "INVERSE", 255, 0, true, false},
                         Row{"MONOCHROME1", "INVERSE", 255, 0, true, false},
                         Row{"MONOCHROME1", "IDENTITY", 0, 255, false, true}}) {
    Film film = EightBits();
    film.Text(0x00280004, "CS", row.photometric);
    if (*row.shape != '\0') film.Text(0x20500020, "CS", row.shape);
    HILUM_ASSERT_OK_AND_ASSIGN(const GreyImage image, Render(film.Build()));
    EXPECT_EQ(image.grey.front(), row.first) << row.photometric << row.shape;
    EXPECT_EQ(image.grey.back(), row.last) << row.photometric << row.shape;
    EXPECT_EQ(image.inverted, row.inverted);
    EXPECT_EQ(image.shape_overrides, row.overrides);
  }
}

TEST(Grey, PaddingIsBlackWhateverThePhotometricInterpretation) {
  for (const char* photometric : {"MONOCHROME1", "MONOCHROME2"}) {
    Film film = EightBits();
    film.Text(0x00280004, "CS", photometric).Short(0x00280120, {200});
    HILUM_ASSERT_OK_AND_ASSIGN(const GreyImage image, Render(film.Build()));
    EXPECT_EQ(image.grey[200], 0) << photometric;
    EXPECT_EQ(image.padding[200], 1);
    EXPECT_EQ(std::count(image.padding.begin(), image.padding.end(), 1), 1);
    EXPECT_TRUE(image.padded);
  }
}

TEST(Grey, ThePaddingRangeIncludesBothEndsEitherWayRound) {
  for (const auto& [value, limit] : {std::pair<uint16_t, uint16_t>{10, 20}, {20, 10}}) {
    Film film = EightBits();
    film.Short(0x00280120, {value}).Short(0x00280121, {limit});
    HILUM_ASSERT_OK_AND_ASSIGN(const GreyImage image, Render(film.Build()));
    EXPECT_EQ(std::count(image.padding.begin(), image.padding.end(), 1), 11);
    EXPECT_EQ(image.padding[10] + image.padding[20], 2);
    EXPECT_EQ(image.padding[9] + image.padding[21], 0);
  }
}

TEST(Grey, PaddingIsAStoredValueAndSignedWithThePixels) {
  Film film = SixteenBits({static_cast<uint16_t>(-2'000), 0, 10});
  film.Short(0x00280103, {1}).Short(0x00280120, {static_cast<uint16_t>(-2'000)}, "SS");
  film.Text(0x00281052, "DS", "5").Text(0x00281053, "DS", "1");
  HILUM_ASSERT_OK_AND_ASSIGN(const GreyImage image, Render(film.Build()));
  EXPECT_EQ(image.voi, VoiBranch::kAsIs);  // padding does not count
  EXPECT_EQ(image.grey, (std::vector<uint8_t>{0, 5, 15}));
}

TEST(Grey, AppliesAFractionalSlope) {
  Film film = SixteenBits({0, 1, 3, 100});
  film.Text(0x00281052, "DS", "0.25").Text(0x00281053, "DS", "0.5");
  HILUM_ASSERT_OK_AND_ASSIGN(const GreyImage image, Render(film.Build()));
  EXPECT_EQ(image.grey, (std::vector<uint8_t>{0, 1, 2, 50}));  // 0.25, 0.75, 1.75, 50.25
}

TEST(Grey, MasksBitsAboveBitsStored) {
  Film film = SixteenBits({0xF010, 0x0010, 0x00FF});
  film.Short(0x00280101, {12}).Short(0x00280102, {11});
  HILUM_ASSERT_OK_AND_ASSIGN(const GreyImage image, Render(film.Build()));
  EXPECT_EQ(image.grey, (std::vector<uint8_t>{16, 16, 255}));
}

TEST(Grey, SignedTwelveBitsOfAllOnesAreMinusOne) {
  const PixelHeader pixels{
      .bits_allocated = 16, .bits_stored = 12, .high_bit = 11, .is_signed = true};
  EXPECT_EQ(StoredValue(0x0FFF, pixels), -1);
  EXPECT_EQ(StoredValue(0xFFFF, pixels), -1);
  EXPECT_EQ(StoredValue(0x07FF, pixels), 2'047);
  EXPECT_EQ(StoredValue(0x0800, pixels), -2'048);
}

TEST(Grey, TakesTheWindowBeforeAsIs) {
  Film film = EightBits();
  film.Text(0x00281050, "DS", "128\\64").Text(0x00281051, "DS", "129\\10");
  HILUM_ASSERT_OK_AND_ASSIGN(const GreyImage image, Render(film.Build()));
  EXPECT_EQ(image.voi, VoiBranch::kWindow);
  EXPECT_EQ(image.grey[63], 0);
  EXPECT_EQ(image.grey[192], 255);
}

TEST(Grey, TheVoiLutComesBeforeTheWindow) {
  Film film = EightBits();
  film.Text(0x00281050, "DS", "128").Text(0x00281051, "DS", "256");
  std::vector<uint16_t> entries(256);
  for (uint16_t i = 0; i < 256; ++i) entries[i] = static_cast<uint16_t>(4'095 - i * 16);
  film.Put(Sequence(0x00283010, {{0x00283002, "US", ShortBytes({256, 0, 12})},
                                 {0x00283006, "US", ShortBytes(entries)}}));
  HILUM_ASSERT_OK_AND_ASSIGN(const GreyImage image, Render(film.Build()));
  EXPECT_EQ(image.voi, VoiBranch::kLut);
  EXPECT_EQ(image.grey[0], 255);
  EXPECT_EQ(image.grey[128], 127);  // (4095 - 2048) / 4095 * 255 = 127.47
  EXPECT_EQ(image.grey[255], 1);    // 15 / 4095 * 255 = 0.93
}

TEST(Grey, AModalityLutReplacesSlopeAndIntercept) {
  Film film = SixteenBits({0, 5, 6, 7, 900});
  film.Text(0x00281053, "DS", "0");  // would be refused
  film.Put(Sequence(0x00283000, {{0x00283002, "US", ShortBytes({3, 5, 16})},
                                 {0x00283006, "US", ShortBytes({10, 60, 70})}}));
  HILUM_ASSERT_OK_AND_ASSIGN(const GreyImage image, Render(film.Build()));
  EXPECT_EQ(image.grey, (std::vector<uint8_t>{10, 10, 60, 70, 70}));
}

TEST(Grey, ReadsLutsOfBytes) {
  Film film = SixteenBits({0, 1, 2});
  film.Put(Sequence(0x00283000, {{0x00283002, "US", ShortBytes({3, 0, 8})},
                                 {0x00283006, "OW", Bytes{10, 20, 30, 0}}}));
  HILUM_ASSERT_OK_AND_ASSIGN(const GreyImage image, Render(film.Build()));
  EXPECT_EQ(image.grey, (std::vector<uint8_t>{10, 20, 30}));
}

TEST(Grey, PercentilesCutHalfAPercentAtEachEnd) {
  std::vector<uint16_t> words(1'000);
  for (uint16_t i = 0; i < 1'000; ++i) words[i] = static_cast<uint16_t>(1'000 + i);
  HILUM_ASSERT_OK_AND_ASSIGN(const GreyImage image, Render(SixteenBits(words).Build()));
  EXPECT_EQ(image.voi, VoiBranch::kPercentile);
  // Nearest ranks 5 and 995 of 1000: the values 1004 and 1994.
  EXPECT_EQ(image.grey[4], 0);
  EXPECT_EQ(image.grey[994], 255);
  EXPECT_EQ(image.grey[499], 128);  // (1499 - 1004) / 990 * 255 = 127.5
}

TEST(Grey, PercentilesLeavePaddingOut) {
  std::vector<uint16_t> words(1'000, 60'000);
  for (uint16_t i = 0; i < 500; ++i) words[i] = static_cast<uint16_t>(1'000 + i);
  Film film = SixteenBits(words);
  film.Short(0x00280120, {60'000});
  HILUM_ASSERT_OK_AND_ASSIGN(const GreyImage image, Render(film.Build()));
  EXPECT_EQ(image.grey[499], 255);
  EXPECT_EQ(image.grey[999], 0);
}

TEST(Grey, FullRangeSpansWhatBitsStoredCanHold) {
  Film film = SixteenBits({0, 2'048, 4'095});
  film.Short(0x00280101, {12}).Short(0x00280102, {11});
  HILUM_ASSERT_OK_AND_ASSIGN(const GreyImage image,
                             Render(film.Build(), {.fallback = VoiFallback::kFullRange}));
  EXPECT_EQ(image.voi, VoiBranch::kFullRange);
  EXPECT_EQ(image.grey, (std::vector<uint8_t>{0, 128, 255}));
}

TEST(Grey, AConstantImageIsBlackAndNoFault) {
  HILUM_ASSERT_OK_AND_ASSIGN(const GreyImage image,
                             Render(SixteenBits(std::vector<uint16_t>(9, 5'000)).Build()));
  EXPECT_EQ(image.grey, std::vector<uint8_t>(9, 0));
}

TEST(Grey, RefusesWhatDoesNotConform) {
  EXPECT_EQ(CodeFor(EightBits().Text(0x00281053, "DS", "0")), "RESCALE");
  EXPECT_EQ(CodeFor(EightBits().Text(0x00281053, "DS", "one")), "RESCALE");
  EXPECT_EQ(CodeFor(EightBits().Text(0x00281052, "DS", "inf")), "RESCALE");
  EXPECT_EQ(CodeFor(EightBits().Text(0x00281050, "DS", "1").Text(0x00281051, "DS", "0.2")), "VOI");
  EXPECT_EQ(CodeFor(EightBits().Put(Sequence(0x20500010, {}))), "PRESENTATION_LUT");
  EXPECT_EQ(
      CodeFor(EightBits().Put(Sequence(0x00283010, {{0x00283002, "US", ShortBytes({256, 0, 12})},
                                                    {0x00283006, "US", ShortBytes({1, 2, 3})}}))),
      "VOI");
  EXPECT_EQ(
      CodeFor(EightBits().Put(Sequence(0x00283000, {{0x00283002, "US", ShortBytes({1, 0, 40})},
                                                    {0x00283006, "US", ShortBytes({1})}}))),
      "VOI");
}

}  // namespace
}  // namespace hilum::dicom

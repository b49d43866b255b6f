#include "dicom/png.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "tests/dicom/png_reader.h"
#include "tests/status_matchers.h"

namespace hilum::dicom {
namespace {

Image8 Ramp(int64_t width, int64_t height, int channels) {
  Image8 image{.width = width, .height = height, .channels = channels};
  for (int64_t i = 0; i < width * height * channels; ++i) {
    image.values.push_back(static_cast<uint8_t>(i * 37 + i / 7));
  }
  return image;
}

TEST(Png, IsReadBackAsItWas) {
  for (const int channels : {1, 3}) {
    for (const auto& [width, height] : {std::pair{1, 1}, {7, 5}, {300, 2}, {1, 90}}) {
      const Image8 image = Ramp(width, height, channels);
      HILUM_ASSERT_OK_AND_ASSIGN(const Bytes png, EncodePng(image));
      const Image8 back = DecodePng(png);
      EXPECT_EQ(back.width, width);
      EXPECT_EQ(back.height, height);
      EXPECT_EQ(back.channels, channels);
      EXPECT_EQ(back.values, image.values);
    }
  }
}

TEST(Png, RefusesImagesThatAreNone) {
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(EncodePng({}), StatusIs(kInvalid, "0 x 0"));
  EXPECT_THAT(EncodePng({.width = 2, .height = 2, .channels = 1, .values = {1}}),
              StatusIs(kInvalid, "with 1 values"));
  EXPECT_THAT(EncodePng({.width = 1, .height = 1, .channels = 2, .values = {1, 2}}),
              StatusIs(kInvalid, "x 2"));
  EXPECT_THAT(
      EncodePng(
          {.width = 16'385, .height = 1, .channels = 1, .values = std::vector<uint8_t>(16'385)}),
      StatusIs(kInvalid, "16385"));
}

TEST(Png, IsWrittenToAFile) {
  const fs::path path = fs::path(testing::TempDir()) / "hilum_png_test.png";
  HILUM_ASSERT_OK(WritePng(path, Ramp(4, 4, 1)));
  HILUM_ASSERT_OK_AND_ASSIGN(const Bytes bytes, ReadFile(path, 1'000'000));
  EXPECT_EQ(DecodePng(bytes).values, Ramp(4, 4, 1).values);
  fs::remove(path);
}

}  // namespace
}  // namespace hilum::dicom

#include "dicom/fit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "dicom/refusal.h"
#include "tests/status_matchers.h"

namespace hilum::dicom {
namespace {

GreyImage Image(int64_t rows, int64_t columns, std::vector<uint8_t> grey) {
  GreyImage image{.rows = rows, .columns = columns, .grey = std::move(grey)};
  image.padding.resize(image.grey.size());
  return image;
}

GreyImage Noise(int64_t rows, int64_t columns) {
  std::vector<uint8_t> grey(static_cast<size_t>(rows * columns));
  uint32_t state = 12'345;
  for (uint8_t& value : grey)
    value = static_cast<uint8_t>((state = state * 1'664'525 + 1'013'904'223) >> 24);
  return Image(rows, columns, std::move(grey));
}

// The recipe of docs/dicom.md, pixel by pixel, in double.
double Reference(const GreyImage& image, int size, int row, int column) {
  const int top = static_cast<int>(0.08 * static_cast<double>(image.rows));
  const int rows = static_cast<int>(image.rows) - top;
  const int columns = static_cast<int>(image.columns);
  const int side = std::min(rows, columns);
  const int y0 = top + (rows - side) / 2;
  const int x0 = (columns - side) / 2;
  const auto at = [&](int y, int x) {
    y = y0 + std::clamp(y, 0, side - 1);
    x = x0 + std::clamp(x, 0, side - 1);
    return static_cast<double>(image.grey[static_cast<size_t>(y * columns + x)]);
  };
  const double scale = static_cast<double>(side) / size;
  const double y = (row + 0.5) * scale - 0.5;
  const double x = (column + 0.5) * scale - 0.5;
  const int yi = static_cast<int>(std::floor(y));
  const int xi = static_cast<int>(std::floor(x));
  const double fy = y - yi;
  const double fx = x - xi;
  return ((at(yi, xi) * (1 - fx) + at(yi, xi + 1) * fx) * (1 - fy) +
          (at(yi + 1, xi) * (1 - fx) + at(yi + 1, xi + 1) * fx) * fy) /
         255;
}

TEST(Fit, FollowsTheRecipeInThreeEqualChannels) {
  for (const auto& [rows, columns] : {std::pair<int64_t, int64_t>{300, 256},
                                      {200, 333},
                                      {97, 96},
                                      {128, 128},
                                      {40, 31},
                                      {1, 1}}) {
    const GreyImage image = Noise(rows, columns);
    const Profile profile = FindProfile("cxr128").value();
    HILUM_ASSERT_OK_AND_ASSIGN(const Fitted fitted, Fit(image, profile));
    ASSERT_EQ(fitted.values.size(), 3u * 128 * 128);
    for (int row = 0; row < 128; ++row) {
      for (int column = 0; column < 128; ++column) {
        const size_t at = static_cast<size_t>(row * 128 + column);
        // OpenCV's weights are float32: 2^-24 of a coordinate below 2^9, times a step of 1.
        ASSERT_NEAR(fitted.values[at], Reference(image, 128, row, column), 1e-4)
            << rows << "x" << columns << " " << row << " " << column;
        ASSERT_EQ(fitted.values[at], fitted.values[at + 128 * 128]);
        ASSERT_EQ(fitted.values[at], fitted.values[at + 2 * 128 * 128]);
      }
    }
  }
}

TEST(Fit, LeavesASquareOfTheTargetSizeAlone) {
  // 139 rows: int(0.08 * 139) = 11 are dropped, 128 are left.
  const GreyImage image = Noise(139, 128);
  HILUM_ASSERT_OK_AND_ASSIGN(const Fitted fitted, Fit(image, FindProfile("cxr128").value()));
  EXPECT_EQ(fitted.scale, 1);
  for (size_t i = 0; i < 128 * 128; ++i) {
    ASSERT_EQ(fitted.values[i], static_cast<float>(image.grey[11 * 128 + i]) / 255.0f);
  }
}

TEST(Fit, NeverMixesPaddingIntoPixels) {
  GreyImage image = Image(96, 96, std::vector<uint8_t>(96 * 96, 200));
  for (size_t i = 0; i < image.grey.size(); ++i) {
    if (i % 96 >= 60) {
      image.padding[i] = 1;
      image.grey[i] = 0;
    }
  }
  image.padded = true;
  HILUM_ASSERT_OK_AND_ASSIGN(const Fitted fitted, Fit(image, FindProfile("cxr224").value()));
  // int(0.08 * 96) = 7 rows go; the square takes columns 3 to 91, of which 60 to 91 are padding.
  int n_padding = 0;
  for (size_t i = 0; i < fitted.padding.size(); ++i) {
    n_padding += fitted.padding[i];
    ASSERT_TRUE(!fitted.padding[i] || fitted.values[i] == 0);
  }
  EXPECT_NEAR(n_padding, 224 * 224 * 32 / 89.0, 224);
}

// A 2 x 3 image: row 0 is a b c, row 1 is d e f. What each PatientOrientation turns it into.
TEST(Fit, BringsAllEightOrientationsUpright) {
  struct Case {
    const char* row;
    const char* column;
    std::string upright;  // rows separated by '/'
  };
  for (const Case& test :
       {Case{"L", "F", "abc/def"}, Case{"R", "F", "cba/fed"}, Case{"L", "H", "def/abc"},
        Case{"R", "H", "fed/cba"}, Case{"F", "L", "ad/be/cf"}, Case{"H", "L", "cf/be/ad"},
        Case{"F", "R", "da/eb/fc"}, Case{"H", "R", "fc/eb/da"}}) {
    GreyImage image = Image(2, 3, {'a', 'b', 'c', 'd', 'e', 'f'});
    HILUM_ASSERT_OK_AND_ASSIGN(const std::optional<Turn> turn, TurnOf({test.row, test.column}));
    ASSERT_TRUE(turn.has_value());
    Reorient(*turn, image);
    std::string upright;
    for (int64_t row = 0; row < image.rows; ++row) {
      if (row > 0) upright += '/';
      const auto first = image.grey.begin() + row * image.columns;
      upright.append(first, first + image.columns);
    }
    EXPECT_EQ(upright, test.upright) << test.row << test.column;
  }
}

TEST(Fit, AnAbsentOrientationIsNoTurn) {
  EXPECT_EQ(TurnOf({})->has_value(), false);
  EXPECT_EQ(TurnOf({"L"})->has_value(), false);
  EXPECT_EQ(TurnOf({"", ""})->has_value(), false);
}

TEST(Fit, RefusesTheOrientationOfALateralFilm) {
  EXPECT_EQ(CodeOf(TurnOf({"P", "F"}).status()), "VIEW");
  EXPECT_EQ(CodeOf(TurnOf({"L", "R"}).status()), "VIEW");
  EXPECT_EQ(CodeOf(TurnOf({"SMITH", "F"}).status()), "VIEW");
}

TEST(Profile, HasOneTextForOneRecipe) {
  std::vector<std::string> texts;
  for (const std::string& name : ProfileNames()) {
    HILUM_ASSERT_OK_AND_ASSIGN(const Profile profile, FindProfile(name));
    EXPECT_EQ(name, "cxr" + std::to_string(profile.size_px));
    texts.push_back(profile.canonical_text());
  }
  std::sort(texts.begin(), texts.end());
  EXPECT_EQ(std::unique(texts.begin(), texts.end()), texts.end());
  Profile changed = FindProfile("cxr96").value();
  changed.fallback = VoiFallback::kFullRange;
  EXPECT_NE(changed.canonical_text(), FindProfile("cxr96")->canonical_text());
  EXPECT_THAT(FindProfile("cxr100"), StatusIs(absl::StatusCode::kNotFound, "cxr128"));
}

}  // namespace
}  // namespace hilum::dicom

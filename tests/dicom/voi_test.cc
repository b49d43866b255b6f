#include "dicom/voi.h"

#include <gtest/gtest.h>

#include <cmath>

#include "dicom/refusal.h"
#include "tests/status_matchers.h"

namespace hilum::dicom {
namespace {

Window Make(double centre, double width, const char* function = "") {
  return MakeWindow(centre, width, function).value();
}

// The formulas of PS3.3 section C.11.2.1.2.1 and C.11.2.1.3, written down once more as they stand
// there, with ymin 0 and ymax 255.
double Formula(const char* function, double c, double w, double x) {
  const std::string name = function;
  if (name == "SIGMOID") return 255 / (1 + std::exp(-4 * (x - c) / w));
  if (name == "LINEAR_EXACT") {
    if (x <= c - w / 2) return 0;
    if (x > c + w / 2) return 255;
    return ((x - c) / w + 0.5) * 255;
  }
  if (x <= c - 0.5 - (w - 1) / 2) return 0;
  if (x > c - 0.5 + (w - 1) / 2) return 255;
  return ((x - (c - 0.5)) / (w - 1) + 0.5) * 255;
}

TEST(Voi, AllFunctionsFollowTheFormulaOnAllInputs) {
  for (const char* function : {"LINEAR", "LINEAR_EXACT", "SIGMOID"}) {
    for (const auto& [c, w] : {std::pair{40.0, 400.0},
                               {2048.0, 4096.0},
                               {-600.0, 1500.0},
                               {0.5, 1.0},
                               {40.0, 2.0},
                               {1023.25, 80.5},
                               {0.0, 65536.0}}) {
      const Window window = Make(c, w, function);
      for (int x = -32'768; x <= 32'767; ++x) {
        const double expected = Formula(function, c, w, x);
        ASSERT_NEAR(ApplyWindow(window, x), expected, 1e-9)
            << function << c << " " << w << " " << x;
        ASSERT_EQ(QuantiseHalfUp(ApplyWindow(window, x)), std::floor(expected + 0.5));
      }
    }
  }
}

TEST(Voi, KnownAnswersOfASoftTissueWindow) {
  const Window window = Make(40, 400);
  EXPECT_EQ(QuantiseHalfUp(ApplyWindow(window, -128)), 20);
  EXPECT_EQ(QuantiseHalfUp(ApplyWindow(window, 66)), 144);
  EXPECT_EQ(QuantiseHalfUp(ApplyWindow(window, 194)), 226);
}

TEST(Voi, AWindowOfWidthOneIsAStep) {
  const Window window = Make(100, 1);
  EXPECT_EQ(ApplyWindow(window, 99), 0);
  EXPECT_EQ(ApplyWindow(window, 99.5), 0);
  EXPECT_EQ(ApplyWindow(window, 99.6), 255);
  EXPECT_EQ(ApplyWindow(window, 100), 255);
}

TEST(Voi, TheEndsOfALinearWindowAreBlackAndWhite) {
  const Window window = Make(2048, 4096);
  EXPECT_EQ(ApplyWindow(window, 0), 0);
  EXPECT_EQ(ApplyWindow(window, 4095), 255);
  EXPECT_LT(ApplyWindow(window, 4094), 255);
}

TEST(Voi, RefusesWindowsThatDoNotConform) {
  EXPECT_EQ(CodeOf(MakeWindow(40, 0.5, "").status()), "VOI");
  EXPECT_EQ(CodeOf(MakeWindow(40, 0, "LINEAR_EXACT").status()), "VOI");
  EXPECT_EQ(CodeOf(MakeWindow(40, -1, "SIGMOID").status()), "VOI");
  EXPECT_EQ(CodeOf(MakeWindow(40, INFINITY, "").status()), "VOI");
  EXPECT_EQ(CodeOf(MakeWindow(NAN, 400, "").status()), "VOI");
  EXPECT_EQ(CodeOf(MakeWindow(40, 400, "CUBIC").status()), "VOI");
  HILUM_EXPECT_OK(MakeWindow(40, 0.5, "LINEAR_EXACT"));
}

TEST(Voi, LooksUpWithClampedEnds) {
  const Lut lut{.first = -1, .bits = 8, .entries = {10, 20, 30}};
  EXPECT_EQ(LookUp(lut, -1'000), 10);
  EXPECT_EQ(LookUp(lut, -1), 10);
  EXPECT_EQ(LookUp(lut, 0), 20);
  EXPECT_EQ(LookUp(lut, 0.4), 20);
  EXPECT_EQ(LookUp(lut, 0.5), 30);
  EXPECT_EQ(LookUp(lut, 1e12), 30);
}

TEST(Voi, RoundsHalfUp) {
  EXPECT_EQ(QuantiseHalfUp(0.49), 0);
  EXPECT_EQ(QuantiseHalfUp(0.5), 1);
  EXPECT_EQ(QuantiseHalfUp(254.5), 255);
  EXPECT_EQ(QuantiseHalfUp(300), 255);
  EXPECT_EQ(QuantiseHalfUp(-3), 0);
}

}  // namespace
}  // namespace hilum::dicom

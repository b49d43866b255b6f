#include "kernels/clip.h"

#include "kernels/clip_program.h"
#include "tests/kernels/parity.h"
#include "tests/status_matchers.h"

namespace hilum::kernels {
namespace {

TEST(ScaleInPlace, GivesTheReferencesBitsInEveryWay) {
  for (const float factor : {0.3f, -1.0f, 0.0f, 1e-30f}) {
    for (const int64_t n : SizesAround(ScaleProgram::kTile)) {
      Guarded want(RandomFloats(n));
      ScaleInPlaceReference(want.span(), factor);
      ForEachWay([&](auto launch, const std::string& way) {
        Guarded got(RandomFloats(n));
        launch(ScaleProgram{.values = got.span().data(), .n = n, .factor = factor}, n);
        EXPECT_TRUE(SameBits(got.values(), want.values())) << way << ", n = " << n;
        EXPECT_TRUE(got.GuardsAreIntact()) << way << ", n = " << n;
      });
      Guarded got(RandomFloats(n));
      HILUM_EXPECT_OK(ScaleInPlace(got.span(), factor, Device::kCpu));
      EXPECT_TRUE(SameBits(got.values(), want.values()));
    }
  }
}

}  // namespace
}  // namespace hilum::kernels

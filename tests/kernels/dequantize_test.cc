#include "kernels/dequantize.h"

#include <cmath>

#include "kernels/dequantize_program.h"
#include "tests/kernels/parity.h"
#include "tests/status_matchers.h"

namespace hilum::kernels {
namespace {

std::vector<uint32_t> RandomRing(int64_t n, int ring_bits) {
  std::vector<uint32_t> ring = RandomWords(n);
  for (uint32_t& word : ring) word >>= 32 - ring_bits;
  return ring;
}

TEST(Dequantize, GivesTheReferencesBitsInEveryWay) {
  for (const int ring_bits : {2, 16, 25, 32}) {
    const DequantizeOptions options{.ring_bits = ring_bits, .gain = 1.0 / 3.0};
    for (const int64_t n : SizesAround(DequantizeProgram::kTile)) {
      Guarded ring(RandomRing(n, ring_bits));
      Guarded<double> want(n);
      DequantizeReference(ring.span(), options, want.span());
      ForEachWay([&](auto launch, const std::string& way) {
        Guarded<double> got(n);
        launch(DequantizeProgram{.ring = ring.span().data(),
                                 .mean = got.span().data(),
                                 .n = n,
                                 .gain = options.gain,
                                 .shift = 32 - ring_bits},
               n);
        EXPECT_TRUE(SameBits(got.values(), want.values())) << way << ", n = " << n;
        EXPECT_TRUE(got.GuardsAreIntact()) << way << ", n = " << n;
      });
      Guarded<double> got(n);
      HILUM_EXPECT_OK(Dequantize(ring.span(), options, got.span(), Device::kCpu));
      EXPECT_TRUE(SameBits(got.values(), want.values()));
    }
  }
}

TEST(AddMean, GivesTheReferencesBitsInEveryWay) {
  for (const double rate : {1.0, 0.1, -2.5}) {
    const DequantizeOptions options{.ring_bits = 32, .gain = 1.0 / 3.0e9};
    for (const int64_t n : SizesAround(AddMeanProgram::kTile)) {
      Guarded ring(RandomRing(n, 32));
      Guarded want(RandomFloats(n));
      AddMeanReference(ring.span(), options, rate, want.span());
      ForEachWay([&](auto launch, const std::string& way) {
        Guarded got(RandomFloats(n));
        launch(AddMeanProgram{.ring = ring.span().data(),
                              .model = got.span().data(),
                              .n = n,
                              .gain = options.gain,
                              .rate = rate,
                              .shift = 0},
               n);
        EXPECT_TRUE(SameBits(got.values(), want.values())) << way << ", n = " << n;
        EXPECT_TRUE(got.GuardsAreIntact()) << way << ", n = " << n;
      });
      Guarded got(RandomFloats(n));
      HILUM_EXPECT_OK(AddMean(ring.span(), options, rate, got.span(), Device::kCpu));
      EXPECT_TRUE(SameBits(got.values(), want.values()));
    }
  }
}

// The product is 1 - 2^-60, which rounds to 1: the sum with -1 is 0. A fused multiply-add keeps the
// product's low bits and gives -2^-60.
TEST(AddMean, RoundsTheProductBeforeTheSum) {
  const double rate = 1.0 + 0x1p-30, gain = 1.0 - 0x1p-30;
  std::vector<float> model = {-1.0f};
  HILUM_EXPECT_OK(AddMean(std::vector<uint32_t>{1}, {.ring_bits = 32, .gain = gain}, rate, model,
                          Device::kCpu));
  EXPECT_EQ(model[0], 0.0f);
  EXPECT_NE(static_cast<float>(std::fma(rate, gain, -1.0)), 0.0f);
}

TEST(Dequantize, ReadsTwosComplement) {
  std::vector<double> mean(4);
  HILUM_EXPECT_OK(Dequantize(std::vector<uint32_t>{0, 0x7fff, 0x8000, 0xffff},
                             {.ring_bits = 16, .gain = 0.5}, mean, Device::kCpu));
  EXPECT_EQ(mean, (std::vector<double>{0.0, 16383.5, -16384.0, -0.5}));
}

TEST(Dequantize, RefusesOptionsOutOfRange) {
  const auto refused = absl::StatusCode::kInvalidArgument;
  std::vector<double> mean(2);
  std::vector<float> model(2);
  const std::vector<uint32_t> ring(2);
  EXPECT_THAT(Dequantize(ring, {.ring_bits = 33, .gain = 1.0}, mean, Device::kCpu),
              StatusIs(refused, "a ring of 33 bits"));
  EXPECT_THAT(Dequantize(ring, {.ring_bits = 1, .gain = 1.0}, mean, Device::kCpu),
              StatusIs(refused, "a ring of 1 bits"));
  for (const double gain : {0.0, -1.0, std::nan(""), static_cast<double>(INFINITY)}) {
    EXPECT_THAT(Dequantize(ring, {.ring_bits = 32, .gain = gain}, mean, Device::kCpu),
                StatusIs(refused, "gain"));
    EXPECT_THAT(AddMean(ring, {.ring_bits = 32, .gain = gain}, 1.0, model, Device::kCpu),
                StatusIs(refused, "gain"));
  }
  EXPECT_THAT(AddMean(ring, {.ring_bits = 32, .gain = 1.0}, std::nan(""), model, Device::kCpu),
              StatusIs(refused, "learning rate nan"));
  mean.resize(3);
  EXPECT_THAT(Dequantize(ring, {.ring_bits = 32, .gain = 1.0}, mean, Device::kCpu),
              StatusIs(refused, "2 ring words were given for 3"));
}

}  // namespace
}  // namespace hilum::kernels

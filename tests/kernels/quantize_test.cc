#include "kernels/quantize.h"

#include <cmath>

#include "kernels/clip.h"
#include "kernels/quantize_program.h"
#include "tests/kernels/parity.h"
#include "tests/status_matchers.h"

namespace hilum::kernels {
namespace {

int64_t Signed(uint32_t word, int ring_bits) {
  const int64_t modulus = int64_t{1} << ring_bits;
  return word < modulus / 2 ? word : word - modulus;
}

std::vector<uint32_t> Quantized(const std::vector<float>& values,
                                const std::vector<uint32_t>& random_words,
                                const QuantizeOptions& options) {
  std::vector<uint32_t> ring(values.size());
  HILUM_EXPECT_OK(Quantize(values, random_words, options, ring, Device::kCpu));
  return ring;
}

constexpr QuantizeOptions kUsual{
    .weight = 0.37, .scale = 33554431.0, .value_bits = 26, .ring_bits = 32};
constexpr QuantizeOptions kNarrow{.weight = 1.0, .scale = 200.0, .value_bits = 8, .ring_bits = 16};
constexpr QuantizeOptions kClipped{
    .weight = 0.37, .scale = 33554431.0, .value_bits = 26, .ring_bits = 32, .clip_factor = 0.3f};
constexpr QuantizeOptions kWidest{
    .weight = 1.0, .scale = 2147483647.0, .value_bits = 32, .ring_bits = 32};

TEST(Quantize, GivesTheReferencesBitsInEveryWay) {
  for (const QuantizeOptions& options : {kUsual, kNarrow, kClipped, kWidest}) {
    for (const int64_t n : SizesAround(QuantizeProgram::kTile)) {
      Guarded values(RandomFloats(n));
      Guarded words(RandomWords(n));
      Guarded<uint32_t> want(n);
      QuantizeReference(values.span(), words.span(), options, want.span());
      ForEachWay([&](auto launch, const std::string& way) {
        Guarded<uint32_t> got(n);
        QuantizeProgram program = MakeQuantizeProgram(options);
        program.values = values.span().data();
        program.random_words = words.span().data();
        program.ring = got.span().data();
        program.n = n;
        launch(program, n);
        EXPECT_EQ(got.values(), want.values()) << way << ", n = " << n;
        EXPECT_TRUE(got.GuardsAreIntact()) << way << ", n = " << n;
      });
      EXPECT_EQ(Quantized(values.values(), words.values(), options), want.values());
    }
  }
}

// The bits of two passes in one: no rounding is lost or added.
TEST(Quantize, ClipsAsScaleInPlaceDoes) {
  const std::vector<float> values = RandomFloats(10'007);
  for (const float factor : {0.3f, 0.999999f, 1e-6f}) {
    QuantizeOptions options = kUsual;
    std::vector<float> scaled = values;
    HILUM_EXPECT_OK(ScaleInPlace(scaled, factor, Device::kCpu));
    const std::vector<uint32_t> want = Quantized(scaled, RandomWords(10'007), options);
    options.clip_factor = factor;
    EXPECT_EQ(Quantized(values, RandomWords(10'007), options), want) << factor;
  }
}

TEST(Quantize, LeavesWholeNumbersAsTheyAre) {
  const QuantizeOptions options{.weight = 1.0, .scale = 4.0, .value_bits = 10, .ring_bits = 12};
  const std::vector<float> values = {0.0f, -0.0f, 0.25f, -0.25f, 100.0f, -100.0f};
  for (const uint32_t word : {0u, 1u, 0x7fffffffu, 0xffffffffu}) {
    const std::vector<uint32_t> ring =
        Quantized(values, std::vector<uint32_t>(values.size(), word), options);
    EXPECT_EQ(ring, (std::vector<uint32_t>{0, 0, 1, 4095, 400, 4096 - 400}));
  }
}

TEST(Quantize, NeverLeavesItsBoundWhateverTheWord) {
  const float huge = std::numeric_limits<float>::max();
  const std::vector<float> values = {1.0f, -1.0f, 1.5f, -1.5f, huge, -huge, 0.9999999f};
  for (const int bits : {2, 8, 26, 32}) {
    const int64_t limit = (int64_t{1} << (bits - 1)) - 1;
    for (const double range : {1.0, 0.1, 0.3}) {
      const QuantizeOptions options{.weight = 1.0,
                                    .scale = static_cast<double>(limit) / range,
                                    .value_bits = bits,
                                    .ring_bits = 32};
      for (const uint32_t word : {0u, 0xffffffffu}) {
        for (const uint32_t ring :
             Quantized(values, std::vector<uint32_t>(values.size(), word), options)) {
          EXPECT_LE(std::abs(Signed(ring, 32)), limit) << bits << " " << range;
        }
      }
    }
  }
}

TEST(Quantize, IsUnbiased) {
  constexpr int64_t kDraws = 1 << 20;
  const std::vector<uint32_t> words = RandomWords(kDraws, 77);
  const QuantizeOptions options{.weight = 1.0, .scale = 10.0, .value_bits = 16, .ring_bits = 32};
  for (const float value : {0.03f, -0.03f, 0.77f, -1.249f, 0.05f}) {
    double sum = 0.0;
    for (const uint32_t ring : Quantized(std::vector<float>(kDraws, value), words, options)) {
      sum += static_cast<double>(Signed(ring, 32));
    }
    const double t = static_cast<double>(value) * 10.0;
    const double rest = t - std::floor(t);
    const double deviation = std::sqrt(rest * (1.0 - rest) / kDraws);
    EXPECT_NEAR(sum / kDraws, t, 5.0 * deviation) << value << ", seed 77";
  }
}

TEST(Quantize, IsOffByLessThanOneUnit) {
  const std::vector<float> values = RandomFloats(20'000);
  const std::vector<uint32_t> ring = Quantized(values, RandomWords(20'000), kUsual);
  for (size_t j = 0; j < values.size(); ++j) {
    const double t = static_cast<double>(values[j]) * kUsual.weight * kUsual.scale;
    ASSERT_LT(std::abs(static_cast<double>(Signed(ring[j], 32)) - t), 1.0) << j;
  }
}

TEST(Quantize, RefusesOptionsOutOfRange) {
  std::vector<uint32_t> ring(3);
  const auto with = [&](auto change) {
    QuantizeOptions options = kUsual;
    change(options);
    return Quantize(RandomFloats(3), RandomWords(3), options, ring, Device::kCpu);
  };
  const auto refused = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(with([](auto& o) { o.weight = 0.0; }), StatusIs(refused, "weight 0"));
  EXPECT_THAT(with([](auto& o) { o.weight = 1.5; }), StatusIs(refused, "weight 1.5"));
  EXPECT_THAT(with([](auto& o) { o.weight = std::nan(""); }), StatusIs(refused, "weight nan"));
  EXPECT_THAT(with([](auto& o) { o.scale = 0.0; }), StatusIs(refused, "scale 0"));
  EXPECT_THAT(with([](auto& o) { o.clip_factor = NAN; }), StatusIs(refused, "clip factor nan"));
  EXPECT_THAT(with([](auto& o) { o.scale = INFINITY; }), StatusIs(refused, "scale inf"));
  EXPECT_THAT(with([](auto& o) { o.value_bits = 1; }), StatusIs(refused, "values of 1 bits"));
  EXPECT_THAT(with([](auto& o) { o.value_bits = 33; }), StatusIs(refused, "values of 33 bits"));
  EXPECT_THAT(with([](auto& o) { o.ring_bits = 25; }), StatusIs(refused, "a ring of 25"));
  EXPECT_THAT(with([](auto& o) { o.ring_bits = 33; }), StatusIs(refused, "a ring of 33"));
  EXPECT_THAT(Quantize(RandomFloats(3), RandomWords(2), kUsual, ring, Device::kCpu),
              StatusIs(refused, "3 values, 2 random words and 3 ring words"));
}

}  // namespace
}  // namespace hilum::kernels

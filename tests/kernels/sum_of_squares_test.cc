#include "kernels/sum_of_squares.h"

#include <cmath>

#include "kernels/sum_of_squares_program.h"
#include "tests/kernels/parity.h"
#include "tests/status_matchers.h"

namespace hilum::kernels {
namespace {

using Program = SumOfSquaresProgram;
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Partials {
  std::vector<float> sum;
  std::vector<int32_t> largest;
};

template <class LaunchIt>
Partials TilesOf(LaunchIt launch, std::span<const float> values) {
  const int64_t n = static_cast<int64_t>(values.size());
  const size_t n_tiles = static_cast<size_t>(BlocksFor(n, Program::kTile));
  Partials partials{.sum = std::vector<float>(n_tiles), .largest = std::vector<int32_t>(n_tiles)};
  launch(Program{.values = values.data(),
                 .partial = partials.sum.data(),
                 .largest = partials.largest.data(),
                 .n = n},
         n);
  return partials;
}

// FNV-1a over the bits, word by word.
uint32_t Fingerprint(const std::vector<float>& values) {
  uint32_t hash = 2166136261u;
  for (const float value : values) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    hash = (hash ^ bits) * 16777619u;
  }
  return hash;
}

TEST(MeasureNorms, StaysWithinTheErrorBoundOfTheReference) {
  for (const int64_t n : SizesAround(Program::kTile)) {
    Guarded values(RandomFloats(n));
    const Norms want = MeasureNormsReference(values.span());
    HILUM_ASSERT_OK_AND_ASSIGN(const Norms got, MeasureNorms(values.span(), Device::kCpu));
    EXPECT_NEAR(got.sum_of_squares, want.sum_of_squares,
                kSumOfSquaresRelativeError * want.sum_of_squares);
    EXPECT_EQ(got.max_abs, want.max_abs) << n;
    EXPECT_EQ(got.first_not_finite, -1) << n;  // the guards are NaN: padding is unread
  }
}

TEST(MeasureNorms, GivesTheSameBitsInEveryWay) {
  for (const int64_t n : SizesAround(Program::kTile)) {
    Guarded values(RandomFloats(n));
    const Partials want = TilesOf(
        [](const Program& program, int64_t size) {
          Launch(program, BlocksFor(size, Program::kTile), Isa::kScalar);
        },
        values.span());
    ForEachWay([&](auto launch, const std::string& way) {
      const Partials got = TilesOf(launch, values.span());
      EXPECT_TRUE(SameBits(got.sum, want.sum)) << way << ", n = " << n;
      EXPECT_EQ(got.largest, want.largest) << way << ", n = " << n;
    });
  }
}

// Recorded with g++ 12.2. Another value means another tree, and so other models from old rounds.
TEST(MeasureNorms, KeepsItsRecordedBits) {
  const std::vector<float> values = RandomFloats(100'003);
  ForEachWay([&](auto launch, const std::string& way) {
    EXPECT_EQ(Fingerprint(TilesOf(launch, values).sum), 4232059488u) << way;
  });
}

TEST(MeasureNorms, FindsTheFirstValueThatIsNotFinite) {
  for (const float bad : {kNaN, -kNaN, kInfinity, -kInfinity}) {
    for (const int64_t at : {0, 1, 2047, 2048, 5000, 9999}) {
      std::vector<float> values = RandomFloats(10'000);
      values[static_cast<size_t>(at)] = bad;
      values.back() = bad;
      HILUM_ASSERT_OK_AND_ASSIGN(const Norms norms, MeasureNorms(values, Device::kCpu));
      EXPECT_EQ(norms.first_not_finite, at);
      EXPECT_EQ(MeasureNormsReference(values).first_not_finite, at);
    }
  }
}

TEST(MeasureNorms, SaysInfinityWhenASquareOverflows) {
  const std::vector<float> values(3, 1e30f);
  HILUM_ASSERT_OK_AND_ASSIGN(const Norms norms, MeasureNorms(values, Device::kCpu));
  EXPECT_EQ(norms.first_not_finite, -1);
  EXPECT_EQ(norms.max_abs, 1e30f);
  EXPECT_TRUE(std::isinf(norms.sum_of_squares));
}

TEST(MeasureNorms, AnEmptyVectorHasNormZero) {
  HILUM_ASSERT_OK_AND_ASSIGN(const Norms norms, MeasureNorms({}, Device::kCpu));
  EXPECT_EQ(norms.sum_of_squares, 0.0);
  EXPECT_EQ(norms.max_abs, 0.0f);
  EXPECT_EQ(norms.first_not_finite, -1);
}

}  // namespace
}  // namespace hilum::kernels

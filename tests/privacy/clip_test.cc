#include "privacy/clip.h"

#include <cmath>
#include <limits>
#include <type_traits>

#include "tests/privacy/fixtures.h"
#include "tests/status_matchers.h"

namespace hilum::privacy {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// No other code can make a step's type: only the function before it.
static_assert(!std::is_constructible_v<ModelDelta, std::vector<float>>);
static_assert(!std::is_default_constructible_v<ModelDelta>);
static_assert(!std::is_copy_constructible_v<ModelDelta>);
static_assert(!std::is_constructible_v<ClippedDelta, ModelDelta>);
static_assert(!std::is_default_constructible_v<ClippedDelta>);
static_assert(!std::is_constructible_v<WeightedDelta, ClippedDelta, WeightOptions>);
static_assert(!std::is_constructible_v<QuantizedDelta, std::vector<uint32_t>>);
static_assert(!std::is_constructible_v<NoisedDelta, QuantizedDelta, NoiseMechanism>);
static_assert(!std::is_constructible_v<MaskedUpdate, NoisedDelta, Suite>);
static_assert(!std::is_constructible_v<MaskedTotal, std::vector<uint64_t>, uint32_t>);
static_assert(!std::is_constructible_v<RingTotal, std::vector<uint32_t>, uint32_t>);
static_assert(!std::is_default_constructible_v<MeanDelta>);

absl::StatusOr<ClippedDelta> Clip(std::vector<float> values, double max_norm_l2) {
  return ClipToNorm(ModelDeltaTestPeer::Make(std::move(values)), max_norm_l2);
}

double ExactNorm(const std::vector<float>& values) {
  long double sum = 0.0;
  for (const float value : values) sum += static_cast<long double>(value) * value;
  return static_cast<double>(std::sqrt(sum));
}

TEST(ClipToNorm, ALongDeltaEndsWithinTheNorm) {
  for (const size_t n : {1, 2, 100, 2048, 50'001}) {
    for (const double norm : {10.0, 1.0, 0.3, 1e-6}) {
      const std::vector<float> values = RandomDelta(n, static_cast<uint32_t>(n));
      HILUM_ASSERT_OK_AND_ASSIGN(const ClippedDelta clipped, Clip(values, norm));
      const double exact = ExactNorm(ClippedDeltaTestPeer::Values(clipped));
      EXPECT_LE(exact, norm) << n;
      EXPECT_EQ(clipped.was_clipped(), ExactNorm(values) > norm) << n << " " << norm;
      if (clipped.was_clipped()) {
        EXPECT_GT(exact, norm * (1.0 - 0x1p-17)) << n << " " << norm;
      }
    }
  }
}

// The norm as MeasureNorms rounds it may be a little short: just above the limit must be clipped
// all the same.
TEST(ClipToNorm, TheBoundHoldsJustAboveIt) {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    const std::vector<float> values = RandomDelta(3000, seed);
    const double norm = ExactNorm(values) * (1.0 - 1e-9 * seed);
    HILUM_ASSERT_OK_AND_ASSIGN(const ClippedDelta clipped, Clip(values, norm));
    EXPECT_LE(ExactNorm(ClippedDeltaTestPeer::Values(clipped)), norm) << "seed " << seed;
  }
}

TEST(ClipToNorm, AShortDeltaKeepsItsBits) {
  const std::vector<float> values = RandomDelta(1000, 5);
  HILUM_ASSERT_OK_AND_ASSIGN(const ClippedDelta clipped, Clip(values, 1000.0));
  EXPECT_EQ(ClippedDeltaTestPeer::Values(clipped), values);
  EXPECT_FALSE(clipped.was_clipped());
  EXPECT_NEAR(clipped.unclipped_norm_l2(), ExactNorm(values), 1e-5);
}

TEST(ClipToNorm, KeepsTheDirection) {
  HILUM_ASSERT_OK_AND_ASSIGN(const ClippedDelta clipped, Clip({3.0f, -4.0f, 0.0f}, 1.0));
  const std::vector<float>& values = ClippedDeltaTestPeer::Values(clipped);
  EXPECT_NEAR(values[0], 0.6, 1e-5);
  EXPECT_NEAR(values[1], -0.8, 1e-5);
  EXPECT_EQ(values[2], 0.0f);
  EXPECT_DOUBLE_EQ(clipped.unclipped_norm_l2(), 5.0);
}

TEST(ClipToNorm, NaNRefused) {
  for (const float bad : {kNaN, kInfinity, -kInfinity}) {
    std::vector<float> values = RandomDelta(5000, 9);
    values[4321] = bad;
    EXPECT_THAT(Clip(values, 1.0),
                StatusIs(absl::StatusCode::kDataLoss, "NaN or infinity at parameter 4321 of 5000"));
  }
}

TEST(ClipToNorm, ANormBeyondFloatIsRefused) {
  EXPECT_THAT(Clip({1e30f, 1.0f}, 1.0), StatusIs(absl::StatusCode::kDataLoss, "beyond float32"));
}

TEST(ClipToNorm, RefusesABoundThatIsNone) {
  for (const double norm : {0.0, -1.0, 1e-10, std::nan(""), static_cast<double>(kInfinity)}) {
    EXPECT_THAT(Clip({1.0f}, norm),
                StatusIs(absl::StatusCode::kInvalidArgument, "is not a finite number of at least"));
  }
}

TEST(ClipToNorm, RefusesAGpuThatIsNotThere) {
  EXPECT_THAT(ClipToNorm(ModelDeltaTestPeer::Make({1.0f}), 1.0,
                         kernels::Device(kernels::Device::kCuda, 4095)),
              StatusIs(absl::StatusCode::kFailedPrecondition, "use cpu or auto"));
}

TEST(Weight, StaysBetweenOneAndW) {
  const auto weigh = [](uint32_t weight) {
    return Weight(*Clip({1.0f}, 1.0), {.weight = weight, .max_weight = 10});
  };
  HILUM_EXPECT_OK(weigh(1));
  HILUM_EXPECT_OK(weigh(10));
  for (const uint32_t weight : {0u, 11u, 0xffffffffu}) {
    EXPECT_THAT(weigh(weight),
                StatusIs(absl::StatusCode::kInvalidArgument, "is not in the round's 1 to 10"));
  }
}

}  // namespace
}  // namespace hilum::privacy

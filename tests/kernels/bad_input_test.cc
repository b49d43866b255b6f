// What every kernel makes of inputs at the edge of sense: no coordinate, one coordinate, one site,
// NaN and infinity. Each kernel's own test has its lengths, options and alignments.
#include <cmath>
#include <limits>

#include "kernels/clip.h"
#include "kernels/dequantize.h"
#include "kernels/gram.h"
#include "kernels/integer_sum.h"
#include "kernels/keystream.h"
#include "kernels/krum.h"
#include "kernels/pack.h"
#include "kernels/quantize.h"
#include "kernels/robust_mean.h"
#include "kernels/server_step.h"
#include "kernels/sum_of_squares.h"
#include "kernels/tag_polynomial.h"
#include "kernels/trimmed_mean.h"
#include "kernels/vector_sum.h"
#include "kernels/weighted_mean.h"
#include "tests/kernels/sites.h"
#include "tests/status_matchers.h"

namespace hilum::kernels {
namespace {

constexpr auto kRefused = absl::StatusCode::kInvalidArgument;
constexpr Device kCpu = Device::kCpu;
constexpr QuantizeOptions kQuantize{
    .weight = 1.0, .scale = 127.0, .value_bits = 8, .ring_bits = 16};
constexpr DequantizeOptions kDequantize{.ring_bits = 16, .gain = 0.5};
constexpr ServerStepOptions kStep{.rate = 0.1f};
constexpr CentredClipOptions kClip{.radius = 1.0};
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(EmptyVector, IsNoErrorOfAKernelThatTakesOneVector) {
  HILUM_EXPECT_OK(AddWords({}, {}, kCpu));
  HILUM_EXPECT_OK(SubtractWords({}, {}, kCpu));
  HILUM_EXPECT_OK(ReduceToRing({}, 32, {}, kCpu));
  HILUM_EXPECT_OK(ScaleInPlace({}, 2.0f, kCpu));
  HILUM_EXPECT_OK(Quantize({}, {}, kQuantize, {}, kCpu));
  HILUM_EXPECT_OK(Dequantize({}, kDequantize, {}, kCpu));
  HILUM_EXPECT_OK(AddMean({}, kDequantize, 1.0, {}, kCpu));
  HILUM_EXPECT_OK(ServerStep({}, kStep, {}, kCpu));
  HILUM_EXPECT_OK(ServerStepFromRing({}, kDequantize, kStep, {}, kCpu));
  HILUM_ASSERT_OK_AND_ASSIGN(const Norms norms, MeasureNorms({}, kCpu));
  EXPECT_EQ(norms.first_not_finite, -1);
  HILUM_ASSERT_OK_AND_ASSIGN(const TagValues tags,
                             EvaluateTags(std::span<const uint32_t>(), {1, 2, 3}, kCpu));
  EXPECT_EQ(tags, TagValues{});
  HILUM_ASSERT_OK_AND_ASSIGN(const MaskKeys keys,
                             MaskKeys::Create({}, {.suite = MaskSuite::kChaCha20}));
  HILUM_EXPECT_OK(KeystreamAdd({}, keys, 0, kCpu));
}

TEST(EmptyVector, IsRefusedByARuleOverSites) {
  const std::vector<std::span<const float>> empty(3);
  const std::vector<double> weights(3, 1.0);
  EXPECT_THAT(WeightedMean(empty, weights, {}, kCpu), StatusIs(kRefused, "0 parameters"));
  EXPECT_THAT(CoordinateMedian(empty, {}, kCpu), StatusIs(kRefused, "0 parameters"));
  EXPECT_THAT(TrimmedMean(empty, 1, {}, kCpu), StatusIs(kRefused, "0 parameters"));
  EXPECT_THAT(Gram(empty, kCpu), StatusIs(kRefused, "0 parameters"));
  EXPECT_THAT(GeometricMedian(empty, weights, {}, {}, kCpu), StatusIs(kRefused, "0 parameters"));
  EXPECT_THAT(CentredClip(empty, {}, kClip, {}, kCpu), StatusIs(kRefused, "0 parameters"));
}

TEST(OneSite, IsItsOwnMeanUnderEveryRuleThatTakesOne) {
  for (const int64_t n : {1, 3, 2049}) {  // one coordinate, fewer than a vector has lanes, a tail
    GuardedSites sites(1, n);
    const std::vector<float> want(sites.site(0).begin(), sites.site(0).end());
    const std::vector<double> weights = {0.25};
    const std::vector<float> centre(static_cast<size_t>(n), 0.0f);
    std::vector<float> got(static_cast<size_t>(n));
    HILUM_ASSERT_OK(WeightedMean(sites.updates(), weights, got, kCpu));
    EXPECT_TRUE(SameBits(got, want)) << n;
    HILUM_ASSERT_OK(CoordinateMedian(sites.updates(), got, kCpu));
    EXPECT_TRUE(SameBits(got, want)) << n;
    HILUM_ASSERT_OK(TrimmedMean(sites.updates(), 0, got, kCpu));
    EXPECT_TRUE(SameBits(got, want)) << n;
    HILUM_ASSERT_OK(GeometricMedian(sites.updates(), weights, {}, got, kCpu).status());
    EXPECT_TRUE(SameBits(got, want)) << n;
    HILUM_ASSERT_OK(CentredClip(sites.updates(), centre, {.radius = 1e6}, got, kCpu));
    EXPECT_TRUE(SameBits(got, want)) << n;
    EXPECT_THAT(TrimmedMean(sites.updates(), 1, got, kCpu), StatusIs(kRefused, ""));
    HILUM_ASSERT_OK_AND_ASSIGN(const SiteMatrix gram, Gram(sites.updates(), kCpu));
    EXPECT_EQ(gram.n_sites(), 1);
    EXPECT_THAT(KrumSelect(gram, {.n_faulty = 0}), StatusIs(kRefused, ""));  // n > 2f + 2
  }
}

TEST(OneSite, IsTheWholeExactSum) {
  const std::vector<uint32_t> words = {0, 1, 0xffffffff};
  const std::vector<std::span<const uint32_t>> one = {words};
  std::vector<uint64_t> total(3);
  HILUM_ASSERT_OK(AddVectors(one, total, kCpu));
  EXPECT_EQ(total, (std::vector<uint64_t>{0, 1, 0xffffffff}));
}

TEST(NotFinite, IsNamedByEveryRuleOverSites) {
  for (const float bad : {kNan, kInfinity, -kInfinity}) {
    GuardedSites sites(5, 3000);
    sites.site(3)[2999] = bad;
    const std::vector<double> weights(5, 1.0);
    const std::vector<float> centre(3000);
    std::vector<float> result(3000);
    constexpr char kWhere[] = "site 3's update holds";
    const Updates updates = sites.updates();
    EXPECT_THAT(WeightedMean(updates, weights, result, kCpu), StatusIs(kRefused, kWhere));
    EXPECT_THAT(CoordinateMedian(updates, result, kCpu), StatusIs(kRefused, kWhere));
    EXPECT_THAT(TrimmedMean(updates, 1, result, kCpu), StatusIs(kRefused, kWhere));
    EXPECT_THAT(Gram(updates, kCpu), StatusIs(kRefused, kWhere));
    EXPECT_THAT(GeometricMedian(updates, weights, {}, result, kCpu), StatusIs(kRefused, kWhere));
    EXPECT_THAT(CentredClip(updates, centre, kClip, result, kCpu), StatusIs(kRefused, kWhere));
  }
}

// MeasureNorms finds them before; if they came through, the ring would still hold the sum.
TEST(NotFinite, NeverLeavesTheRangeOfAQuantizedValue) {
  const std::vector<float> bad = {kNan, -kNan, kInfinity, -kInfinity};
  const std::vector<uint32_t> words(4, 0xffffffff);
  std::vector<uint32_t> ring(4);
  HILUM_ASSERT_OK(Quantize(bad, words, kQuantize, ring, kCpu));
  for (const uint32_t word : ring) {
    const int value = static_cast<int16_t>(word);
    EXPECT_LE(std::abs(value), 127) << word;
    EXPECT_LT(word, 1u << 16);
  }
}

TEST(NotFinite, IsRefusedAsAnOption) {
  std::vector<float> model(1), m(1), v(1);
  const std::vector<uint32_t> ring(1);
  for (const double bad : {std::nan(""), HUGE_VAL}) {
    EXPECT_THAT(AddMean(ring, kDequantize, bad, model, kCpu), StatusIs(kRefused, ""));
    EXPECT_THAT(AddMean(ring, {.ring_bits = 16, .gain = bad}, 1.0, model, kCpu),
                StatusIs(kRefused, ""));
    EXPECT_THAT(ServerStep(model, {.rate = static_cast<float>(bad)},
                           {.model = model, .m = m, .v = v}, kCpu),
                StatusIs(kRefused, ""));
  }
}

}  // namespace
}  // namespace hilum::kernels

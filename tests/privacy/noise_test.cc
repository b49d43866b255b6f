#include "privacy/noise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "privacy/accountant.h"
#include "privacy/policy.h"
#include "tests/privacy/fixtures.h"
#include "tests/status_matchers.h"

namespace hilum::privacy {
namespace {

using absl::StatusCode;

// A masked round of ten sites with noise; values have as many bits as fit.
RoundConfig PrivateRound(uint64_t n_params, double sigma = 2.0) {
  RoundConfig config = OpenRound(10, n_params);
  config.mode = RoundMode::kMaskedMean;
  config.suite = Suite::kChaCha20;
  const CohortRule rule = DefaultCohort(10);
  config.c_max = rule.c_max;
  config.drop_max = rule.drop_max;
  config.quorum = rule.quorum;
  config.u_min = rule.u_min;
  config.unit = PrivacyUnit::kSilo;
  config.mechanism = NoiseMechanism::kDiscreteGaussian;
  config.sigma = sigma;
  config.delta = 1e-5;
  config.accountant = kRdpAccountant;
  EXPECT_TRUE(FitValueBits(config).ok());
  return config;
}

// x_i before masks, as an open round would show it.
std::vector<int32_t> Noised(const RoundConfig& config, const std::vector<float>& delta,
                            double loss = 0.5) {
  auto clipped = ClipToNorm(ModelDeltaTestPeer::Make(delta), config.clip_l2);
  auto weighted =
      Weight(*std::move(clipped), {.weight = config.max_weight, .max_weight = config.max_weight});
  auto quantized =
      Quantize(*std::move(weighted), config, {.loss = loss}, RoundingStream::FromFreshRandomness());
  EXPECT_TRUE(quantized.ok()) << quantized.status();
  auto noised = AddNoise(*std::move(quantized), config);
  EXPECT_TRUE(noised.ok()) << noised.status();
  RoundConfig open = config;
  open.mode = RoundMode::kOpen;
  open.suite = Suite::kNone;
  open.unit = PrivacyUnit::kNone;
  auto masked = Mask(*std::move(noised), open);
  EXPECT_TRUE(masked.ok()) << masked.status();
  return {masked->words().begin(), masked->words().end()};
}

TEST(AddNoise, HasTheSitesPartOfTheVariance) {
  constexpr uint64_t kParams = 20'000;
  const RoundConfig config = PrivateRound(kParams);
  HILUM_ASSERT_OK_AND_ASSIGN(const PrivateRelease release, SiloRelease(config));
  EXPECT_EQ(release.n_honest, 5u);  // quorum and u_min 7, of which 2 may tell their noise
  const std::vector<int32_t> words = Noised(config, std::vector<float>(kParams, 0.0f));
  double square = 0.0, sum = 0.0;
  for (size_t i = 0; i < kParams; ++i) {
    square += static_cast<double>(words[i]) * words[i];
    sum += words[i];
  }
  const double sigma = release.sigma * release.l2 / std::sqrt(5.0);
  EXPECT_NEAR(square / kParams / (sigma * sigma), 1.0, 6.0 * std::sqrt(2.0 / kParams));
  EXPECT_NEAR(sum / kParams / sigma, 0.0, 6.0 / std::sqrt(kParams));
}

TEST(AddNoise, ExtrasTellNothing) {
  const RoundConfig config = PrivateRound(8);
  for (const double loss : {0.0, 0.5, 7.0}) {
    const std::vector<int32_t> words = Noised(config, std::vector<float>(8, 0.1f), loss);
    EXPECT_EQ(words[8], static_cast<int32_t>(config.max_weight));
    EXPECT_EQ(words[9], 1);
    EXPECT_EQ(words[10], 0) << "the loss";
  }
}

TEST(AddNoise, IsAnotherEachTime) {
  const RoundConfig config = PrivateRound(64);
  std::set<std::vector<int32_t>> seen;
  for (int i = 0; i < 4; ++i) seen.insert(Noised(config, std::vector<float>(64, 0.0f)));
  EXPECT_EQ(seen.size(), 4u);
}

TEST(NoiseStream, DiffersByPurposeAndCallEvenForOneSecretAndAttempt) {
  const crypto::SecretKey secret = crypto::DeriveKey(AsBytes("a site's secret"), AsBytes("test"));
  const crypto::Rid rid{};
  std::set<std::vector<uint32_t>> seen;
  for (const auto purpose : {NoiseStream::Purpose::kNoise, NoiseStream::Purpose::kSample}) {
    for (int i = 0; i < 2; ++i) {
      std::vector<uint32_t> words(8);
      NoiseStream::Of(secret, rid, purpose).Fill(words);
      seen.insert(words);
    }
  }
  EXPECT_EQ(seen.size(), 4u);
}

TEST(AddNoise, WithUnitRecordTheNoiseWasInTraining) {
  RoundConfig config = PrivateRound(4);
  config.unit = PrivacyUnit::kRecord;
  auto clipped = ClipToNorm(ModelDeltaTestPeer::Make({0.5f, 0, 0, 0}), config.clip_l2);
  auto weighted =
      Weight(*std::move(clipped), {.weight = config.max_weight, .max_weight = config.max_weight});
  HILUM_ASSERT_OK_AND_ASSIGN(QuantizedDelta quantized,
                             Quantize(*std::move(weighted), config, {}, Stream(0)));
  HILUM_ASSERT_OK_AND_ASSIGN(const NoisedDelta noised, AddNoise(std::move(quantized), config));
  EXPECT_EQ(noised.mechanism(), NoiseMechanism::kNone);
}

// Without conditional rounding every second vector or so would be longer than the noise is for.
TEST(Quantize, ARoundingIsNeverLongerThanTheSensitivity) {
  RoundConfig config = PrivateRound(400);
  config.value_bits = 6;  // a coarse grid: rounding is most of the length
  config.scale = ScaleOf(config.range, config.value_bits);
  config.sigma = 1.0;
  HILUM_ASSERT_OK_AND_ASSIGN(const PrivateRelease release, SiloRelease(config));
  const double bound = release.l2 * release.l2;
  RoundConfig plain = config;  // the same grid, without the rule
  plain.unit = PrivacyUnit::kNone;
  plain.mechanism = NoiseMechanism::kNone;
  plain.mode = RoundMode::kOpen;
  plain.suite = Suite::kNone;
  const std::vector<float> delta(400, 0.05f);
  int n_longer = 0;
  for (uint64_t seed = 0; seed < 120; ++seed) {
    const auto length = [&](const RoundConfig& with) {
      auto clipped = ClipToNorm(ModelDeltaTestPeer::Make(delta), with.clip_l2);
      auto weighted =
          Weight(*std::move(clipped), {.weight = with.max_weight, .max_weight = with.max_weight});
      auto quantized = Quantize(*std::move(weighted), with, {}, Stream(0, seed));
      EXPECT_TRUE(quantized.ok()) << quantized.status();
      auto noised = AddNoise(*std::move(quantized), plain);
      const auto masked = Mask(*std::move(noised), plain);
      double square = 0.0;
      for (size_t i = 0; i < 400; ++i) {
        square += std::pow(static_cast<int32_t>(masked->words()[i]), 2.0);
      }
      return square;
    };
    n_longer += length(plain) > bound ? 1 : 0;
    EXPECT_LE(length(config), bound) << seed;
  }
  EXPECT_GT(n_longer, 0) << "the case must need the rule";
}

TEST(Quantize, WithDifferentialPrivacyNoSiteTellsItsNumberOfFilms) {
  const RoundConfig config = PrivateRound(1);
  auto clipped = ClipToNorm(ModelDeltaTestPeer::Make({0.5f}), config.clip_l2);
  auto weighted = Weight(*std::move(clipped), {.weight = 7, .max_weight = config.max_weight});
  EXPECT_THAT(Quantize(*std::move(weighted), config, {}, Stream(0)),
              StatusIs(StatusCode::kInvalidArgument, "every site has the weight W = 1000"));
}

TEST(FitValueBits, LeavesRoomForTheNoiseOfAllSites) {
  const RoundConfig quiet = PrivateRound(100, 0.5), loud = PrivateRound(100, 64.0);
  EXPECT_LT(loud.value_bits, quiet.value_bits);
  EXPECT_LT(quiet.value_bits, MaxValueBits(32, 10));
  RoundConfig more = loud;
  ++more.value_bits;
  more.scale = ScaleOf(more.range, more.value_bits);
  EXPECT_THAT(CheckHeadroom(more), StatusIs(StatusCode::kInvalidArgument, "12 sigma is"));
}

TEST(SiloRelease, CountsOnlyHonestSitesThatEveryTranscriptHas) {
  RoundConfig config = PrivateRound(10);
  HILUM_ASSERT_OK_AND_ASSIGN(const PrivateRelease release, SiloRelease(config));
  EXPECT_EQ(release.n_honest,
            static_cast<uint64_t>(std::max(config.quorum, config.u_min)) - config.c_max);
  // In groups each sum has the noise of its group only.
  for (const RoundMode mode : {RoundMode::kOpen, RoundMode::kGrouped}) {
    config.mode = mode;
    EXPECT_THAT(SiloRelease(config),
                StatusIs(StatusCode::kInvalidArgument, "no distributed noise"));
  }
}

TEST(Dequantize, WithDifferentialPrivacyTheDenominatorIsTheRoster) {
  const RoundConfig config = PrivateRound(2);
  const std::vector<uint64_t> sums = {7, 9, 8 * uint64_t{config.max_weight}, 8, 0};
  const auto mean_of = [&](std::vector<uint64_t> s) -> absl::StatusOr<MeanDelta> {
    RoundConfig open = config;
    open.mode = RoundMode::kOpen;
    open.suite = Suite::kNone;
    open.unit = PrivacyUnit::kNone;
    HILUM_ASSIGN_OR_RETURN(RingTotal ring,
                           Unmask(MaskedTotalTestPeer::Make(std::move(s), 8), open));
    return Dequantize(std::move(ring), config);
  };
  HILUM_ASSERT_OK_AND_ASSIGN(const MeanDelta mean, mean_of(sums));
  EXPECT_DOUBLE_EQ(mean.options().gain, 1.0 / (config.scale * 10.0));
  std::vector<uint64_t> told = sums;
  told[2] -= 1;
  EXPECT_THAT(mean_of(told), StatusIs(StatusCode::kDataLoss, "tell no loss"));
  told = sums;
  told[4] = 1;
  EXPECT_THAT(mean_of(told), StatusIs(StatusCode::kDataLoss, "tell no loss"));
}

}  // namespace
}  // namespace hilum::privacy

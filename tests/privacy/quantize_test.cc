#include "privacy/quantize.h"

#include <cmath>
#include <limits>

#include "crypto/hash.h"
#include "tests/privacy/fixtures.h"
#include "tests/status_matchers.h"

namespace hilum::privacy {
namespace {

std::vector<uint32_t> WordsOf(const absl::StatusOr<MaskedUpdate>& update) {
  EXPECT_TRUE(update.ok()) << update.status();
  return {update->words().begin(), update->words().end()};
}

TEST(Quantize, TheLastCoordinatesAreWeightCountAndLoss) {
  const RoundConfig config = OpenRound(3, 2);
  const std::vector<uint32_t> words =
      WordsOf(Prepare({.delta = {0.5f, -0.5f}, .weight = 17, .loss = 1.25}, config, Stream(0)));
  ASSERT_EQ(words.size(), 5u);
  EXPECT_EQ(words[2], 17u);
  EXPECT_EQ(words[3], 1u);
  EXPECT_EQ(words[4], 81920u);  // 1.25 * 2^16
}

TEST(Quantize, TheLossIsCutAt64) {
  const RoundConfig config = OpenRound(3, 1);
  for (const auto& [loss, want] :
       {std::pair{0.0, 0u}, {64.0, 64u << 16}, {64.1, 64u << 16}, {1e300, 64u << 16}}) {
    EXPECT_EQ(WordsOf(Prepare({.delta = {0.0f}, .loss = loss}, config, Stream(0))).back(), want);
  }
}

TEST(Quantize, RefusesALossThatIsNone) {
  const RoundConfig config = OpenRound(3, 1);
  for (const double loss : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    EXPECT_THAT(Prepare({.delta = {0.0f}, .loss = loss}, config, Stream(0)),
                StatusIs(absl::StatusCode::kDataLoss, "the training loss is"));
  }
  EXPECT_THAT(Prepare({.delta = {0.0f}, .loss = -0.1}, config, Stream(0)),
              StatusIs(absl::StatusCode::kInvalidArgument, "-0.1 is negative"));
}

TEST(Quantize, WeighsBeforeItRounds) {
  RoundConfig config = OpenRound(1, 1);
  config.value_bits = 11;
  config.scale = ScaleOf(1.0, 11);  // 1023
  config.max_weight = 1023;
  // 1023 * (1 / 1023) * 0.999 is just below 1: rounding first and then weighing would give 0 or
  // 1022 times too much.
  const std::vector<uint32_t> words =
      WordsOf(Prepare({.delta = {0.999f}, .weight = 1}, config, Stream(0)));
  EXPECT_LE(words[0], 1u);
}

TEST(Quantize, ASeededJobRepeatsItsBitsAndNoOthers) {
  const RoundConfig config = OpenRound(3, 200'000);  // several batches of words
  const SiteInput input{.delta = RandomDelta(200'000, 3)};
  const std::vector<uint32_t> first = WordsOf(Prepare(input, config, Stream(1)));
  EXPECT_EQ(WordsOf(Prepare(input, config, Stream(1))), first);
  EXPECT_NE(WordsOf(Prepare(input, config, Stream(2))), first);
  EXPECT_NE(WordsOf(Prepare(input, config, Stream(1, /*seed=*/2))), first);
  EXPECT_NE(WordsOf(Prepare(input, config,
                            RoundingStream::FromJobSeed(
                                {.job_seed = 1, .round = {.number = 8}, .site_index = 1}))),
            first);
  EXPECT_NE(WordsOf(Prepare(input, config, RoundingStream::FromFreshRandomness())),
            WordsOf(Prepare(input, config, RoundingStream::FromFreshRandomness())));
}

// The key written out once more: SHA-256(27 || label || seed || round || index), big-endian.
TEST(RoundingStream, IsKeyedBySeedRoundAndIndexAlone) {
  Bytes message;
  const absl::string_view label = "hilum/sa/v1/seeded-rounding";
  AppendU8(message, static_cast<uint8_t>(label.size()));
  AppendText(message, label);
  AppendU64(message, 0x0102030405060708);
  AppendU64(message, 9);
  AppendU16(message, 4);
  crypto::SeededStream want_stream(crypto::Sha256(message));
  std::vector<uint32_t> want(1000), got(1000);
  want_stream.Fill(want);
  RoundingStream::FromJobSeed(
      {.job_seed = 0x0102030405060708, .round = {.number = 9}, .site_index = 4})
      .Fill(got);
  EXPECT_EQ(got, want);
}

TEST(Quantize, IsUnbiasedOverRounds) {
  const RoundConfig config = OpenRound(2, 400);
  RoundConfig coarse = config;
  coarse.value_bits = 6;
  coarse.scale = ScaleOf(1.0, 6);  // 31: every value is rounded hard
  std::vector<float> delta = RandomDelta(400, 21);
  for (float& value : delta) value *= 0.05f;  // norm below 1: not clipped
  std::vector<double> sum(400, 0.0);
  constexpr int kRounds = 2000;
  for (uint64_t seed = 0; seed < kRounds; ++seed) {
    const std::vector<uint32_t> words =
        WordsOf(Prepare({.delta = delta, .weight = 1000}, coarse, Stream(0, seed)));
    for (size_t j = 0; j < 400; ++j) sum[j] += static_cast<int32_t>(words[j]);
  }
  for (size_t j = 0; j < 400; ++j) {
    const double t = static_cast<double>(delta[j]) * coarse.scale;
    // A rounded value's variance is at most 1/4; 6 deviations, 400 values, seeds 0 to 1999.
    EXPECT_NEAR(sum[j] / kRounds, t, 6.0 * std::sqrt(0.25 / kRounds)) << j;
  }
}

TEST(Quantize, RefusesAnUpdateOfAnotherShape) {
  RoundConfig config = OpenRound(3, 10);
  EXPECT_THAT(Prepare({.delta = RandomDelta(9, 1)}, config, Stream(0)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "the update has 9 parameters, the round is for 10"));
  config.n_extras = 4;
  EXPECT_THAT(Prepare({.delta = RandomDelta(10, 1)}, config, Stream(0)),
              StatusIs(absl::StatusCode::kInvalidArgument, "asks for 4 extra coordinates"));
}

TEST(Quantize, RefusesTheWeightOfAnotherRound) {
  const RoundConfig config = OpenRound(3, 1);
  HILUM_ASSERT_OK_AND_ASSIGN(ClippedDelta clipped,
                             ClipToNorm(ModelDeltaTestPeer::Make({0.5f}), 1.0));
  HILUM_ASSERT_OK_AND_ASSIGN(WeightedDelta weighted,
                             Weight(std::move(clipped), {.weight = 1, .max_weight = 999}));
  EXPECT_THAT(Quantize(std::move(weighted), config, {}, Stream(0)),
              StatusIs(absl::StatusCode::kInvalidArgument, "weighted by W = 999"));
}

TEST(Quantize, RefusesARingThatCouldWrap) {
  RoundConfig config = OpenRound(5, 1);
  ++config.value_bits;
  EXPECT_THAT(Prepare({.delta = {0.5f}}, config, Stream(0)),
              StatusIs(absl::StatusCode::kInvalidArgument, "do not fit a ring of 32 bits"));
}

TEST(AddNoise, SaysThatItAddedNone) {
  const RoundConfig config = OpenRound(2, 1);
  HILUM_ASSERT_OK_AND_ASSIGN(ClippedDelta clipped,
                             ClipToNorm(ModelDeltaTestPeer::Make({0.5f}), 1.0));
  HILUM_ASSERT_OK_AND_ASSIGN(WeightedDelta weighted,
                             Weight(std::move(clipped), {.weight = 1, .max_weight = 1000}));
  HILUM_ASSERT_OK_AND_ASSIGN(QuantizedDelta quantized,
                             Quantize(std::move(weighted), config, {}, Stream(0)));
  HILUM_ASSERT_OK_AND_ASSIGN(const NoisedDelta noised, AddNoise(std::move(quantized), config));
  EXPECT_EQ(noised.mechanism(), NoiseMechanism::kNone);
  EXPECT_EQ(noised.n_coords(), 4);
}

TEST(AddNoise, NeverSendsLessNoiseThanWasAgreed) {
  for (const auto mechanism : {NoiseMechanism::kDiscreteGaussian, NoiseMechanism::kSkellam}) {
    RoundConfig config = OpenRound(2, 1);
    config.mechanism = mechanism;
    EXPECT_THAT(Prepare({.delta = {0.5f}}, config, Stream(0)),
                StatusIs(absl::StatusCode::kPermissionDenied, "asks for noise mechanism"));
  }
}

TEST(Mask, SaysThatItMaskedNothing) {
  HILUM_ASSERT_OK_AND_ASSIGN(const MaskedUpdate update,
                             Prepare({.delta = {0.5f}}, OpenRound(2, 1), Stream(0)));
  EXPECT_EQ(update.suite(), Suite::kNone);
}

TEST(Mask, NeverSendsABareVectorWhenAMaskWasAgreed) {
  RoundConfig config = OpenRound(2, 1);
  config.suite = Suite::kAes256Ctr;
  EXPECT_THAT(Prepare({.delta = {0.5f}}, config, Stream(0)),
              StatusIs(absl::StatusCode::kPermissionDenied, "no mask key was given"));
  config.suite = Suite::kNone;
  config.mode = RoundMode::kMaskedMean;
  EXPECT_THAT(Prepare({.delta = {0.5f}}, config, Stream(0)),
              StatusIs(absl::StatusCode::kPermissionDenied, "no mask key was given"));
}

}  // namespace
}  // namespace hilum::privacy

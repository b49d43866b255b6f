#include "privacy/unmask.h"

#include <algorithm>
#include <cmath>

#include "kernels/integer_sum.h"
#include "tests/privacy/fixtures.h"
#include "tests/status_matchers.h"

namespace hilum::privacy {
namespace {

// The vectors of all sites, added in the given order of arrival.
MaskedTotal Sum(const std::vector<std::vector<uint32_t>>& vectors,
                const std::vector<size_t>& order) {
  std::vector<uint64_t> sums(vectors[0].size(), 0);
  for (const size_t i : order) {
    EXPECT_TRUE(kernels::AddWords(vectors[i], sums, kernels::Device::kCpu).ok());
  }
  return MaskedTotalTestPeer::Make(std::move(sums), static_cast<uint32_t>(order.size()));
}

std::vector<size_t> InOrder(size_t n) {
  std::vector<size_t> order(n);
  for (size_t i = 0; i < n; ++i) order[i] = i;
  return order;
}

std::vector<std::vector<uint32_t>> Vectors(const std::vector<SiteInput>& inputs,
                                           const RoundConfig& config) {
  std::vector<std::vector<uint32_t>> vectors;
  for (uint16_t i = 0; i < inputs.size(); ++i) {
    const absl::StatusOr<MaskedUpdate> update = Prepare(inputs[i], config, Stream(i));
    EXPECT_TRUE(update.ok()) << update.status();
    vectors.emplace_back(update->words().begin(), update->words().end());
  }
  return vectors;
}

absl::StatusOr<MeanDelta> MeanOf(const MaskedTotal& total, const RoundConfig& config) {
  HILUM_ASSIGN_OR_RETURN(RingTotal ring, Unmask(total, config));
  return Dequantize(std::move(ring), config);
}

std::vector<double> ValuesOf(const MeanDelta& mean) {
  std::vector<double> values(static_cast<size_t>(mean.n_params()));
  EXPECT_TRUE(
      kernels::Dequantize(mean.words(), mean.options(), values, kernels::Device::kCpu).ok());
  return values;
}

TEST(DrawChunks, AreDrawnAfreshAndHaveTheExtraCoordinates) {
  RoundConfig config = OpenRound(5, 8 * 10'000 - 2);  // its last two chunks have extra ones
  config.chunk_coords = 8;
  const std::vector<uint32_t> few = DrawChunks(config, 500), other = DrawChunks(config, 500);
  EXPECT_NE(few, other);
  EXPECT_GT(few.size(), 110u);  // 200 of 10,001 are expected, 14 is a standard deviation
  EXPECT_LT(few.size(), 290u);
  for (const auto& chunks : {few, other}) {
    EXPECT_EQ(chunks.back(), 10'000u);
    EXPECT_EQ(chunks[chunks.size() - 2], 9'999u);
    EXPECT_TRUE(std::is_sorted(chunks.begin(), chunks.end()));
  }
  EXPECT_EQ(DrawChunks(config, 10).size(), 10'001u);
}

// Coordinate values of the largest norm that clipping lets through, in one coordinate.
TEST(RoundTrip, MaximalInputsFromAllSitesDoNotWrap) {
  for (const uint16_t n : {1, 2, 5, 6, 50, 500}) {
    for (const float sign : {1.0f, -1.0f}) {
      RoundConfig config = OpenRound(n, 1);
      config.max_weight = 1'000'000;
      const std::vector<SiteInput> inputs(
          n, {.delta = {sign * 1e6f}, .weight = config.max_weight, .loss = 1e6});
      HILUM_ASSERT_OK_AND_ASSIGN(const MeanDelta mean,
                                 MeanOf(Sum(Vectors(inputs, config), InOrder(n)), config));
      EXPECT_NEAR(ValuesOf(mean)[0], sign, 2e-5) << n;  // what ClipToNorm's margin takes
      EXPECT_EQ(mean.total_weight(), n * uint64_t{1'000'000});
      EXPECT_EQ(mean.mean_loss(), 64.0);
    }
  }
}

// The words that a site could send at most, clip or no clip: two's complement of +-(2^(b_x-1) - 1).
TEST(RoundTrip, TheLargestWordsOfAllSitesDoNotWrap) {
  for (const uint16_t n : {1, 2, 3, 5, 50, 500}) {
    const RoundConfig config = OpenRound(n, 2);
    const uint32_t largest = (uint32_t{1} << (config.value_bits - 1)) - 1;
    const std::vector<std::vector<uint32_t>> vectors(n, {largest, ~largest + 1, 1, 1, 0});
    HILUM_ASSERT_OK_AND_ASSIGN(const MeanDelta mean, MeanOf(Sum(vectors, InOrder(n)), config));
    const double unit = mean.options().gain;
    EXPECT_DOUBLE_EQ(ValuesOf(mean)[0], static_cast<double>(largest) * n * unit) << n;
    EXPECT_DOUBLE_EQ(ValuesOf(mean)[1], -static_cast<double>(largest) * n * unit) << n;
  }
}

TEST(RoundTrip, TheMeanIsWithinTheErrorBound) {
  for (const uint16_t n : {2, 6, 17}) {
    const RoundConfig config = OpenRound(n, 3000);
    std::vector<SiteInput> inputs;
    std::vector<double> want(3000, 0.0);
    double total_weight = 0.0;
    for (uint32_t i = 0; i < n; ++i) {
      SiteInput input{.delta = RandomDelta(3000, i), .weight = 1 + 37 * i % 900, .loss = 0.25 * i};
      for (float& value : input.delta) value *= 0.01f;  // norm about 0.3: not clipped
      for (size_t j = 0; j < 3000; ++j) want[j] += input.weight * double{input.delta[j]};
      total_weight += input.weight;
      inputs.push_back(std::move(input));
    }
    HILUM_ASSERT_OK_AND_ASSIGN(const MeanDelta mean,
                               MeanOf(Sum(Vectors(inputs, config), InOrder(n)), config));
    // Each site is off by less than 1/s, all by less than n/s; the factor W/total brings that to
    // the mean (secure_aggregation.md, section 6, "Error").
    const double bound = n * config.max_weight / total_weight / config.scale;
    const std::vector<double> got = ValuesOf(mean);
    for (size_t j = 0; j < 3000; ++j) ASSERT_LT(std::abs(got[j] - want[j] / total_weight), bound);
    EXPECT_EQ(mean.total_weight(), total_weight);
    EXPECT_EQ(mean.n_members(), n);
    EXPECT_NEAR(mean.mean_loss(), 0.25 * (n - 1) / 2, 1e-4);
  }
}

TEST(RoundTrip, AnyOrderOfArrivalGivesTheSameModel) {
  const RoundConfig config = OpenRound(6, 5000);
  std::vector<SiteInput> inputs;
  for (uint32_t i = 0; i < 6; ++i)
    inputs.push_back({.delta = RandomDelta(5000, i), .weight = i + 1});
  const std::vector<std::vector<uint32_t>> vectors = Vectors(inputs, config);
  const std::vector<float> before = RandomDelta(5000, 99);
  std::vector<float> want = before;
  HILUM_ASSERT_OK_AND_ASSIGN(const MeanDelta mean, MeanOf(Sum(vectors, InOrder(6)), config));
  HILUM_ASSERT_OK(AddMean(mean, 1.0, want));
  EXPECT_NE(want, before);
  std::vector<size_t> order = InOrder(6);
  while (std::next_permutation(order.begin(), order.end())) {
    HILUM_ASSERT_OK_AND_ASSIGN(const MeanDelta again, MeanOf(Sum(vectors, order), config));
    std::vector<float> got = before;
    HILUM_ASSERT_OK(AddMean(again, 1.0, got));
    ASSERT_EQ(got, want);
  }
}

TEST(AddMean, RefusesAModelOfAnotherLength) {
  const RoundConfig config = OpenRound(1, 3);
  HILUM_ASSERT_OK_AND_ASSIGN(
      const MeanDelta mean,
      MeanOf(Sum(Vectors({{.delta = {0.1f, 0.2f, 0.3f}}}, config), {0}), config));
  std::vector<float> model(4);
  EXPECT_THAT(AddMean(mean, 1.0, model),
              StatusIs(absl::StatusCode::kInvalidArgument, "3 ring words were given for 4"));
  model.resize(3);
  EXPECT_THAT(AddMean(mean, std::nan(""), model),
              StatusIs(absl::StatusCode::kInvalidArgument, "learning rate nan"));
}

TEST(Unmask, RefusesASumThatItsMembersCannotReach) {
  const RoundConfig config = OpenRound(2, 1);
  const uint64_t most = 2 * uint64_t{0xffffffff};
  HILUM_EXPECT_OK(Unmask(MaskedTotalTestPeer::Make({most, 2, 2, 0}, 2), config));
  EXPECT_THAT(Unmask(MaskedTotalTestPeer::Make({most + 1, 2, 2, 0}, 2), config),
              StatusIs(absl::StatusCode::kDataLoss, "coordinate 0 sums to 8589934591"));
}

TEST(Unmask, RefusesMasksThatItCannotRemove) {
  RoundConfig config = OpenRound(2, 1);
  config.mode = RoundMode::kMaskedMean;
  EXPECT_THAT(Unmask(MaskedTotalTestPeer::Make({0, 2, 2, 0}, 2), config),
              StatusIs(absl::StatusCode::kPermissionDenied, "no key was given that removes masks"));
}

TEST(Unmask, RefusesASumOfAnotherLength) {
  RoundConfig config = OpenRound(2, 1);
  EXPECT_THAT(Unmask(MaskedTotalTestPeer::Make({0, 2, 2}, 2), config),
              StatusIs(absl::StatusCode::kInvalidArgument, "the sum has 3 coordinates"));
  config.n_params = uint64_t{0} - 3;  // d + 3 is 0 in 64 bits
  EXPECT_THAT(Unmask(MaskedTotalTestPeer::Make({}, 2), config),
              StatusIs(absl::StatusCode::kInvalidArgument, "the sum has 0 coordinates"));
}

TEST(Dequantize, RefusesExtrasThatItsMembersCannotSend) {
  const RoundConfig config = OpenRound(3, 1);  // W = 1000
  const auto with = [&](uint64_t weight, uint64_t count, uint64_t loss, uint32_t n_members) {
    return MeanOf(MaskedTotalTestPeer::Make({0, weight, count, loss}, n_members), config);
  };
  constexpr uint64_t kMostLoss = 64 << 16;
  HILUM_EXPECT_OK(with(2, 2, 0, 2));
  HILUM_EXPECT_OK(with(2000, 2, 2 * kMostLoss, 2));
  const auto refused = absl::StatusCode::kDataLoss;
  EXPECT_THAT(with(10, 3, 0, 2), StatusIs(refused, "count coordinate is 3, the sum is of 2"));
  EXPECT_THAT(with(10, 1, 0, 2), StatusIs(refused, "count coordinate is 1, the sum is of 2"));
  EXPECT_THAT(with(0, 0, 0, 0), StatusIs(refused, "count coordinate is 0, the sum is of 0"));
  EXPECT_THAT(with(1, 2, 0, 2), StatusIs(refused, "weights of 2 updates sum to 1,"));
  EXPECT_THAT(with(2001, 2, 0, 2), StatusIs(refused, "weights of 2 updates sum to 2001"));
  EXPECT_THAT(with(10, 2, 2 * kMostLoss + 1, 2), StatusIs(refused, "losses of 2 updates"));
}

}  // namespace
}  // namespace hilum::privacy

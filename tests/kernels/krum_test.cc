#include "kernels/krum.h"

#include <algorithm>

#include "kernels/weighted_mean.h"
#include "tests/kernels/sites.h"
#include "tests/status_matchers.h"

namespace hilum::kernels {
namespace {

constexpr auto kRefused = absl::StatusCode::kInvalidArgument;

// Squared distances of points on a line.
SiteMatrix OnALine(const std::vector<double>& points) {
  SiteMatrix distances(std::ssize(points));
  for (size_t i = 0; i < points.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      distances.Set(static_cast<int64_t>(i), static_cast<int64_t>(j),
                    (points[i] - points[j]) * (points[i] - points[j]));
    }
  }
  return distances;
}

TEST(KrumScores, AddTheNearestDistances) {
  // n = 6, f = 1: the 3 nearest of each.
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<double> scores,
                             KrumScores(OnALine({0, 1, 2, 4, 7, 100}), 1));
  EXPECT_EQ(scores, (std::vector<double>{1 + 4 + 16, 1 + 1 + 9, 1 + 4 + 4, 4 + 9 + 9, 9 + 25 + 36,
                                         93 * 93 + 96 * 96 + 98 * 98}));
}

TEST(KrumSelect, TakesTheLowestScoresFirst) {
  const SiteMatrix distances = OnALine({0, 1, 2, 4, 7, 100});
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<int64_t> one,
                             KrumSelect(distances, {.n_faulty = 1}));
  EXPECT_EQ(one, (std::vector<int64_t>{2}));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<int64_t> five,
                             KrumSelect(distances, {.n_faulty = 1, .n_selected = 5}));
  EXPECT_EQ(five, (std::vector<int64_t>{2, 1, 0, 3, 4}));
}

TEST(KrumSelect, TiesGoToTheLowerIndex) {
  const SiteMatrix distances = OnALine({1, 1, 1, 1, 1});
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<int64_t> three,
                             KrumSelect(distances, {.n_faulty = 1, .n_selected = 3}));
  EXPECT_EQ(three, (std::vector<int64_t>{0, 1, 2}));
}

TEST(KrumSelect, RefusesTooManyFaultySitesWithTheFormula) {
  const SiteMatrix four = OnALine({1, 2, 3, 4}), five = OnALine({1, 2, 3, 4, 5});
  EXPECT_THAT(KrumSelect(four, {.n_faulty = 1}),
              StatusIs(kRefused, "4 sites and 1 faulty ones: needed is 0 <= f and n > 2f + 2 = 4"));
  HILUM_EXPECT_OK(KrumSelect(five, {.n_faulty = 1}).status());
  EXPECT_THAT(KrumSelect(OnALine({1, 2}), {.n_faulty = 0}), StatusIs(kRefused, "n > 2f + 2 = 2"));
  EXPECT_THAT(KrumSelect(five, {.n_faulty = -1}), StatusIs(kRefused, "0 <= f"));
  for (const int64_t m : {-1, 0, 5}) {
    EXPECT_THAT(KrumSelect(five, {.n_faulty = 1, .n_selected = m}),
                StatusIs(kRefused, "1 <= m <= n - f = 4"));
  }
}

// Seven honest sites near one point, and two that send a multiple of it.
class Attack : public testing::TestWithParam<float> {};

TEST_P(Attack, MultiKrumLeavesTheAttackersOut) {
  constexpr int64_t kSites = 9, kFaulty = 2, kParams = 5000;
  const std::vector<float> centre = RandomFloats(kParams, 40);
  std::vector<std::vector<float>> values;
  for (uint32_t site = 0; site < kSites; ++site) {
    const std::vector<float> noise = RandomFloats(kParams, 50 + site);
    values.push_back(centre);
    for (size_t k = 0; k < centre.size(); ++k) {
      values.back()[k] = site < kFaulty ? centre[k] * GetParam() : centre[k] + 0.1f * noise[k];
    }
  }
  const GuardedSites sites(values);
  HILUM_ASSERT_OK_AND_ASSIGN(const SiteMatrix gram, Gram(sites.updates(), Device::kCpu));
  HILUM_ASSERT_OK_AND_ASSIGN(
      const std::vector<int64_t> kept,
      KrumSelect(SquaredDistances(gram), {.n_faulty = kFaulty, .n_selected = kSites - kFaulty}));
  EXPECT_EQ(std::count_if(kept.begin(), kept.end(), [](int64_t i) { return i < kFaulty; }), 0);
}
INSTANTIATE_TEST_SUITE_P(SignFlipAndReplacement, Attack, testing::Values(-1.0f, 9.0f, -100.0f));

TEST(BulyanSelect, TakesTheChosenOneOutEachTime) {
  // n = 7, f = 1: 5 are kept, and never the one far away.
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<int64_t> kept,
                             BulyanSelect(OnALine({100, 0, 1, 2, 4, 7, 11}), 1));
  // By hand: 2 with 1 + 4 + 4 + 25; then 4 with 9 + 9 + 16; 1 with 1 + 36; 7 with 16 before 11;
  // then 0 before 11, both 11 apart.
  EXPECT_EQ(kept, (std::vector<int64_t>{3, 4, 2, 5, 1}));
}

TEST(BulyanSelect, RefusesTooManyFaultySitesWithTheFormula) {
  EXPECT_THAT(BulyanSelect(OnALine({1, 2, 3, 4, 5, 6}), 1),
              StatusIs(kRefused, "needed is 0 <= f and n >= 4f + 3 = 7"));
  EXPECT_THAT(BulyanSelect(OnALine({1, 2, 3}), -1), StatusIs(kRefused, "0 <= f"));
}

}  // namespace
}  // namespace hilum::kernels

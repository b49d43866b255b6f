#include "kernels/weighted_mean.h"

#include <cmath>

#include "kernels/weighted_mean_program.h"
#include "tests/kernels/sites.h"
#include "tests/status_matchers.h"

namespace hilum::kernels {
namespace {

using Program = WeightedSumProgram;
constexpr auto kRefused = absl::StatusCode::kInvalidArgument;
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<double> SomeWeights(int64_t n_sites) {
  std::vector<double> weights;
  for (int64_t site = 0; site < n_sites; ++site) weights.push_back(1.0 + 0.37 * site);
  return weights;
}

TEST(WeightedSum, GivesTheReferencesBitsInEveryWay) {
  for (const int64_t n_sites : {1, 2, 3, 4, 5, 8, 11}) {
    for (const int64_t n : SizesAround(Program::kTile)) {
      GuardedSites sites(n_sites, n);
      const std::vector<double> weights = SomeWeights(n_sites);
      Guarded<float> want(n);
      WeightedSumReference(sites.updates(), weights, 0.3, want.span());
      const std::vector<const float*> addresses = Addresses(sites.updates());
      ForEachWay([&](auto launch, const std::string& way) {
        for (const bool streaming : {false, true}) {
          Guarded<float> got(n);
          Guarded<int32_t> marks(BlocksFor(n, Program::kTile));
          launch(Program{.sites = addresses.data(),
                         .weights = weights.data(),
                         .sum = got.span().data(),
                         .marks = marks.span().data(),
                         .n_sites = n_sites,
                         .n = n,
                         .gain = 0.3,
                         .streaming = streaming},
                 n);
          EXPECT_TRUE(SameBits(got.values(), want.values())) << way << ", " << n_sites << ", " << n;
          EXPECT_TRUE(got.GuardsAreIntact() && marks.GuardsAreIntact()) << way << ", n = " << n;
          for (const int32_t mark : marks.values()) EXPECT_EQ(mark, 0) << way;
        }
      });
    }
  }
}

TEST(WeightedSum, GivesTheSameBitsOnAnyNumberOfThreads) {
  GuardedSites sites(7, 40 * Program::kTile + 77);
  const std::vector<double> weights = SomeWeights(7);
  std::vector<float> want(sites.updates()[0].size());
  WeightedSumReference(sites.updates(), weights, 1.0, want);
  for (const int n_threads : {1, 2, 3, 8}) {
    SetCpuThreads(n_threads);
    std::vector<float> got(want.size());
    HILUM_EXPECT_OK(WeightedSum(sites.updates(), weights, got, Device::kCpu));
    EXPECT_TRUE(SameBits(got, want)) << n_threads;
  }
  SetCpuThreads(0);
}

TEST(WeightedSum, GivesTheReferencesBitsWhereItsStoresPassTheCaches) {
  GuardedSites sites(3, (1 << 20) + 5);
  const std::vector<double> weights = SomeWeights(3);
  std::vector<float> want(sites.updates()[0].size());
  WeightedSumReference(sites.updates(), weights, 1.0, want);
  Guarded<float> got(static_cast<int64_t>(want.size()));
  HILUM_EXPECT_OK(WeightedSum(sites.updates(), weights, got.span(), Device::kCpu));
  EXPECT_TRUE(SameBits(got.values(), want));
  EXPECT_TRUE(got.GuardsAreIntact());
}

TEST(WeightedMean, DividesByTheWeights) {
  const GuardedSites sites({{1.0f, -8.0f}, {5.0f, 8.0f}, {100.0f, 100.0f}});
  std::vector<float> mean(2);
  HILUM_EXPECT_OK(
      WeightedMean(sites.updates(), std::vector<double>{3.0, 1.0, 0.0}, mean, Device::kCpu));
  EXPECT_EQ(mean, (std::vector<float>{2.0f, -4.0f}));
}

TEST(WeightedMean, OfEqualUpdatesIsTheUpdate) {
  const std::vector<float> update = RandomFloats(5000);
  const GuardedSites sites(std::vector<std::vector<float>>(13, update));
  std::vector<float> mean(update.size());
  HILUM_EXPECT_OK(WeightedMean(sites.updates(), SomeWeights(13), mean, Device::kCpu));
  EXPECT_TRUE(SameBits(mean, update));
}

TEST(WeightedMean, NamesTheSiteWhoseUpdateIsNotFinite) {
  for (const float bad : {kNaN, kInfinity, -kInfinity}) {
    for (const int64_t at : {0, 4095, 4096, 9999}) {
      GuardedSites sites(6, 10'000);
      sites.site(4)[static_cast<size_t>(at)] = bad;
      std::vector<float> mean(10'000);
      EXPECT_THAT(WeightedMean(sites.updates(), SomeWeights(6), mean, Device::kCpu),
                  StatusIs(kRefused, absl::StrCat("site 4's update holds ", bad, " at coordinate ",
                                                  at, " of 10000")));
    }
  }
}

TEST(WeightedMean, FindsInfinityOfASiteWithoutWeight) {
  const GuardedSites sites({{1.0f, 2.0f}, {3.0f, kInfinity}});
  std::vector<float> mean(2);
  EXPECT_THAT(WeightedMean(sites.updates(), std::vector<double>{1.0, 0.0}, mean, Device::kCpu),
              StatusIs(kRefused, "site 1's update holds inf at coordinate 1"));
}

TEST(WeightedSum, SaysThatASumIsTooLarge) {
  const float huge = std::numeric_limits<float>::max();
  const GuardedSites sites({{1.0f, huge}, {3.0f, huge}});
  std::vector<float> sum(2);
  EXPECT_THAT(WeightedSum(sites.updates(), std::vector<double>{1.0, 1.0}, sum, Device::kCpu),
              StatusIs(kRefused, "coordinate 1 leaves the range of float32"));
  HILUM_EXPECT_OK(WeightedMean(sites.updates(), std::vector<double>{1.0, 1.0}, sum, Device::kCpu));
  EXPECT_EQ(sum, (std::vector<float>{2.0f, huge}));
}

TEST(WeightedMean, RefusesWeightsThatMakeNoMean) {
  const GuardedSites sites(2, 10);
  std::vector<float> mean(10);
  const auto with = [&](const std::vector<double>& weights) {
    return WeightedMean(sites.updates(), weights, mean, Device::kCpu);
  };
  EXPECT_THAT(with({1.0}), StatusIs(kRefused, "1 weights were given for updates of 2 sites"));
  EXPECT_THAT(with({1.0, -0.5}), StatusIs(kRefused, "site 1's weight -0.5 is below 0"));
  EXPECT_THAT(with({0.0, 0.0}), StatusIs(kRefused, "add up to 0"));
  EXPECT_THAT(with({kNaN, 1.0}), StatusIs(kRefused, "site 0's weight nan is not finite"));
  EXPECT_THAT(with({1e-310, 0.0}), StatusIs(kRefused, "add up to"));
  mean.resize(9);
  EXPECT_THAT(with({1.0, 1.0}), StatusIs(kRefused, "a result of 9 parameters"));
  EXPECT_THAT(WeightedMean({}, {}, mean, Device::kCpu), StatusIs(kRefused, "0 sites"));
}

}  // namespace
}  // namespace hilum::kernels

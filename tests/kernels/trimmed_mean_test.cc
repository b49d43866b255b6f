#include "kernels/trimmed_mean.h"

#include <algorithm>
#include <cmath>

#include "kernels/trimmed_mean_program.h"
#include "tests/kernels/sites.h"
#include "tests/status_matchers.h"

namespace hilum::kernels {
namespace {

using Program = TrimmedMeanProgram;
constexpr auto kRefused = absl::StatusCode::kInvalidArgument;
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Values that are often equal, and zeros of both signs.
void MakeTies(GuardedSites& sites, int64_t n_sites) {
  for (int64_t site = 0; site < n_sites; ++site) {
    for (size_t k = 0; k < sites.site(site).size(); k += 3) {
      float& value = sites.site(site)[k];
      value = std::round(value * 2.0f) * 0.5f;
    }
  }
}

struct Places {
  int64_t low, high, n_kept;
};

// Runs the program in every way and compares with `want`.
void ExpectInEveryWay(Updates updates, const Places& places, const std::vector<float>& want) {
  const int64_t n_sites = std::ssize(updates), n = std::ssize(want);
  const SortingNetwork network = MakeSortingNetwork(n_sites, places.low, places.high);
  const std::vector<const float*> addresses = Addresses(updates);
  const int64_t width = Program::WidthFor(n_sites);
  for (const Isa isa : IsasHere()) {
    for (const bool reverse : {false, true}) {
      Guarded<float> got(n);
      Guarded<int32_t> marks(BlocksFor(n, width));
      const Program program{.sites = addresses.data(),
                            .comparators = network.comparators.data(),
                            .stage_ends = network.stage_ends.data(),
                            .result = got.span().data(),
                            .marks = marks.span().data(),
                            .n_sites = n_sites,
                            .n_stages = std::ssize(network.stage_ends),
                            .n = n,
                            .width = width,
                            .low = places.low,
                            .high = places.high,
                            .n_kept = places.n_kept};
      if (reverse) {
        Launch<Order::kReverse>(program, BlocksFor(n, width), isa);
      } else {
        Launch(program, BlocksFor(n, width), isa);
      }
      EXPECT_TRUE(SameBits(got.values(), want))
          << ToString(isa) << ", reverse " << reverse << ", " << n_sites << " sites, n = " << n;
      EXPECT_TRUE(got.GuardsAreIntact() && marks.GuardsAreIntact());
      for (const int32_t mark : marks.values()) EXPECT_EQ(mark, 0);
    }
  }
}

constexpr int64_t kSomeSites[] = {1, 2, 3, 4, 7, 10, 33, 50, 255, 1024};

std::vector<int64_t> SizesFor(int64_t n_sites) {
  const int64_t width = Program::WidthFor(n_sites);
  return {1, width - 1, width, width + 1, 2 * width + 1, 5 * width + 3};
}

TEST(CoordinateMedian, GivesTheReferencesBitsInEveryWay) {
  for (const int64_t n_sites : kSomeSites) {
    for (const int64_t n : SizesFor(n_sites)) {
      GuardedSites sites(n_sites, n);
      MakeTies(sites, n_sites);
      std::vector<float> want(static_cast<size_t>(n)), got = want;
      CoordinateMedianReference(sites.updates(), want);
      const int64_t low = (n_sites - 1) / 2, high = n_sites / 2 + 1;
      ExpectInEveryWay(sites.updates(), {low, high, high - low}, want);
      HILUM_EXPECT_OK(CoordinateMedian(sites.updates(), got, Device::kCpu));
      EXPECT_TRUE(SameBits(got, want));
    }
  }
}

TEST(TrimmedMean, GivesTheReferencesBitsInEveryWay) {
  for (const int64_t n_sites : kSomeSites) {
    for (const int64_t n : SizesFor(n_sites)) {
      GuardedSites sites(n_sites, n);
      MakeTies(sites, n_sites);
      for (const int64_t trimmed : {int64_t{0}, n_sites / 5, (n_sites - 1) / 2}) {
        std::vector<float> want(static_cast<size_t>(n)), got = want;
        TrimmedMeanReference(sites.updates(), trimmed, want);
        ExpectInEveryWay(sites.updates(), {trimmed, n_sites - trimmed, n_sites - 2 * trimmed},
                         want);
        HILUM_EXPECT_OK(TrimmedMean(sites.updates(), trimmed, got, Device::kCpu));
        EXPECT_TRUE(SameBits(got, want));
      }
    }
  }
}

TEST(MeanAroundMedian, GivesTheReferencesBitsInEveryWay) {
  for (const int64_t n_sites : kSomeSites) {
    for (const int64_t n : SizesFor(n_sites)) {
      GuardedSites sites(n_sites, n);
      MakeTies(sites, n_sites);
      for (const int64_t kept : {int64_t{1}, (n_sites + 1) / 2, n_sites}) {
        std::vector<float> want(static_cast<size_t>(n)), got = want;
        MeanAroundMedianReference(sites.updates(), kept, want);
        ExpectInEveryWay(sites.updates(), {0, n_sites, kept}, want);
        HILUM_EXPECT_OK(MeanAroundMedian(sites.updates(), kept, got, Device::kCpu));
        EXPECT_TRUE(SameBits(got, want));
      }
    }
  }
}

TEST(CoordinateMedian, OfAnEvenNumberIsTheMeanOfTheTwoMiddleOnes) {
  const std::vector<std::vector<float>> values = {{1.0f}, {100.0f}, {2.0f}, {-5.0f}};
  const GuardedSites sites(values);
  std::vector<float> median(1);
  HILUM_EXPECT_OK(CoordinateMedian(sites.updates(), median, Device::kCpu));
  EXPECT_EQ(median[0], 1.5f);
}

TEST(CoordinateMedian, HoldsTheLargestFloats) {
  const float huge = std::numeric_limits<float>::max();
  const GuardedSites sites(std::vector<std::vector<float>>(2, {huge}));
  std::vector<float> median(1);
  HILUM_EXPECT_OK(CoordinateMedian(sites.updates(), median, Device::kCpu));
  EXPECT_EQ(median[0], huge);
}

TEST(RobustRules, DoNotDependOnTheOrderOfTheSites) {
  std::vector<std::vector<float>> values;
  for (uint32_t site = 0; site < 12; ++site) {
    values.push_back(RandomFloats(1000, site));
    for (size_t k = 0; k < 1000; k += 2) values.back()[k] = site % 3 == 0 ? -0.0f : 0.0f;
  }
  const GuardedSites forward(values);
  std::reverse(values.begin(), values.end());
  std::swap(values[2], values[7]);
  const GuardedSites other(values);
  std::vector<float> a(1000), b(1000);
  HILUM_EXPECT_OK(CoordinateMedian(forward.updates(), a, Device::kCpu));
  HILUM_EXPECT_OK(CoordinateMedian(other.updates(), b, Device::kCpu));
  EXPECT_TRUE(SameBits(a, b));
  HILUM_EXPECT_OK(TrimmedMean(forward.updates(), 2, a, Device::kCpu));
  HILUM_EXPECT_OK(TrimmedMean(other.updates(), 2, b, Device::kCpu));
  EXPECT_TRUE(SameBits(a, b));
}

// f sites of n send anything: every coordinate stays between honest values.
TEST(RobustRules, StayWithinTheHonestValues) {
  for (const float attack : {-1e30f, 1e30f, -100.0f}) {
    GuardedSites sites(11, 3000);
    for (int64_t site = 0; site < 3; ++site) {
      std::fill(sites.site(site).begin(), sites.site(site).end(), attack);
    }
    std::vector<float> median(3000), trimmed(3000), around(3000);
    HILUM_EXPECT_OK(CoordinateMedian(sites.updates(), median, Device::kCpu));
    HILUM_EXPECT_OK(TrimmedMean(sites.updates(), 3, trimmed, Device::kCpu));
    HILUM_EXPECT_OK(MeanAroundMedian(sites.updates(), 5, around, Device::kCpu));
    for (size_t k = 0; k < 3000; ++k) {
      float lowest = 2.0f, highest = -2.0f;
      for (int64_t site = 3; site < 11; ++site) {
        lowest = std::min(lowest, sites.site(site)[k]);
        highest = std::max(highest, sites.site(site)[k]);
      }
      for (const float value : {median[k], trimmed[k], around[k]}) {
        ASSERT_GE(value, lowest) << k;
        ASSERT_LE(value, highest) << k;
      }
    }
  }
}

TEST(RobustRules, NameTheSiteWhoseUpdateIsNotFinite) {
  for (const float bad : {kNaN, -kNaN, kInfinity, -kInfinity}) {
    for (const size_t at : {size_t{0}, size_t{1023}, size_t{2999}}) {
      GuardedSites sites(8, 3000);
      sites.site(5)[at] = bad;
      const std::string sentence =
          absl::StrCat("site 5's update holds ", bad, " at coordinate ", at, " of 3000");
      std::vector<float> result(3000);
      EXPECT_THAT(CoordinateMedian(sites.updates(), result, Device::kCpu),
                  StatusIs(kRefused, sentence));
      EXPECT_THAT(TrimmedMean(sites.updates(), 2, result, Device::kCpu),
                  StatusIs(kRefused, sentence));
      EXPECT_THAT(MeanAroundMedian(sites.updates(), 3, result, Device::kCpu),
                  StatusIs(kRefused, sentence));
    }
  }
}

TEST(RobustRules, RefuseOptionsOutOfRangeWithTheFormula) {
  const GuardedSites sites(4, 10);
  std::vector<float> result(10);
  for (const int64_t trimmed : {int64_t{-1}, int64_t{2}, std::numeric_limits<int64_t>::max()}) {
    EXPECT_THAT(TrimmedMean(sites.updates(), trimmed, result, Device::kCpu),
                StatusIs(kRefused, "of 4 sites: needed is 0 <= 2k < n"));
  }
  for (const int64_t kept : {0, 5}) {
    EXPECT_THAT(MeanAroundMedian(sites.updates(), kept, result, Device::kCpu),
                StatusIs(kRefused, "needed is 1 <= k <= n"));
  }
  EXPECT_THAT(CoordinateMedian({}, result, Device::kCpu), StatusIs(kRefused, "0 sites"));
  const std::vector<std::span<const float>> many(1025, result);
  EXPECT_THAT(CoordinateMedian(many, result, Device::kCpu),
              StatusIs(kRefused, "1 <= n_sites <= 1024"));
}

}  // namespace
}  // namespace hilum::kernels

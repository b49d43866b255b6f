#include "base/seeded_random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace hilum {
namespace {

// Known answers of SplitMix64 for the seed 1234567, as in Rosetta Code "Pseudo-random numbers/
// Splitmix64" (a public test vector; checked with a second program).
TEST(SeededRandom, IsSplitMix64) {
  SeededRandom random(1234567);
  EXPECT_EQ(random.Next(), 6457827717110365317u);
  EXPECT_EQ(random.Next(), 3203168211198807973u);
}

TEST(SeededRandom, NearKeysGiveUnrelatedStreams) {
  EXPECT_EQ(SeededRandom::For({1, 2}).Next(), SeededRandom::For({1, 2}).Next());
  EXPECT_NE(SeededRandom::For({1, 2}).Next(), SeededRandom::For({2, 1}).Next());
  EXPECT_NE(SeededRandom::For({1, 2}).Next(), SeededRandom::For({1, 3}).Next());
  EXPECT_NE(SeededRandom::For({0}).Next(), SeededRandom::For({0, 0}).Next());
}

TEST(SeededRandom, ValuesFillTheirRangeEvenly) {
  SeededRandom random(5);
  std::vector<int> counts(7, 0);
  double sum = 0;
  for (int i = 0; i < 70000; ++i) {
    ++counts[random.Below(7)];
    const double u = random.Uniform(-1, 3);
    ASSERT_GE(u, -1);
    ASSERT_LT(u, 3);
    sum += u;
  }
  for (int count : counts) EXPECT_NEAR(count, 10000, 500);  // 5 deviations
  EXPECT_NEAR(sum / 70000, 1, 0.022);                       // 5 deviations
}

TEST(SeededRandom, ShufflesEveryOrderEquallyOften) {
  SeededRandom random(6);
  std::vector<int> counts(6, 0);
  for (int i = 0; i < 6000; ++i) {
    std::vector<int> values{0, 1, 2};
    random.Shuffle(std::span<int>(values));
    std::vector<int> order{0, 1, 2};
    int index = 0;
    while (order != values) {
      std::next_permutation(order.begin(), order.end());
      ++index;
    }
    ++counts[index];
  }
  for (int count : counts) EXPECT_NEAR(count, 1000, 150);  // 5 deviations
}

}  // namespace
}  // namespace hilum

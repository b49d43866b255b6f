#include "kernels/sorting_network.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/kernels/parity.h"

namespace hilum::kernels {
namespace {

template <class T>
void Apply(const SortingNetwork& network, std::vector<T>& values) {
  for (const Comparator& c : network.comparators) {
    if (values[c.high] < values[c.low]) std::swap(values[c.low], values[c.high]);
  }
}

// A network that sorts all vectors of 0 and 1 sorts everything (Knuth, volume 3, theorem 5.3.4Z).
TEST(SortingNetwork, SortsEveryVectorOfZerosAndOnes) {
  for (int64_t n = 1; n <= 14; ++n) {
    const SortingNetwork network = MakeSortingNetwork(n, 0, n);
    for (uint32_t pattern = 0; pattern < (1u << n); ++pattern) {
      std::vector<int> values;
      for (int64_t i = 0; i < n; ++i) values.push_back(static_cast<int>(pattern >> i & 1));
      Apply(network, values);
      ASSERT_TRUE(std::is_sorted(values.begin(), values.end())) << n << " " << pattern;
    }
  }
}

TEST(SortingNetwork, SortsAnyNumberOfValuesUpToTheLimit) {
  for (const int64_t n : {15, 16, 17, 31, 50, 64, 65, 100, 200, 513, 1000, 1024}) {
    std::vector<uint32_t> values = RandomWords(n, static_cast<uint32_t>(n));
    Apply(MakeSortingNetwork(n, 0, n), values);
    EXPECT_TRUE(std::is_sorted(values.begin(), values.end())) << n;
  }
}

TEST(SortingNetwork, LeavesOutWhatThePlacesDoNotNeed) {
  for (const int64_t n : {1, 2, 9, 50, 64, 333}) {
    const SortingNetwork all = MakeSortingNetwork(n, 0, n);
    for (int64_t first = 0; first < n; first += 1 + n / 7) {
      const int64_t last = std::min(n, first + 2);
      const SortingNetwork some = MakeSortingNetwork(n, first, last);
      EXPECT_LE(some.comparators.size(), all.comparators.size());
      std::vector<uint32_t> values = RandomWords(n), want = values;
      std::sort(want.begin(), want.end());
      Apply(some, values);
      for (int64_t i = first; i < last; ++i) {
        EXPECT_EQ(values[static_cast<size_t>(i)], want[static_cast<size_t>(i)]) << n << " " << i;
      }
    }
  }
  EXPECT_LT(MakeSortingNetwork(50, 24, 26).comparators.size(),
            MakeSortingNetwork(50, 0, 50).comparators.size());
}

TEST(SortingNetwork, StagesTouchEachValueOnce) {
  const SortingNetwork network = MakeSortingNetwork(77, 0, 77);
  size_t done = 0;
  for (const int32_t end : network.stage_ends) {
    std::set<uint16_t> touched;
    for (; done < static_cast<size_t>(end); ++done) {
      const Comparator c = network.comparators[done];
      EXPECT_LT(c.low, c.high);
      EXPECT_TRUE(touched.insert(c.low).second && touched.insert(c.high).second);
    }
  }
  EXPECT_EQ(done, network.comparators.size());
}

}  // namespace
}  // namespace hilum::kernels

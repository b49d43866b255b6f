#include "base/parallel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace hilum {
namespace {

TEST(ForEachOnCores, TakesEachItemOnce) {
  for (const size_t n_items : {size_t{0}, size_t{1}, size_t{2}, size_t{1000}}) {
    for (const size_t n_threads : {size_t{0}, size_t{1}, size_t{3}, size_t{2000}}) {
      std::vector<int> taken(n_items);
      ForEachOnCores(n_items, n_threads, [&](size_t item) { ++taken[item]; });
      EXPECT_THAT(taken, testing::Each(1)) << n_items << " items, " << n_threads << " threads";
    }
  }
}

// Each of two items waits for the other: on one thread this would never end.
TEST(ForEachOnCores, UsesTheThreadsThatItMay) {
  std::atomic<int> begun{0};
  ForEachOnCores(2, 2, [&](size_t) {
    ++begun;
    while (begun < 2) std::this_thread::yield();
  });
  EXPECT_EQ(begun, 2);
}

}  // namespace
}  // namespace hilum

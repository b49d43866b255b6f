#include "kernels/exec.h"

#include <gtest/gtest.h>

#include <vector>

namespace hilum::kernels {
namespace {

// A planted race: a thread reads its neighbour's value inside one phase.
struct RacyProgram {
  static constexpr int kThreads = 64;
  struct Shared {
    int node[kThreads];
  };
  int* out;

  template <class Block>
  HILUM_KERNEL void operator()(const Block& block) const {
    block.Phase([&](int t, Shared& shared) { shared.node[t] = t; });
    block.Phase([&](int t, Shared& shared) {
      if (t > 0) shared.node[t] += shared.node[t - 1];
    });
    block.Phase([&](int t, Shared& shared) { out[t] = shared.node[t]; });
  }
};

TEST(Exec, ReverseOrderExposesARace) {
  std::vector<int> forward(RacyProgram::kThreads), reverse(RacyProgram::kThreads);
  Launch(RacyProgram{forward.data()}, 1);
  Launch<Order::kReverse>(RacyProgram{reverse.data()}, 1);
  EXPECT_NE(forward, reverse);
}

// Counts, for each block, the threads that a Local of `n` runs.
struct CountProgram {
  static constexpr int kThreads = 64;
  struct Shared {};
  int* count;
  int64_t n;

  template <class Block>
  HILUM_KERNEL void operator()(const Block& block) const {
    block.Local(n, [&](int) { ++count[block.index]; });
  }
};

TEST(Exec, LocalRunsNoMoreThreadsThanThereAre) {
  for (const auto& [n, want] : {std::pair{-5, 0}, {0, 0}, {1, 1}, {63, 63}, {64, 64}, {1000, 64}}) {
    int forward = 0, reverse = 0;
    Launch(CountProgram{&forward, n}, 1);
    Launch<Order::kReverse>(CountProgram{&reverse, n}, 1);
    EXPECT_EQ(forward, want) << n;
    EXPECT_EQ(reverse, want) << n;
  }
}

TEST(Exec, EachBlockRunsOnce) {
  for (const int64_t blocks : {0, 1, 15, 16, 17, 1000}) {
    std::vector<int> count(static_cast<size_t>(blocks), 0);
    Launch(CountProgram{count.data(), 1}, blocks);
    EXPECT_EQ(count, std::vector<int>(static_cast<size_t>(blocks), 1));
  }
}

TEST(Exec, BlocksCoverEveryValue) {
  EXPECT_EQ(BlocksFor(0, 64), 0);
  EXPECT_EQ(BlocksFor(1, 64), 1);
  EXPECT_EQ(BlocksFor(64, 64), 1);
  EXPECT_EQ(BlocksFor(65, 64), 2);
}

}  // namespace
}  // namespace hilum::kernels

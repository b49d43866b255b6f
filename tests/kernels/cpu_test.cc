#include "kernels/cpu.h"

#include <atomic>
#include <cstdlib>
#include <thread>
#include <vector>

#include "tests/status_matchers.h"

namespace hilum::kernels {
namespace {

// Restores the default number of threads at the end of a test.
class ParallelForTest : public testing::Test {
 protected:
  ~ParallelForTest() override { SetCpuThreads(0); }
};

std::vector<int> Visits(int64_t n_items, int64_t min_items) {
  std::vector<std::atomic<int>> visits(static_cast<size_t>(n_items));
  ParallelFor(n_items, min_items, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) ++visits[static_cast<size_t>(i)];
  });
  return {visits.begin(), visits.end()};
}

TEST_F(ParallelForTest, VisitsEachItemOnceForAnyNumberOfThreads) {
  for (const int n_threads : {1, 2, 3, 8}) {
    SetCpuThreads(n_threads);
    for (const int64_t n : {0, 1, 2, 7, 100, 1001}) {
      EXPECT_EQ(Visits(n, 1), std::vector<int>(static_cast<size_t>(n), 1)) << n_threads;
      EXPECT_EQ(Visits(n, 64), std::vector<int>(static_cast<size_t>(n), 1)) << n_threads;
    }
  }
}

TEST_F(ParallelForTest, GivesNoThreadLessThanTheMinimum) {
  SetCpuThreads(8);
  std::atomic<int64_t> shortest{1000};
  ParallelFor(1000, 300, [&](int64_t first, int64_t last) {
    int64_t seen = shortest;
    while (last - first < seen && !shortest.compare_exchange_weak(seen, last - first)) {
    }
  });
  EXPECT_GE(shortest, 300);
}

TEST_F(ParallelForTest, ABodyMayCallItAgain) {
  SetCpuThreads(4);
  std::atomic<int> visits{0};
  ParallelFor(16, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      ParallelFor(10, 1, [&](int64_t a, int64_t b) { visits += static_cast<int>(b - a); });
    }
  });
  EXPECT_EQ(visits, 160);
}

TEST_F(ParallelForTest, ServesSeveralCallersAtOnce) {
  SetCpuThreads(3);
  std::atomic<int64_t> visits{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        ParallelFor(64, 1, [&](int64_t first, int64_t last) { visits += last - first; });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(visits, 4 * 200 * 64);
}

TEST_F(ParallelForTest, ThreadsCanBeSetAndReset) {
  const int before = CpuThreads();
  EXPECT_GE(before, 1);
  SetCpuThreads(3);
  EXPECT_EQ(CpuThreads(), 3);
  SetCpuThreads(0);
  EXPECT_EQ(CpuThreads(), before);
}

TEST(Isa, NamesAreReadAndWritten) {
  for (const Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvx512}) {
    HILUM_ASSERT_OK_AND_ASSIGN(const Isa read, ParseIsa(ToString(isa)));
    EXPECT_EQ(read, isa);
  }
  EXPECT_THAT(ParseIsa("sse9"), StatusIs(absl::StatusCode::kInvalidArgument, "sse9"));
}

// CTest runs this file again with HILUM_ISA=scalar, HILUM_THREADS=1.
TEST(Isa, TheEnvironmentMayAskForLess) {
  const char* const asked = std::getenv("HILUM_ISA");
  EXPECT_EQ(ToString(DefaultIsa()), asked != nullptr ? asked : ToString(BestIsa()));
  if (const char* threads = std::getenv("HILUM_THREADS"); threads != nullptr) {
    EXPECT_EQ(std::to_string(CpuThreads()), threads);
  }
}

}  // namespace
}  // namespace hilum::kernels

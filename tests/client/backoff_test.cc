#include "client/backoff.h"

#include <gtest/gtest.h>

namespace hilum::client {
namespace {

TEST(Backoff, DoublesUpToFiveSecondsWithJitter) {
  Backoff low, high;
  int64_t expected = 100;
  for (int i = 0; i < 12; ++i) {
    EXPECT_EQ(low.NextMs(0), expected * 75 / 100);
    EXPECT_EQ(high.NextMs(50), expected * 125 / 100);
    expected = std::min<int64_t>(2 * expected, 5000);
  }
  low.Reset();
  EXPECT_EQ(low.NextMs(25), 100);
}

}  // namespace
}  // namespace hilum::client

#include "client/backoff.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "client/check_retry.h"
#include "client/stop_flag.h"

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

// Every 5 s for ever, up to 4 MiB each: a round past its retention cost a site 60 GiB a day.
TEST(CheckRetries, ALookThatDecidesNothingIsRepeatedEverMoreSeldom) {
  CheckRetries retries;
  const CheckKey key("cxr-1", 3);
  EXPECT_FALSE(retries.IsLater(key, 0));
  EXPECT_TRUE(retries.Postpone(key, 1000, 25));
  EXPECT_TRUE(retries.IsLater(key, 5999));
  EXPECT_FALSE(retries.IsLater(key, 6000));
  EXPECT_FALSE(retries.IsLater({"cxr-1", 4}, 1000));
  int64_t now_ms = 6000;
  int n_looks = 1;
  for (; now_ms < 86'400'000; ++n_looks) {
    EXPECT_FALSE(retries.Postpone(key, now_ms, 25));
    while (retries.IsLater(key, now_ms)) now_ms += 1000;
  }
  EXPECT_LT(n_looks, 40) << "in a day";
  EXPECT_TRUE(retries.Postpone({"cxr-1", 4}, now_ms, 25));
}

// A failed flight left the training asleep in its backoff, up to six seconds.
TEST(StopFlag, WakesWhoSleeps) {
  StopFlag stop;
  EXPECT_TRUE(stop.Sleep(1));
  const auto begun = std::chrono::steady_clock::now();
  std::thread other([&stop] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    stop.Set();
  });
  EXPECT_FALSE(stop.Sleep(60'000));
  other.join();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(30));
  EXPECT_FALSE(stop.Sleep(60'000)) << "it stays set";
  EXPECT_TRUE(*stop.flag());
  stop.Clear();
  EXPECT_TRUE(stop.Sleep(1));
}

}  // namespace
}  // namespace hilum::client

#include "cli/progress.h"

#include "tests/status_matchers.h"

namespace hilum::cli {
namespace {

class HandClock : public Clock {
 public:
  int64_t NowSeconds() const override { return now_ms / 1000; }
  int64_t MonotonicMs() const override { return now_ms; }
  int64_t now_ms = 0;
};

TEST(FormatProgress, ShowsShareRateAndTimeLeft) {
  const ProgressOptions options{.what = "Importing studies", .unit = "films", .total = 200};
  EXPECT_EQ(
      FormatProgress(options, 50, 10.0),
      "Importing studies   25 % [######..................] 50 of 200 films, 5.0/s, 30 s left");
  EXPECT_EQ(FormatProgress(options, 200, 40.0),
            "Importing studies  100 % [########################] 200 of 200 films, 5.0/s");
}

TEST(FormatProgress, HasNoBarWithoutATotal) {
  EXPECT_EQ(FormatProgress({.what = "Fetching", .unit = "B"}, 2500000, 2.0),
            "Fetching  2.50 MB, 1.25 MB/s");
}

TEST(FormatProgress, MakesNoRateOfHalfASecond) {
  EXPECT_EQ(FormatProgress({.what = "Fetching", .unit = "B", .total = 100}, 50, 0.1),
            "Fetching   50 % [############............] 50 B of 100 B");
}

TEST(FormatProgress, SurvivesMoreThanTheTotal) {
  EXPECT_EQ(FormatProgress({.what = "x", .unit = "films", .total = 2}, 3, 0.0),
            "x  100 % [########################] 3 of 2 films");
}

// Test output is no terminal: one line every ten seconds.
TEST(Progress, PrintsALineEveryTenSecondsOffATerminal) {
  HandClock clock;
  testing::internal::CaptureStderr();
  {
    Progress progress({.what = "Work", .unit = "films", .total = 100}, clock);
    for (int second = 1; second <= 25; ++second) {
      clock.now_ms += 1000;
      progress.Add(2);
    }
  }
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2) << text;
  EXPECT_THAT(text, testing::HasSubstr("20 of 100 films"));
  EXPECT_THAT(text, testing::HasSubstr("40 of 100 films"));
}

TEST(Progress, IsSilentWhenShortOrOff) {
  HandClock clock;
  testing::internal::CaptureStderr();
  {
    Progress progress({.what = "Work", .unit = "films", .total = 2}, clock);
    clock.now_ms += 5000;
    progress.Set(2);
  }
  {
    Progress off({.what = "Work", .unit = "films", .total = 2, .on = false}, clock);
    clock.now_ms += 50000;
    off.Set(1);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace hilum::cli

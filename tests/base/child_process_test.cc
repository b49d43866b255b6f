#include "base/child_process.h"

#include <gtest/gtest.h>

#include <csignal>

#include "base/frame.h"
#include "tests/status_matchers.h"

namespace hilum {
namespace {

using absl::StatusCode;

absl::Time In(int seconds) { return absl::Now() + absl::Seconds(seconds); }

TEST(ChildProcess, CarriesMessagesBothWays) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto cat, ChildProcess::Start("/bin/cat", {}));
  // The second is larger than a pipe holds: it comes back while it is still being sent.
  for (const std::string& text : {std::string("one"), std::string(), std::string(60'000, 'x')}) {
    HILUM_ASSERT_OK(WriteFrame(cat->pipe(), text, In(10)));
    HILUM_ASSERT_OK_AND_ASSIGN(const std::string back, ReadFrame(cat->pipe(), 60'000, In(10)));
    EXPECT_EQ(back, text);
  }
}

TEST(ChildProcess, AnEndedOrSilentOneIsNoticed) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto ends, ChildProcess::Start("/bin/true", {}));
  EXPECT_THAT(ReadFrame(ends->pipe(), 100, In(10)), StatusIs(StatusCode::kCancelled, "closed"));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto silent, ChildProcess::Start("/bin/sleep", {"60"}));
  EXPECT_THAT(ReadFrame(silent->pipe(), 100, absl::Now() + absl::Milliseconds(50)),
              StatusIs(StatusCode::kDeadlineExceeded, "in time"));
  EXPECT_THAT(
      WriteFrame(silent->pipe(), std::string(4'000'000, 'x'), absl::Now() + absl::Milliseconds(50)),
      StatusIs(StatusCode::kDeadlineExceeded, "in time"));
}

TEST(ChildProcess, IsQuietUntilItSpeaksOrEnds) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto silent, ChildProcess::Start("/bin/sleep", {"60"}));
  EXPECT_TRUE(IsQuiet(silent->pipe()));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto ends, ChildProcess::Start("/bin/true", {}));
  EXPECT_THAT(ReadFrame(ends->pipe(), 100, In(10)), StatusIs(StatusCode::kCancelled, "closed"));
  EXPECT_FALSE(IsQuiet(ends->pipe()));
  // Two messages of no bytes at once: the second is there when the first was read.
  HILUM_ASSERT_OK_AND_ASSIGN(const auto speaks,
                             ChildProcess::Start("/usr/bin/printf", {"\\0\\0\\0\\0\\0\\0\\0\\0"}));
  HILUM_ASSERT_OK(ReadFrame(speaks->pipe(), 100, In(10)).status());
  EXPECT_FALSE(IsQuiet(speaks->pipe()));
}

TEST(ChildProcess, AMessageThatBreaksOffOrIsTooLongIsRefused) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto half,
                             ChildProcess::Start("/usr/bin/printf", {"\\0\\0\\0\\5abc"}));
  EXPECT_THAT(ReadFrame(half->pipe(), 100, In(10)),
              StatusIs(StatusCode::kUnavailable, "closed within a message"));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto vast,
                             ChildProcess::Start("/usr/bin/printf", {"\\377\\377\\377\\377"}));
  EXPECT_THAT(ReadFrame(vast->pipe(), 100, In(10)),
              StatusIs(StatusCode::kInvalidArgument, "4294967295 bytes"));
}

TEST(ChildProcess, OneThatLivesOnIsKilled) {
  HILUM_ASSERT_OK_AND_ASSIGN(auto stubborn, ChildProcess::Start("/bin/sleep", {"60"}));
  const fs::path process = "/proc/" + std::to_string(stubborn->pid());
  EXPECT_TRUE(fs::exists(process));
  stubborn.reset();
  EXPECT_FALSE(fs::exists(process));
}

TEST(ChildProcess, SaysHowItEnded) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto fails, ChildProcess::Start("/bin/false", {}));
  ChildEnd end = fails->End(absl::Seconds(10));
  EXPECT_FALSE(end.was_killed);
  EXPECT_EQ(end.signal, 0);
  EXPECT_EQ(end.exit_code, 1);
  HILUM_ASSERT_OK_AND_ASSIGN(const auto aborts,
                             ChildProcess::Start("/bin/sh", {"-c", "kill -ABRT $$"}));
  end = aborts->End(absl::Seconds(10));
  EXPECT_FALSE(end.was_killed);
  EXPECT_EQ(end.signal, SIGABRT);
  HILUM_ASSERT_OK_AND_ASSIGN(const auto silent, ChildProcess::Start("/bin/sleep", {"60"}));
  end = silent->End(absl::Milliseconds(20));
  EXPECT_TRUE(end.was_killed);
  EXPECT_EQ(end.signal, SIGKILL);
}

TEST(ChildProcess, AProgramThatIsNotThere) {
  EXPECT_THAT(ChildProcess::Start("/nowhere/program", {}),
              StatusIs(StatusCode::kUnavailable, "cannot start /nowhere/program"));
  HILUM_ASSERT_OK_AND_ASSIGN(const fs::path beside, SiblingProgram("other"));
  EXPECT_EQ(beside.filename(), "other");
}

}  // namespace
}  // namespace hilum

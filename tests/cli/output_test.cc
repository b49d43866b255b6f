#include "cli/output.h"

#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/system_error.h"
#include "tests/status_matchers.h"

namespace hilum::cli {
namespace {

TEST(ExitCode, FollowsTheContract) {
  EXPECT_EQ(ExitCode(absl::OkStatus()), 0);
  EXPECT_EQ(ExitCode(absl::InternalError("x")), 1);
  EXPECT_EQ(ExitCode(absl::ResourceExhaustedError("x")), 1);
  EXPECT_EQ(ExitCode(absl::FailedPreconditionError("x")), 1);
  EXPECT_EQ(ExitCode(absl::InvalidArgumentError("x")), 2);
  EXPECT_EQ(ExitCode(absl::NotFoundError("x")), 2);
  EXPECT_EQ(ExitCode(absl::DataLossError("x")), 3);
  EXPECT_EQ(ExitCode(absl::PermissionDeniedError("x")), 4);
  EXPECT_EQ(ExitCode(absl::UnavailableError("x")), 5);
  EXPECT_EQ(ExitCode(absl::DeadlineExceededError("x")), 5);
  EXPECT_EQ(ExitCode(SystemUnavailable("cannot write x: Not a directory")), 1);
  EXPECT_EQ(ExitCode(absl::UnauthenticatedError("x")), 5);
}

// The table of docs/exit_codes.md: code, meaning, statuses. Each status stands in one row.
TEST(ExitCode, IsWhatTheTableSays) {
  const auto page = ReadTextFile(fs::path(HILUM_SOURCE_DIR) / "docs/exit_codes.md", 1 << 20);
  HILUM_ASSERT_OK(page);
  std::map<std::string, int> told;
  for (const absl::string_view line : absl::StrSplit(*page, '\n')) {
    const std::vector<std::string> cells = absl::StrSplit(line, " | ");
    int code = 0;
    if (cells.size() != 3 || !absl::SimpleAtoi(absl::StripPrefix(cells[0], "| "), &code)) continue;
    const std::vector<std::string> words = absl::StrSplit(cells[2], '`');
    for (size_t i = 1; i < words.size(); i += 2) {
      EXPECT_TRUE(told.emplace(words[i], code).second) << words[i] << " stands there twice";
    }
  }
  EXPECT_EQ(told.size(), 17u);
  for (int code = 0; code <= 16; ++code) {
    const auto status = static_cast<absl::StatusCode>(code);
    const std::string name = absl::StatusCodeToString(status);
    ASSERT_EQ(told.count(name), 1u) << name;
    EXPECT_EQ(ExitCode(absl::Status(status, "x")), told[name]) << name;
  }
}

TEST(Fail, PrintsOneSentenceWithTheProgramsName) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(Fail(absl::DataLossError("the proof\nfails")), 3);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "cli_test: the proof?fails\n");
}

TEST(Fail, IsSilentWhenAllIsWell) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(Fail(absl::OkStatus()), 0);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(Table, AlignsTextLeftAndNumbersRight) {
  Table table({"site", "films", "note"});
  table.AddRow({"hospital-a", "7", "ok"});
  table.AddRow({"b", "-", ""});
  table.AddRow({"c", "123"});
  EXPECT_EQ(table.ToString(),
            "site        films  note\n"
            "hospital-a      7  ok\n"
            "b               -\n"
            "c             123\n");
}

TEST(Table, CountsCharactersNotBytes) {
  Table table({"a", "b"});
  table.AddRow({"é", "x"});
  table.AddRow({"e", "x"});
  EXPECT_EQ(table.ToString(), "a  b\né  x\ne  x\n");
}

TEST(Table, LetsNoPeerMoveTheCursor) {
  Table table({"reason"});
  table.AddRow({"\x1b[2Jgone"});
  EXPECT_EQ(table.ToString(), "reason\n?[2Jgone\n");
}

TEST(Printable, LeavesNoControlCharacterOfEitherKind) {
  EXPECT_EQ(Printable("a\x1b[2J\x7f\n"), "a?[2J??");
  EXPECT_EQ(Printable("a\u009b2J\u0080\u00a0\u00e9"), "a?2J?\u00a0\u00e9");
}

TEST(Formats, UseThreeDigits) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(812), "812 B");
  EXPECT_EQ(FormatBytes(999.6), "1.00 kB");
  EXPECT_EQ(FormatBytes(1234), "1.23 kB");
  EXPECT_EQ(FormatBytes(3230000), "3.23 MB");
  EXPECT_EQ(FormatBytes(99.96e6), "100 MB");
  EXPECT_EQ(FormatSeconds(4.2), "4.2 s");
  EXPECT_EQ(FormatSeconds(59.4), "59 s");
  EXPECT_EQ(FormatSeconds(200), "3 min 20 s");
  EXPECT_EQ(FormatSeconds(7505), "2 h 05 min");
}

TEST(PrintJson, StaysJsonWhateverTheBytes) {
  testing::internal::CaptureStdout();
  PrintJson({{"name", "\xff"}});
  const std::string out = testing::internal::GetCapturedStdout();
  EXPECT_FALSE(nlohmann::json::parse(out, nullptr, false).is_discarded()) << out;
}

TEST(PrintJsonLine, IsOneLine) {
  testing::internal::CaptureStdout();
  PrintJsonLine({{"event", "listening"}, {"grpc", "127.0.0.1:1"}});
  EXPECT_EQ(testing::internal::GetCapturedStdout(),
            "{\"event\":\"listening\",\"grpc\":\"127.0.0.1:1\"}\n");
}

TEST(Table, ASentenceThatBeginsWithANumberIsText) {
  Table table({"time", "reason"});
  table.AddRow({"1.0 s", "0 of 2 sites sent an update"});
  table.AddRow({"2 h 05 min", ""});
  EXPECT_EQ(table.ToString(),
            "      time  reason\n"
            "     1.0 s  0 of 2 sites sent an update\n"
            "2 h 05 min\n");
}

TEST(FormatEstimate, HasItsInterval) {
  EXPECT_EQ(FormatEstimate(0.87149, {0.802, 0.9264}), "0.871 [0.802, 0.926]");
}

TEST(Shortened, CutsByCharacter) {
  EXPECT_EQ(Shortened("short", 10), "short");
  EXPECT_EQ(Shortened("0123456789", 10), "0123456789");
  EXPECT_EQ(Shortened("0123456789a", 10), "0123456...");
  EXPECT_EQ(Shortened("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", 5),
            "\xc3\xa9\xc3\xa9...");
}

TEST(Wrapped, BreaksAtSpacesOnly) {
  EXPECT_EQ(Wrapped("one two three", 8), "one two\n  three\n");
  EXPECT_EQ(Wrapped("abcdefghijkl m", 8), "abcdefghijkl\n  m\n");
  EXPECT_EQ(Wrapped("one", 8), "one\n");
  EXPECT_EQ(Wrapped("one\x1b[2J two", 80), "one?[2J two\n");
}

}  // namespace
}  // namespace hilum::cli

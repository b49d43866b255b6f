#include "base/log.h"

#include "base/clock.h"
#include "base/file.h"
#include "tests/status_matchers.h"

namespace hilum {
namespace {

TEST(Log, WritesOneJsonObjectALineWhateverTheFieldHolds) {
  const fs::path file = fs::path(testing::TempDir()) / "log_test.log";
  fs::remove(file);
  HILUM_ASSERT_OK(OpenLog({.program = "test", .file = file.string(), .standard_error = false}));
  Log(LogLevel::kInfo, "accepted", {{"site", "a\"b\n{\"level\":\"error\"}"}, {"bytes", 12}});
  Log(LogLevel::kDebug, "not shown at this level");
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, ReadTextFile(file, 10000));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  EXPECT_NE(text.find("\"event\":\"accepted\",\"site\":\"a\\\"b\\u000a{\\\"level"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("\"bytes\":\"12\""), std::string::npos) << text;
}

TEST(Log, RotatesInsteadOfFillingTheDisk) {
  const fs::path folder = fs::path(testing::TempDir()) / "log_rotation";
  fs::remove_all(folder);
  HILUM_ASSERT_OK(MakeFolder(folder));
  HILUM_ASSERT_OK(OpenLog({.program = "test",
                           .file = (folder / "x.log").string(),
                           .file_limit_bytes = 2000,
                           .n_files = 2,
                           .standard_error = false}));
  for (int i = 0; i < 500; ++i) Log(LogLevel::kInfo, "line", {{"number", i}});
  uint64_t total_bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder)) total_bytes += entry.file_size();
  EXPECT_LE(total_bytes, 3 * 2000u);
}

TEST(Log, AFolderThatIsNotThereIsASentence) {
  EXPECT_FALSE(OpenLog({.program = "test", .file = "/nowhere/at/all.log"}).ok());
}

TEST(FormatUtc, IsIso8601) { EXPECT_EQ(FormatUtc(1767000000), "2025-12-29T09:20:00Z"); }

}  // namespace
}  // namespace hilum

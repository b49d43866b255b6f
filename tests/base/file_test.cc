#include "base/file.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <unistd.h>

#include <csignal>

#include "absl/strings/str_cat.h"
#include "tests/status_matchers.h"

namespace hilum {
namespace {

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) /
              testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder_);
    HILUM_ASSERT_OK(MakeFolder(folder_));
  }
  fs::path folder_;
};

TEST_F(FileTest, WritesAndReads) {
  HILUM_ASSERT_OK(WriteFileDurably(folder_ / "a", AsBytes("hello")));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, ReadTextFile(folder_ / "a", 100));
  EXPECT_EQ(text, "hello");
  HILUM_ASSERT_OK(WriteFileDurably(folder_ / "a", AsBytes("again")));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string second, ReadTextFile(folder_ / "a", 100));
  EXPECT_EQ(second, "again");
}

TEST_F(FileTest, ReadsNoMoreThanTheLimit) {
  HILUM_ASSERT_OK(WriteFileDurably(folder_ / "a", AsBytes("hello")));
  EXPECT_THAT(ReadFile(folder_ / "a", 4),
              StatusIs(absl::StatusCode::kResourceExhausted, "5 bytes, the limit is 4"));
  EXPECT_THAT(ReadFile(folder_ / "b", 4), StatusIs(absl::StatusCode::kNotFound, "b"));
  EXPECT_THAT(ReadFile(folder_, 4), StatusIs(absl::StatusCode::kInvalidArgument, "regular"));
  ASSERT_EQ(mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(ReadFile(folder_ / "pipe", 4),
              StatusIs(absl::StatusCode::kInvalidArgument, "regular"));
}

TEST_F(FileTest, KeepsSecretsPrivate) {
  HILUM_ASSERT_OK(WriteFileDurably(folder_ / "key", AsBytes("k"), FileMode::kPrivate));
  struct stat info {};
  ASSERT_EQ(stat((folder_ / "key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(FileTest, AFullDiskLeavesTheOldFile) {
  HILUM_ASSERT_OK(WriteFileDurably(folder_ / "a", AsBytes("old")));
  // RLIMIT_FSIZE stands for the full disk: the write fails in the same place.
  signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit small = before;
  small.rlim_cur = 1000;
  setrlimit(RLIMIT_FSIZE, &small);
  const absl::Status status = WriteFileDurably(folder_ / "a", Bytes(5000, 1));
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted, "cannot write"));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, ReadTextFile(folder_ / "a", 100));
  EXPECT_EQ(text, "old");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(FileTest, AppendsAndCutsATornTail) {
  {
    HILUM_ASSERT_OK_AND_ASSIGN(AppendFile file, AppendFile::Open(folder_ / "log"));
    HILUM_ASSERT_OK(file.Append(AsBytes("whole|torn")));
    HILUM_ASSERT_OK(file.Sync());
    EXPECT_EQ(file.size_bytes(), 10u);
  }
  HILUM_ASSERT_OK_AND_ASSIGN(AppendFile file, AppendFile::Open(folder_ / "log", 6));
  HILUM_ASSERT_OK(file.Append(AsBytes("next")));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, ReadTextFile(folder_ / "log", 100));
  EXPECT_EQ(text, "whole|next");
}

TEST_F(FileTest, ReadsAPart) {
  HILUM_ASSERT_OK(WriteFileDurably(folder_ / "a", AsBytes("0123456789")));
  Bytes part(3);
  HILUM_ASSERT_OK(ReadFileAt(folder_ / "a", 4, part));
  EXPECT_EQ(AsText(part), "456");
  EXPECT_THAT(ReadFileAt(folder_ / "a", 8, part),
              StatusIs(absl::StatusCode::kOutOfRange, "ends at byte 10"));
}

TEST_F(FileTest, OneProcessHoldsTheLock) {
  HILUM_ASSERT_OK_AND_ASSIGN(const FileLock lock, FileLock::Acquire(folder_ / "lock"));
  EXPECT_THAT(FileLock::Acquire(folder_ / "lock"),
              StatusIs(absl::StatusCode::kFailedPrecondition, "locked"));
}

TEST(File, ReadsTheHeadOfALongFile) {
  const fs::path path = fs::temp_directory_path() / absl::StrCat("hilum-head-", getpid());
  HILUM_ASSERT_OK(WriteFileDurably(path, AsBytes("0123456789")));
  EXPECT_EQ(AsText(*ReadFileHead(path, 4)), "0123");
  EXPECT_EQ(AsText(*ReadFileHead(path, 40)), "0123456789");
  EXPECT_FALSE(ReadFileHead(path.parent_path(), 4).ok());
  HILUM_ASSERT_OK_AND_ASSIGN(const int64_t before, LastChangeNs(path));
  const auto time = fs::last_write_time(path);
  HILUM_ASSERT_OK(WriteFileDurably(path, AsBytes("9876543210")));
  fs::last_write_time(path, time);
  EXPECT_GT(*LastChangeNs(path), before);
  fs::remove(path);
  EXPECT_FALSE(LastChangeNs(path).ok());
}

}  // namespace
}  // namespace hilum

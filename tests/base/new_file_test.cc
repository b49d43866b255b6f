#include "base/new_file.h"

#include <sys/stat.h>

#include <optional>
#include <utility>

#include "tests/status_matchers.h"

namespace hilum {
namespace {

class NewFileTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) /
              testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder_);
    HILUM_ASSERT_OK(MakeFolder(folder_));
  }
  ptrdiff_t Files() const {
    return std::distance(fs::directory_iterator(folder_), fs::directory_iterator());
  }
  fs::path folder_;
};

TEST_F(NewFileTest, HasItsNameOnlyWhenItIsComplete) {
  HILUM_ASSERT_OK_AND_ASSIGN(NewFile file, NewFile::Create(folder_));
  HILUM_ASSERT_OK(file.Append(AsBytes("hel")));
  HILUM_ASSERT_OK(WriteDescriptor(file.descriptor(), AsBytes("lo")));
  EXPECT_FALSE(fs::exists(folder_ / "a"));
  HILUM_ASSERT_OK_AND_ASSIGN(const uint64_t size_bytes, file.size_bytes());
  EXPECT_EQ(size_bytes, 5u);
  HILUM_ASSERT_OK(file.Commit(folder_ / "a"));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, ReadTextFile(folder_ / "a", 100));
  EXPECT_EQ(text, "hello");
  EXPECT_EQ(Files(), 1);
  struct stat info {};
  ASSERT_EQ(stat((folder_ / "a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(NewFileTest, OneThatIsGivenUpLeavesNothing) {
  {
    HILUM_ASSERT_OK_AND_ASSIGN(NewFile file, NewFile::Create(folder_));
    HILUM_ASSERT_OK(file.Append(AsBytes("half")));
    const NewFile moved = std::move(file);
    EXPECT_EQ(Files(), 1);
  }
  EXPECT_EQ(Files(), 0);
}

TEST_F(NewFileTest, WhatAKilledProgramLeftIsRemoved) {
  HILUM_ASSERT_OK_AND_ASSIGN(const NewFile file, NewFile::Create(folder_));
  HILUM_ASSERT_OK(WriteFileDurably(folder_ / "kept", AsBytes("x")));
  RemoveUnfinished(folder_);
  EXPECT_TRUE(fs::exists(folder_ / "kept"));
  EXPECT_EQ(Files(), 1);
}

TEST_F(NewFileTest, NamesAFolderThatIsNotThere) {
  EXPECT_THAT(NewFile::Create(folder_ / "none"), StatusIs(absl::StatusCode::kUnavailable, "none"));
}

}  // namespace
}  // namespace hilum

#include "client/inbox.h"

#include <vector>

#include "tests/client/films.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

using absl::StatusCode;

class InboxTest : public ::testing::Test {
 protected:
  absl::StatusOr<bool> Put(Inbox& inbox, const std::string& uid, size_t size_bytes) {
    HILUM_ASSIGN_OR_RETURN(NewFile file, inbox.Begin());
    HILUM_RETURN_IF_ERROR(file.Append(Bytes(size_bytes, 'x')));
    return inbox.Take(std::move(file), uid);
  }
  const SiteFolder folder_{NewFolder("inbox")};
};

TEST_F(InboxTest, NamesObjectsItself) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto inbox, Inbox::Open(folder_, 10 << 20));
  HILUM_ASSERT_OK_AND_ASSIGN(const bool is_new, Put(*inbox, "../../evil", 4));
  EXPECT_TRUE(is_new);
  EXPECT_TRUE(inbox->Has("../../evil"));
  EXPECT_TRUE(fs::exists(folder_.inbox() / InboxName("../../evil")));
  EXPECT_FALSE(fs::exists(folder_.root.parent_path() / "evil"));
  EXPECT_EQ(InboxName("1.2.3").size(), 36u);
  EXPECT_NE(InboxName("1.2.3"), InboxName("1.2.4"));
}

TEST_F(InboxTest, TheFirstObjectOfANameStays) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto inbox, Inbox::Open(folder_, 10 << 20));
  HILUM_ASSERT_OK(Put(*inbox, "1.2", 4));
  HILUM_ASSERT_OK_AND_ASSIGN(const bool is_new, Put(*inbox, "1.2", 5));
  EXPECT_FALSE(is_new);
  EXPECT_EQ(fs::file_size(folder_.inbox() / InboxName("1.2")), 4u);
  EXPECT_EQ(inbox->used_bytes(), 4u);
}

TEST_F(InboxTest, KeepsToItsQuotaAlsoAfterARestart) {
  {
    HILUM_ASSERT_OK_AND_ASSIGN(const auto inbox, Inbox::Open(folder_, 4 << 20));
    HILUM_ASSERT_OK(Put(*inbox, "1", 2 << 20));
    EXPECT_THAT(Put(*inbox, "2", 3 << 20), StatusIs(StatusCode::kResourceExhausted, "inbox_gib"));
    EXPECT_FALSE(inbox->Has("2"));
  }
  HILUM_ASSERT_OK_AND_ASSIGN(const auto inbox, Inbox::Open(folder_, 4 << 20));
  EXPECT_EQ(inbox->used_bytes(), uint64_t{2} << 20);
  HILUM_ASSERT_OK(Put(*inbox, "3", 3 << 19));
  EXPECT_THAT(inbox->Begin(), StatusIs(StatusCode::kResourceExhausted, "inbox_gib"));
}

TEST_F(InboxTest, SetsAsideNoMoreThanHalfOfWhatIsLeft) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto inbox, Inbox::Open(folder_, 8 << 20));
  EXPECT_EQ(inbox->Reserve(uint64_t{1} << 40), uint64_t{4} << 20);
  EXPECT_EQ(inbox->Reserve(uint64_t{1} << 40), uint64_t{2} << 20);
  EXPECT_EQ(inbox->Reserve(1), 1u);
  inbox->Release(uint64_t{4} << 20);
  EXPECT_EQ(inbox->LeftBytes(), (uint64_t{6} << 20) - 1);
}

TEST_F(InboxTest, OneProgramFillsItAtATime) {
  EXPECT_FALSE(IsInboxInUse(folder_));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto inbox, Inbox::Open(folder_, 1 << 20));
  EXPECT_TRUE(IsInboxInUse(folder_));
  EXPECT_THAT(Inbox::Open(folder_, 1 << 20),
              StatusIs(StatusCode::kFailedPrecondition, "another program"));
}

TEST_F(InboxTest, WhatCameHalfIsGoneAtTheNextStart) {
  fs::create_directories(folder_.receiving());
  WriteText(folder_.receiving() / ".unfinished-abc", "half");
  HILUM_ASSERT_OK(Inbox::Open(folder_, 1 << 20));
  EXPECT_FALSE(fs::exists(folder_.receiving() / ".unfinished-abc"));
}

}  // namespace
}  // namespace hilum::client

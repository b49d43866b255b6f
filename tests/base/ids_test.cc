#include "base/ids.h"

#include "tests/status_matchers.h"

namespace hilum {
namespace {

TEST(CheckName, TakesTheNamesOfMembersAndJobs) {
  HILUM_EXPECT_OK(CheckName("site", "hospital-a"));
  HILUM_EXPECT_OK(CheckName("site", std::string(63, 'a')));
}

TEST(CheckName, RefusesWhatCouldLeaveAFolderOrALine) {
  for (const char* name : {"", "..", "a/b", "A", "-a", "a-", "a b", "a\n", "\xc3\xa9"}) {
    EXPECT_THAT(CheckName("site", name),
                StatusIs(absl::StatusCode::kInvalidArgument, "is not a name"))
        << name;
  }
  EXPECT_FALSE(CheckName("site", std::string(64, 'a')).ok());
}

}  // namespace
}  // namespace hilum

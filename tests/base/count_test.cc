#include "base/count.h"

#include <gtest/gtest.h>

namespace hilum {
namespace {

TEST(Count, OneHasNoPlural) {
  EXPECT_EQ(Count(0, "film"), "0 films");
  EXPECT_EQ(Count(1, "film"), "1 film");
  EXPECT_EQ(Count(2, "Consent file"), "2 Consent files");
}

}  // namespace
}  // namespace hilum

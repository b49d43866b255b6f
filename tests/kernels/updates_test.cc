#include "kernels/updates.h"

#include "tests/kernels/sites.h"
#include "tests/status_matchers.h"

namespace hilum::kernels {
namespace {

constexpr auto kRefused = absl::StatusCode::kInvalidArgument;

TEST(CheckUpdates, RefusesNoSiteTooManyAndNoParameter) {
  EXPECT_THAT(CheckUpdates({}), StatusIs(kRefused, "updates of 0 sites"));
  const std::vector<float> one(1);
  const std::vector<std::span<const float>> many(kMaxSites + 1, one);
  EXPECT_THAT(CheckUpdates(many), StatusIs(kRefused, "1025 sites were given; needed is 1 <= n"));
  HILUM_EXPECT_OK(CheckUpdates(Updates(many).first(kMaxSites)));
  const std::vector<std::span<const float>> empty(3);
  EXPECT_THAT(CheckUpdates(empty), StatusIs(kRefused, "0 parameters"));
}

TEST(CheckUpdates, NamesTheSiteOfAnotherLength) {
  const std::vector<float> long_one(7), short_one(6);
  const std::vector<std::span<const float>> updates = {long_one, long_one, short_one};
  EXPECT_THAT(CheckUpdates(updates), StatusIs(kRefused, "site 2's update has 6 parameters"));
  EXPECT_THAT(CheckUpdates(Updates(updates).first(2), short_one),
              StatusIs(kRefused, "a result of 6 parameters was given for updates of 7"));
}

TEST(CheckFinite, NamesTheFirstSiteAndCoordinate) {
  GuardedSites sites(3, 100);
  HILUM_EXPECT_OK(CheckFinite(sites.updates(), 0, 1000));
  sites.site(2)[5] = std::numeric_limits<float>::quiet_NaN();
  sites.site(1)[99] = -std::numeric_limits<float>::infinity();
  EXPECT_THAT(CheckFinite(sites.updates(), 0, 100),
              StatusIs(kRefused, "site 1's update holds -inf at coordinate 99 of 100"));
  EXPECT_THAT(CheckFinite(sites.updates(), 0, 99),
              StatusIs(kRefused, "site 2's update holds nan at coordinate 5"));
  HILUM_EXPECT_OK(CheckFinite(sites.updates(), 6, 99));
}

}  // namespace
}  // namespace hilum::kernels

// A roster that is too long for a ledger entry: its names are an object that the round-open names.
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "aggregator/outcome.h"
#include "tests/client/round_site.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

using absl::StatusCode;

constexpr int kSites = 70;

std::vector<std::string> Names() {
  std::vector<std::string> names = {"hospital-a"};
  for (int i = 1; i < kSites; ++i) names.push_back(absl::StrCat("site-", i < 10 ? "0" : "", i));
  return names;
}

// The configuration of a round of all of them.
privacy::RoundConfig LargeRound(const RoundSite& site) {
  std::vector<aggregator::RosterSite> roster;
  for (const std::string& name : Names()) {
    roster.push_back({SiteId{name}, site.federation.SiteKey(name).public_key()});
  }
  privacy::RoundConfig config = site.Config();
  return aggregator::MakeRoundConfig({.plan = site.plan,
                                      .plan_bytes = site.plan_bytes,
                                      .round = RoundId{config.round},
                                      .base_model = crypto::Sha256(site.base),
                                      .roster = roster,
                                      .federation_id = config.federation_id,
                                      .ledger_head = {},
                                      .audit_days = 30})
      .value();
}

TEST(LargeRoster, ItsKeysArePinned) {
  RoundSite site(2);
  site.OpenRoundWith(LargeRound(site), Names());
  HILUM_ASSERT_OK(site.Take());
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string pinned, site.state->Value("member/site-42"));
  EXPECT_EQ(pinned, crypto::ToBase64(site.federation.SiteKey("site-42").public_key()));
  site.CloseRound();
  privacy::RoundConfig config = LargeRound(site);
  config.roster[42].key = crypto::SigningKey::Generate().public_key();
  site.OpenRoundWith(config, Names());
  EXPECT_THAT(site.Take(), StatusIs(StatusCode::kPermissionDenied, "has pinned"));
}

TEST(LargeRoster, AnotherAnnexIsDataLoss) {
  RoundSite site(2);
  site.OpenRoundWith(LargeRound(site), Names());
  for (auto& [digest, bytes] : site.objects) bytes[3] ^= 1;
  EXPECT_THAT(site.Take(), StatusIs(StatusCode::kDataLoss, "hashes otherwise"));
  EXPECT_EQ(site.n_steps, 0);
}

TEST(LargeRoster, NamesAreAsManyAsKeys) {
  RoundSite site(2);
  std::vector<std::string> names = Names();
  names.pop_back();
  site.OpenRoundWith(LargeRound(site), names);
  EXPECT_THAT(site.Take(), StatusIs(StatusCode::kDataLoss, "70 members, its round-open names 69"));
}

}  // namespace
}  // namespace hilum::client

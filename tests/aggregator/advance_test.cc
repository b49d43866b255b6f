#include "aggregator/advance.h"

#include <gtest/gtest.h>

#include "aggregator/cohort.h"
#include "tests/status_matchers.h"

namespace hilum::aggregator {
namespace {

using absl::StatusCode;

RoundFacts Facts3() { return {.job = {"cxr"}, .round = {3}, .minimum = 2}; }

std::vector<RosterSite> Roster(int n) {
  std::vector<RosterSite> roster;
  for (int i = 0; i < n; ++i) {
    RosterSite member{.site = {std::string("site-") + static_cast<char>('a' + i)}};
    member.entry_key.bytes[0] = static_cast<uint8_t>(i + 1);
    roster.push_back(member);
  }
  return roster;
}

UpdateAccepted Update(uint16_t index, uint8_t root = 1) {
  CountedUpdate update{.site_index = index};
  update.root[0] = root;
  return {.update = update};
}

Round Collect(int n) { return Collecting{.facts = Facts3(), .roster = Roster(n)}; }

Round Must(absl::StatusOr<Round> round) {
  EXPECT_TRUE(round.ok()) << round.status();
  return *std::move(round);
}

TEST(Advance, RecruitingOpensWhenAllApprovedSitesAreConnected) {
  Round round = Recruiting{.facts = Facts3(), .approved = {{"a"}, {"b"}, {"c"}}};
  round = Must(Advance(round, SiteConnected{{"c"}}));
  round = Must(Advance(round, SiteConnected{{"a"}}));
  round = Must(Advance(round, SiteConnected{{"stranger"}}));
  EXPECT_EQ(StateName(round), "recruiting");
  round = Must(Advance(round, SiteAway{{"c"}}));
  round = Must(Advance(round, SiteConnected{{"b"}}));
  EXPECT_EQ(StateName(round), "recruiting");
  round = Must(Advance(round, SiteConnected{{"c"}}));
  ASSERT_EQ(StateName(round), "opening");
  EXPECT_EQ(std::get<Opening>(round).cohort, (std::vector<SiteId>{{"a"}, {"b"}, {"c"}}));
}

TEST(Advance, RecruitingOpensWithTheMinimumOnceTheTimeToReturnIsOver) {
  Round round = Recruiting{.facts = Facts3(), .approved = {{"a"}, {"b"}, {"c"}}};
  round = Must(Advance(round, SiteConnected{{"a"}}));
  round = Must(Advance(round, DeadlinePassed{}));
  EXPECT_EQ(StateName(round), "recruiting");
  round = Must(Advance(round, SiteConnected{{"c"}}));
  ASSERT_EQ(StateName(round), "opening");
  EXPECT_EQ(std::get<Opening>(round).cohort, (std::vector<SiteId>{{"a"}, {"c"}}));
}

TEST(Advance, WithATargetEverySiteGetsItsTurn) {
  std::map<std::string, int> turns;
  for (uint64_t number = 1; number <= 300; ++number) {
    Recruiting recruiting;
    recruiting.facts = Facts3();
    recruiting.facts.round.number = number;
    recruiting.connected = {{"a"}, {"b"}, {"c"}, {"d"}};
    recruiting.target = 2;
    const std::vector<SiteId> cohort = ChooseCohort(recruiting);
    ASSERT_EQ(cohort.size(), 2u);
    EXPECT_LT(cohort[0], cohort[1]);
    for (const SiteId& site : cohort) ++turns[site.name];
  }
  for (const auto& [site, n] : turns) EXPECT_NEAR(n, 150, 40) << site;
  EXPECT_EQ(turns.size(), 4u);
}

TEST(Advance, OpeningTakesOnlyTheCohortThatWasFixed) {
  const Round round = Opening{.facts = Facts3(), .cohort = {{"site-a"}, {"site-b"}}};
  EXPECT_THAT(Advance(round, RoundOpened{.roster = Roster(3)}),
              StatusIs(StatusCode::kInvalidArgument, "is not the cohort"));
  EXPECT_EQ(StateName(Must(Advance(round, RoundOpened{.roster = Roster(2)}))), "collecting");
}

TEST(Advance, AllUpdatesCloseTheRoundInOrderOfIndex) {
  Round round = Collect(3);
  round = Must(Advance(round, Update(2)));
  round = Must(Advance(round, Update(0)));
  EXPECT_EQ(StateName(round), "collecting");
  round = Must(Advance(round, Update(1)));
  ASSERT_EQ(StateName(round), "closing");
  const auto& closing = std::get<Closing>(round);
  for (uint16_t i = 0; i < 3; ++i) EXPECT_EQ(closing.counted[i].site_index, i);
}

TEST(Advance, ARepeatedUpdateChangesNothingAndAnotherOneIsRefused) {
  Round round = Must(Advance(Collect(3), Update(1)));
  round = Must(Advance(round, Update(1)));
  EXPECT_EQ(std::get<Collecting>(round).accepted.size(), 1u);
  EXPECT_THAT(Advance(round, Update(1, 2)),
              StatusIs(StatusCode::kAlreadyExists, "site site-b sent a second"));
  EXPECT_THAT(Advance(round, Update(3)), StatusIs(StatusCode::kInvalidArgument, "no site 3"));
}

TEST(Advance, ADroppedSiteCannotComeBackIntoTheRound) {
  Round round = Must(Advance(Collect(3), SiteDropped{{"site-b"}, "it was away"}));
  EXPECT_THAT(Advance(round, Update(1)),
              StatusIs(StatusCode::kFailedPrecondition,
                       "site site-b was dropped from round 3 of job cxr: it was away"));
  EXPECT_THAT(Advance(round, SiteDropped{{"stranger"}, ""}),
              StatusIs(StatusCode::kInvalidArgument, "not in the roster"));
}

TEST(Advance, AnUpdateThatIsDurableCountsThoughItsSiteGoesAway) {
  Round round = Must(Advance(Collect(2), Update(1)));
  round = Must(Advance(round, SiteDropped{{"site-b"}, "it was away"}));
  EXPECT_TRUE(std::get<Collecting>(round).dropped.empty());
}

TEST(Advance, TheDeadlineDropsWhoHasNotSent) {
  Round round = Must(Advance(Must(Advance(Collect(3), Update(0))), Update(2)));
  round = Must(Advance(round, DeadlinePassed{}));
  ASSERT_EQ(StateName(round), "closing");
  EXPECT_EQ(std::get<Closing>(round).dropped.size(), 1u);
}

TEST(Advance, TooFewUpdatesFailTheRound) {
  Round round = Must(Advance(Must(Advance(Collect(3), Update(0))), DeadlinePassed{}));
  ASSERT_EQ(StateName(round), "failed");
  EXPECT_EQ(std::get<Failed>(round).reason, "1 of 3 sites sent an update, the minimum is 2");
  round = Must(Advance(round, RoundRecorded{.close_leaf = {9}}));
  EXPECT_EQ(std::get<Failed>(round).close_leaf[0], 9);
  EXPECT_THAT(Advance(round, RoundRecorded{.close_leaf = {8}}),
              StatusIs(StatusCode::kFailedPrecondition, ""));
}

TEST(Advance, OnlyOneRecordCommits) {
  Round round = Must(Advance(Must(Advance(Collect(2), Update(0))), Update(1)));
  round = Must(Advance(round, RoundRecorded{.close_leaf = {1}, .model = {2}}));
  ASSERT_EQ(StateName(round), "committed");
  EXPECT_EQ(StateName(Must(Advance(round, RoundRecorded{.close_leaf = {1}, .model = {2}}))),
            "committed");
  EXPECT_THAT(Advance(round, RoundRecorded{.close_leaf = {1}, .model = {3}}),
              StatusIs(StatusCode::kFailedPrecondition, "takes no second record now"));
}

TEST(Advance, EachStateRefusesWhatItCannotTake) {
  const Round closing = Must(Advance(Must(Advance(Collect(2), Update(0))), Update(1)));
  EXPECT_THAT(Advance(closing, Update(0, 7)),
              StatusIs(StatusCode::kFailedPrecondition,
                       "round 3 of job cxr is closing and takes no further update now"));
  HILUM_EXPECT_OK(Advance(closing, Update(0)).status());
  EXPECT_THAT(Advance(closing, DeadlinePassed{}),
              StatusIs(StatusCode::kFailedPrecondition, "deadline"));
  EXPECT_THAT(Advance(Collect(2), RoundRecorded{}),
              StatusIs(StatusCode::kFailedPrecondition, "record"));
  EXPECT_THAT(Advance(Collect(2), RoundOpened{}),
              StatusIs(StatusCode::kFailedPrecondition, "second opening"));
  const Round recruiting = Recruiting{.facts = Facts3()};
  EXPECT_THAT(Advance(recruiting, Update(0)), StatusIs(StatusCode::kFailedPrecondition, "update"));
  EXPECT_THAT(Advance(recruiting, RoundCancelled{}),
              StatusIs(StatusCode::kFailedPrecondition, "cancellation"));
}

TEST(Advance, ResumeSettlesWhatWasCompleteBeforeTheCrash) {
  Collecting stored{.facts = Facts3(), .roster = Roster(2)};
  stored.accepted.emplace(0, Update(0).update);
  EXPECT_EQ(StateName(Resume(stored)), "collecting");
  stored.accepted.emplace(1, Update(1).update);
  EXPECT_EQ(StateName(Resume(stored)), "closing");
}

TEST(Cohort, TheRosterHasTheLedgersKeysAndOnlyMembers) {
  ledger_anchor::Members members;
  EXPECT_THAT(MakeRoster({{"site-a"}}, members),
              StatusIs(StatusCode::kPermissionDenied, "site site-a is not a member"));
}

Round CollectMasked(int n, uint8_t attempt = 0) {
  return Collecting{.facts = Facts3(), .roster = Roster(n), .masked = true, .attempt = attempt};
}

TEST(Advance, AMaskedRoundConfirmsAndUnmasksBeforeItCloses) {
  Round round = CollectMasked(3);
  round = Must(Advance(round, Update(0)));
  round = Must(Advance(round, SiteDropped{{"site-b"}, "away"}));
  EXPECT_EQ(StateName(round), "collecting");
  round = Must(Advance(round, Update(2)));
  ASSERT_EQ(StateName(round), "confirming");
  EXPECT_EQ(std::get<Confirming>(round).counted.size(), 2u);
  EXPECT_EQ(StateName(Must(Advance(round, Update(2)))), "confirming");  // said again
  EXPECT_THAT(Advance(round, Update(1)), StatusIs(StatusCode::kFailedPrecondition, ""));
  EXPECT_THAT(Advance(round, SumOpened{}), StatusIs(StatusCode::kFailedPrecondition, "opened"));
  round = Must(Advance(round, TranscriptConfirmed{}));
  ASSERT_EQ(StateName(round), "unmasking");
  EXPECT_THAT(Advance(round, TranscriptConfirmed{}),
              StatusIs(StatusCode::kFailedPrecondition, "votes"));
  round = Must(Advance(round, SumOpened{}));
  ASSERT_EQ(StateName(round), "closing");
  EXPECT_EQ(std::get<Closing>(round).counted.size(), 2u);
}

TEST(Advance, AMaskedAttemptWithTooFewWaitsForItsEnd) {
  Round round = CollectMasked(2);
  round = Must(Advance(round, Update(0)));
  round = Must(Advance(round, SiteDropped{{"site-b"}, "away"}));
  EXPECT_EQ(StateName(round), "collecting");
  round = Must(Advance(round, AttemptFailed{.reason = "too few"}));
  ASSERT_EQ(StateName(round), "collecting");
  const auto& next = std::get<Collecting>(round);
  EXPECT_EQ(next.attempt, 1);
  EXPECT_TRUE(next.accepted.empty());
  EXPECT_TRUE(next.dropped.empty()) << "who was away may come back";
}

TEST(Advance, WhoIsBarredStaysOutOfTheNextAttempt) {
  Round round = Must(Advance(CollectMasked(3), AttemptFailed{"no reveal", {{1, "kept it back"}}}));
  EXPECT_EQ(std::get<Collecting>(round).dropped.size(), 1u);
  round = Must(Advance(round, AttemptFailed{"no reveal", {{1, "x"}, {2, "y"}}}));
  ASSERT_EQ(StateName(round), "failed");  // one is left, the minimum is two
  EXPECT_EQ(std::get<Failed>(round).reason, "no reveal");
}

TEST(Advance, AMaskedRoundHasEightAttempts) {
  EXPECT_EQ(StateName(Must(Advance(CollectMasked(3, 6), AttemptFailed{"again"}))), "collecting");
  EXPECT_EQ(StateName(Must(Advance(CollectMasked(3, 7), AttemptFailed{"again"}))), "failed");
}

TEST(Advance, NothingIsTriedAgainOnceVotesWereShown) {
  Round round = CollectMasked(2);
  for (const uint16_t site : {0, 1}) round = Must(Advance(round, Update(site)));
  EXPECT_EQ(StateName(Must(Advance(round, AttemptFailed{"no quorum"}))), "collecting");
  round = Must(Advance(round, TranscriptConfirmed{}));
  EXPECT_EQ(StateName(Must(Advance(round, AttemptFailed{"too few shares"}))), "failed");
}

TEST(Advance, AnOpenRoundHasNoAttempts) {
  EXPECT_THAT(Advance(Collect(2), AttemptFailed{"x"}),
              StatusIs(StatusCode::kFailedPrecondition, "attempt"));
}

}  // namespace
}  // namespace hilum::aggregator

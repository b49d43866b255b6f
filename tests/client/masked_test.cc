// Masked jobs with real agents: five hospitals and a real server in one process.
#include <map>

#include "absl/strings/str_cat.h"
#include "client/agent.h"
#include "client/budget.h"
#include "client/jobs.h"
#include "client/overview.h"
#include "client/round_receipts.h"
#include "tests/client/films.h"
#include "tests/client/ledger_view.h"
#include "tests/client/server.h"
#include "tests/client/two_hospitals.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

proto::RoundPlan MaskedPlan() {
  proto::RoundPlan plan = SmallPlan(kJob);
  plan.aggregation.mode = "masked";
  plan.aggregation.suite = "chacha20";
  plan.cohort.minimum = 5;
  return plan;
}

// Six sites: the films of the demo's hospitals stand for all of them.
class MaskedAgents : public ::testing::Test, public TwoHospitals {
 protected:
  void SetUp() override {
    const char* const names[] = {"hospital-c", "hospital-d", "hospital-e", "hospital-f"};
    for (size_t i = 0; i < std::size(names); ++i) {
      AddSite(names[i], i % 2 == 0 ? "hospital-a" : "hospital-b");
    }
    for (auto& [name, site] : sites_) site.options.allow_open = false;
  }
  void Launch(const proto::RoundPlan& plan) {
    StartAgents();
    server_.Launch(plan, VersionZero(plan));
    Approve();
  }
  void Restart(const std::string& name) {
    Site& site = sites_[name];
    site.agent.reset();
    site.agent = std::make_unique<TestAgent>(site.folder, site.options);
  }
};

TEST_F(MaskedAgents, SixSitesTakePartInTwoRounds) {
  Launch(MaskedPlan());
  ASSERT_TRUE(WaitUntil([&] { return Finished(2); }, 200)) << server_.Job(kJob).message;
  for (const aggregator::RoundView& round : server_.Job(kJob).history) {
    EXPECT_EQ(round.status, "ok") << round.reason;
    EXPECT_EQ(round.cohort.size(), 6u);
    EXPECT_EQ(round.total_weight, 36u);
  }
  ASSERT_TRUE(WaitUntil([&] {
    return RoundsOf("hospital-a").size() == 2 && RoundsOf("hospital-a")[1].phase == "accepted";
  }));
  const RoundRecord record = RoundsOf("hospital-a")[1];
  EXPECT_EQ(record.masking, "ChaCha20");
  EXPECT_GT(record.sent_at_s, 0);
  // Both rounds verified from the published sums, the last one after the job was over.
  State& own = *sites_["hospital-a"].state;
  ASSERT_TRUE(WaitUntil([&] { return own.Checks()->size() == 2; }, 60));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<CheckRecord> checks, own.Checks());
  for (const CheckRecord& check : checks) {
    EXPECT_EQ(check.verified, "full") << check.reason;
    EXPECT_EQ(check.standing, "counted");
    EXPECT_EQ(check.model, server_.Job(kJob).history[check.round - 1].model);
    HILUM_ASSERT_OK_AND_ASSIGN(
        const RoundReceiptView receipt,
        VerifyRoundReceipt(sites_["hospital-a"].folder, sites_["hospital-a"].options, check.receipt,
                           SystemClock().NowSeconds()));
    EXPECT_EQ(receipt.site, "hospital-a");
  }
  EXPECT_TRUE(sites_["hospital-a"].agent->Saw("round_checked"));
  EXPECT_FALSE(sites_["hospital-a"].agent->Saw("alarm"));
  // The answer held shares: it is gone with the round. The vote's row stays for the cohort guard.
  State& state = *sites_["hospital-a"].state;
  EXPECT_TRUE(WaitUntil(
      [&] {
        return !state.Masked({.job = kJob, .round = 1, .attempt = 0, .kind = "answer"})
                    ->has_value();
      },
      20));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto vote,
                             state.Masked({.job = kJob, .round = 1, .attempt = 0, .kind = "vote"}));
  EXPECT_TRUE(vote.has_value());
  // Masks change nothing about consents: each round pins six active sets, each site commits to its
  // films before it trains.
  const ledger_anchor::LogView view = ReadLedger(server_);
  EXPECT_EQ(EntriesOf<ledger_anchor::TrainManifest>(view).size(), 12u);
  for (const ledger_anchor::ViewEntry* one : EntriesOf<ledger_anchor::RoundOpen>(view)) {
    const auto& open = std::get<ledger_anchor::RoundOpen>(one->entry.body);
    ASSERT_TRUE(open.consent.has_value());
    ASSERT_EQ(open.consent->sites.items.size(), 6u);
    for (const auto& pinned : open.consent->sites.items) {
      EXPECT_TRUE(pinned.batch.has_value()) << pinned.site;
    }
  }
}

// Silo noise under real masks: every site has paid for each round that it sent a vector in.
TEST_F(MaskedAgents, WithNoiseEachSiteChargesItsBudget) {
  proto::RoundPlan plan = MaskedPlan();
  plan.aggregation.clip_l2 = 0.5;
  plan.privacy = {.unit = "silo", .sigma = 4.0, .delta = 1e-5};
  for (auto& [name, site] : sites_) {
    site.options.max_epsilon = 10.0;
    site.options.min_sigma = 4.0;
  }
  Launch(plan);
  ASSERT_TRUE(WaitUntil([&] { return Finished(2); }, 200)) << server_.Job(kJob).message;
  for (const aggregator::RoundView& round : server_.Job(kJob).history) {
    EXPECT_EQ(round.status, "ok") << round.reason;
    EXPECT_EQ(round.total_weight, 0u) << "the number of films is not told";
  }
  privacy::Accountant twice;  // the gap of the sum is 0, so the cohort does not matter
  HILUM_ASSERT_OK(twice.Add(
      {.unit = privacy::PrivacyUnit::kSilo, .sigma = 4.0, .n_params = 1, .l2 = 65536.0}, 2));
  for (auto& [name, site] : sites_) {
    HILUM_ASSERT_OK_AND_ASSIGN(const auto spent, SpentAtSite(*site.state, site.options));
    EXPECT_EQ(spent[0].n_releases, 2u) << name;
    EXPECT_NEAR(spent[0].epsilon / twice.Epsilon(1e-5), 1.0, 1e-9) << name;
  }
}

TEST_F(MaskedAgents, ASiteThatRestartsDropsOutOfTheAttemptOnly) {
  proto::RoundPlan plan = MaskedPlan();
  plan.cohort.grace_s = 15;
  Launch(plan);
  ASSERT_TRUE(WaitUntil([&] { return !RoundsOf("hospital-f").empty(); }));
  Restart("hospital-f");
  ASSERT_TRUE(WaitUntil([&] { return Finished(2); }, 250)) << server_.Job(kJob).message;
  const auto history = server_.Job(kJob).history;
  EXPECT_EQ(history[0].status, "ok") << history[0].reason;
  EXPECT_EQ(history[1].cohort.size(), 6u) << "it is back in the next round";
}

// The operator's halt, as a failed check leaves it.
TEST_F(MaskedAgents, AHaltedSiteKeepsOutUntilItsOperatorSaysSo) {
  HILUM_ASSERT_OK(sites_["hospital-f"].state->PutValue(absl::StrCat("halted/", kJob),
                                                       "round 1: the sum was false"));
  Launch(MaskedPlan());
  ASSERT_TRUE(WaitUntil([&] { return Finished(2); }, 250)) << server_.Job(kJob).message;
  for (const aggregator::RoundView& round : server_.Job(kJob).history) {
    EXPECT_EQ(round.cohort.size(), 5u) << round.reason;
  }
  EXPECT_TRUE(sites_["hospital-f"].agent->Saw("alarm"));
  EXPECT_TRUE(RoundsOf("hospital-f").empty());
}

// A site whose films have become too few since it approved says so before its keys are out.
TEST_F(MaskedAgents, ASiteWithTooFewFilmsMakesNoAttemptVoid) {
  sites_["hospital-f"].options.min_films = 7;
  StartAgents();
  sites_["hospital-f"].options.min_films = 1;  // as its operator had it when he approved
  server_.Launch(MaskedPlan(), VersionZero(MaskedPlan()));
  Approve();
  ASSERT_TRUE(WaitUntil([&] { return Finished(2); }, 250)) << server_.Job(kJob).message;
  for (const aggregator::RoundView& round : server_.Job(kJob).history) {
    EXPECT_EQ(round.cohort.size(), 5u) << round.reason;
  }
  EXPECT_EQ(RoundsOf("hospital-a").size(), 2u) << "an attempt was void";
  const std::vector<RoundRecord> refused = RoundsOf("hospital-f");
  ASSERT_FALSE(refused.empty());
  EXPECT_EQ(refused[0].phase, "refused");
  EXPECT_THAT(refused[0].reason, testing::HasSubstr("its policy asks for at least 7"));
}

TEST_F(MaskedAgents, TheServerMayRestartInTheMiddle) {
  Launch(MaskedPlan());
  ASSERT_TRUE(WaitUntil([&] { return !RoundsOf("hospital-a").empty(); }));
  server_.Stop();
  server_.Start();
  ASSERT_TRUE(WaitUntil([&] { return Finished(2); }, 250)) << server_.Job(kJob).message;
  EXPECT_EQ(server_.Job(kJob).history[0].cohort.size(), 6u);
}

// A server that has just been started, or waits for its witnesses, lists no round for a moment.
TEST(StandingOf, ARoundThatIsNotListedIsNotOver) {
  Snapshot snapshot;
  snapshot.jobs = {{.job = "a", .state = "running", .round = 1}};
  const auto standing = [&](uint64_t round, uint32_t attempt) {
    return StandingOf(snapshot, {.job = "a", .round = round, .attempt = attempt});
  };
  EXPECT_EQ(standing(2, 0), RoundStanding::kNotListed);
  EXPECT_EQ(standing(1, 0), RoundStanding::kOver) << "it is closed";
  snapshot.rounds = {{.job = "a", .round = 2, .attempt = 1}, {.job = "b", .round = 7}};
  EXPECT_EQ(standing(2, 1), RoundStanding::kListed);
  EXPECT_EQ(standing(2, 0), RoundStanding::kOver) << "there is another attempt";
  snapshot.rounds.clear();
  snapshot.jobs[0].state = "cancelled";
  EXPECT_EQ(standing(2, 0), RoundStanding::kOver);
  snapshot.jobs.clear();
  EXPECT_EQ(standing(2, 0), RoundStanding::kOver) << "the server does not know the job";
}

}  // namespace
}  // namespace hilum::client

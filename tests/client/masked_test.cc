// Masked jobs with real agents: five hospitals and a real server in one process.
#include <map>

#include "client/agent.h"
#include "client/jobs.h"
#include "client/overview.h"
#include "tests/client/films.h"
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

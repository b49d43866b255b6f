// Sites and a real server in one process: joining, rounds, restarts, refusals.
#include "client/agent.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "client/import.h"
#include "client/jobs.h"
#include "client/join.h"
#include "client/overview.h"
#include "client/rpc.h"
#include "client/state.h"
#include "proto/round_plan.h"
#include "tests/client/films.h"
#include "tests/client/server.h"
#include "tests/client/two_hospitals.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

int64_t Now() { return SystemClock().NowSeconds(); }

class AgentTest : public ::testing::Test, public TwoHospitals {};

TEST_F(AgentTest, TwoSitesTakePartInTwoRounds) {
  StartAgents();
  server_.Launch(SmallPlan(kJob), VersionZero(SmallPlan(kJob)));
  Approve();
  ASSERT_TRUE(WaitUntil([&] { return Finished(2); })) << server_.Job(kJob).message;
  const aggregator::JobView job = server_.Job(kJob);
  for (const aggregator::RoundView& round : job.history) {
    EXPECT_EQ(round.status, "ok");
    EXPECT_EQ(round.cohort.size(), 2u);
    EXPECT_EQ(round.total_weight, 12u);
  }
  ASSERT_TRUE(WaitUntil([&] {
    return RoundsOf("hospital-a").size() == 2 && RoundsOf("hospital-a")[1].phase == "accepted";
  }));
  const RoundRecord record = RoundsOf("hospital-a")[1];
  EXPECT_EQ(record.n_films, 6u);
  EXPECT_EQ(record.n_left_out, 0u);
  EXPECT_EQ(record.masking, "none (open mode)");
  EXPECT_EQ(record.n_bytes, 4 * (static_cast<uint64_t>(SmallPlan(kJob).spec.n_params()) + 3));
  EXPECT_GT(record.sent_at_s, 0);
  EXPECT_NE(record.sha256, Digest{});
  EXPECT_GT(record.loss, 0);
  EXPECT_TRUE(WaitUntil([&] { return fs::is_empty(sites_["hospital-a"].folder.outbox()); }, 20))
      << "the words of rounds that are over stay on the disk";
}

TEST_F(AgentTest, NothingLeavesWithoutApproval) {
  StartAgents();
  server_.Launch(SmallPlan(kJob), VersionZero(SmallPlan(kJob)));
  ASSERT_TRUE(WaitUntil([&] { return (*sites_["hospital-a"].state->Job(kJob)).has_value(); }));
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  EXPECT_TRUE(RoundsOf("hospital-a").empty());
  HILUM_ASSERT_OK_AND_ASSIGN(const auto job, sites_["hospital-a"].state->Job(kJob));
  ASSERT_TRUE(job.has_value());
  EXPECT_EQ(job->answer, Answer::kPending);
}

// What a server may call a job: a name, that of its plan, and no more jobs than a limit.
TEST_F(AgentTest, AnOfferUnderAnotherNameIsNotTaken) {
  State& state = *sites_["hospital-a"].state;
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string plan, proto::EncodeRoundPlan(SmallPlan(kJob)));
  HILUM_EXPECT_OK(CheckOffer(state, {.job = kJob, .plan = plan}));
  EXPECT_THAT(CheckOffer(state, {.job = "other", .plan = plan}),
              StatusIs(absl::StatusCode::kInvalidArgument, "with the plan of job"));
  EXPECT_FALSE(CheckOffer(state, {.job = "a\x1b[2Jb\nc", .plan = plan}).ok());
  HILUM_ASSERT_OK(state.Atomically([&]() -> absl::Status {
    for (size_t i = 0; i < kMaxJobs; ++i) {
      HILUM_RETURN_IF_ERROR(state.PutJob({.job = absl::StrCat("job-", i)}));
    }
    return absl::OkStatus();
  }));
  EXPECT_THAT(CheckOffer(state, {.job = kJob, .plan = plan}),
              StatusIs(absl::StatusCode::kResourceExhausted, "the limit is 1000"));
  HILUM_EXPECT_OK(CheckOffer(state, {.job = "job-7"}));
}

// A site that joins late is told of old jobs, without their plans.
TEST_F(AgentTest, AJobThatWasOverBeforeTheSiteCameIsNoOffer) {
  const Site& site = sites_["hospital-a"];
  HILUM_ASSERT_OK(RecordOffer(*site.state, site.options, {.job = kJob, .state = "done"}));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto unknown, site.state->Job(kJob));
  EXPECT_FALSE(unknown.has_value());
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string plan, proto::EncodeRoundPlan(SmallPlan(kJob)));
  HILUM_ASSERT_OK(
      RecordOffer(*site.state, site.options, {.job = kJob, .plan = plan, .state = "recruiting"}));
  HILUM_ASSERT_OK(RecordOffer(*site.state, site.options, {.job = kJob, .state = "done"}));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto known, site.state->Job(kJob));
  ASSERT_TRUE(known.has_value());
  EXPECT_EQ(known->answer, Answer::kPending);
  EXPECT_EQ(known->server_state, "done");
  EXPECT_EQ(known->plan, plan);
}

TEST_F(AgentTest, WithFewerFilmsThanItsPolicyAsksForASiteApprovesNothing) {
  Site& site = sites_["hospital-a"];
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string plan, proto::EncodeRoundPlan(SmallPlan(kJob)));
  const JobOffer offer{.job = kJob, .plan = plan, .state = "recruiting"};
  site.options.min_films = 7;
  HILUM_ASSERT_OK(RecordOffer(*site.state, site.options, offer));
  constexpr char kReason[] = "could use 6 films of this site, its policy asks for at least 7";
  EXPECT_THAT(AnswerJob(*site.state, site.options, {.job = kJob, .approve = true}),
              StatusIs(absl::StatusCode::kFailedPrecondition, kReason));
  site.options.auto_approve = true;
  HILUM_ASSERT_OK(RecordOffer(*site.state, site.options, offer));
  EXPECT_EQ((*site.state->Job(kJob))->answer, Answer::kPending);
  EXPECT_THAT((*site.state->Job(kJob))->reason, testing::HasSubstr(kReason));
  site.options.min_films = 6;
  HILUM_ASSERT_OK(RecordOffer(*site.state, site.options, offer));
  EXPECT_EQ((*site.state->Job(kJob))->answer, Answer::kApproved);
}

TEST_F(AgentTest, AnOpenJobIsDeniedByAPolicyThatForbidsOpenMode) {
  sites_["hospital-a"].options.allow_open = false;  // the other one keeps the job open
  StartAgents();
  server_.Launch(SmallPlan(kJob), VersionZero(SmallPlan(kJob)));
  Site& site = sites_["hospital-a"];
  ASSERT_TRUE(WaitUntil([&] { return (*site.state->Job(kJob)).has_value(); }));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto job, site.state->Job(kJob));
  ASSERT_TRUE(job.has_value());
  EXPECT_EQ(job->answer, Answer::kDenied);
  EXPECT_EQ(job->answered_by, "policy");
  EXPECT_NE(job->reason.find("open mode"), std::string::npos);
  EXPECT_THAT(AnswerJob(*site.state, site.options, {.job = kJob, .approve = true}),
              StatusIs(absl::StatusCode::kPermissionDenied, "allow_open"));
  EXPECT_TRUE(WaitUntil([&] { return server_.Job(kJob).sites[0].answer == "denied"; }));
  EXPECT_NE(server_.Job(kJob).sites[0].reason.find("open mode"), std::string::npos);
}

TEST_F(AgentTest, TheServerIsRestartedAtEachStepAndTheModelIsTheSame) {
  StartAgents();
  server_.Launch(SmallPlan(kJob), VersionZero(SmallPlan(kJob)));
  Approve();
  ASSERT_TRUE(WaitUntil([&] { return sites_["hospital-a"].agent->Saw("round_started"); }));
  server_.Stop();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  server_.Start();
  ASSERT_TRUE(WaitUntil([&] { return server_.Job(kJob).history.size() >= 2; }));
  server_.Stop();
  server_.Start();
  ASSERT_TRUE(WaitUntil([&] { return Finished(2); })) << server_.Job(kJob).message;
  const aggregator::JobView job = server_.Job(kJob);
  for (const aggregator::RoundView& round : job.history) EXPECT_EQ(round.cohort.size(), 2u);
  // The job's seed fixes training and rounding; keys and times of the two federations differ.
  TwoHospitals undisturbed;
  EXPECT_EQ(job.history.back().model, undisturbed.RunJob());
}

TEST_F(AgentTest, ASiteThatIsRestartedInARoundGoesOnAndSendsTheSameBytes) {
  StartAgents();
  server_.Launch(SmallPlan(kJob), VersionZero(SmallPlan(kJob)));
  Approve();
  Site& site = sites_["hospital-b"];
  ASSERT_TRUE(WaitUntil([&] { return site.agent->Saw("round_started"); }));
  site.agent.reset();
  site.agent = std::make_unique<TestAgent>(site.folder, site.options);
  ASSERT_TRUE(WaitUntil([&] { return Finished(2); })) << server_.Job(kJob).message;
  for (const aggregator::RoundView& round : server_.Job(kJob).history) {
    EXPECT_EQ(round.cohort.size(), 2u) << round.round;
  }
  TwoHospitals undisturbed;
  EXPECT_EQ(server_.Job(kJob).history.back().model, undisturbed.RunJob());
}

TEST_F(AgentTest, ARevocationBetweenTwoRoundsIsRecorded) {
  StartAgents();
  proto::RoundPlan plan = SmallPlan(kJob);
  plan.rounds = 1;
  plan.training.schedule_rounds = 2;
  server_.Launch(plan, VersionZero(plan));
  Approve();
  ASSERT_TRUE(WaitUntil([&] { return Finished(1); }));
  Site& site = sites_["hospital-a"];
  HILUM_ASSERT_OK_AND_ASSIGN(std::vector<ConsentRecord> consents, site.state->Consents());
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<FilmRecord> films, site.state->Films());
  for (ConsentRecord& consent : consents) {
    if (consent.pid != films[0].pid) continue;
    consent.consent.permits = false;
    consent.consent.reason = "status inactive";
    HILUM_ASSERT_OK(site.state->PutConsent(consent));
  }
  HILUM_ASSERT_OK(server_.server().Resume(JobId{kJob}, 2));
  ASSERT_TRUE(WaitUntil([&] { return Finished(2); })) << server_.Job(kJob).message;
  const std::vector<RoundRecord> rounds = RoundsOf("hospital-a");
  ASSERT_EQ(rounds.size(), 2u);
  EXPECT_EQ(rounds[0].n_films, 6u);
  EXPECT_EQ(rounds[0].n_left_out, 0u);
  EXPECT_EQ(rounds[1].n_films, 5u);
  EXPECT_EQ(rounds[1].n_left_out, 1u);
}

TEST_F(AgentTest, ATrainingThatBlowsUpIsRefusedAndNothingIsSent) {
  StartAgents();
  proto::RoundPlan plan = SmallPlan(kJob);
  plan.training.optimizer = "sgd";
  plan.training.learning_rate = 10;
  plan.training.momentum = 0.99;
  plan.training.local_epochs = 100;
  plan.training.weight_decay = 1;
  server_.Launch(plan, VersionZero(plan));
  Approve();
  ASSERT_TRUE(WaitUntil([&] {
    const auto rounds = RoundsOf("hospital-a");
    return !rounds.empty() && rounds[0].phase == "refused";
  })) << RoundsOf("hospital-a")[0].phase;
  const RoundRecord record = RoundsOf("hospital-a")[0];
  EXPECT_EQ(record.n_bytes, 0u);
  EXPECT_EQ(record.sent_at_s, 0);
  EXPECT_NE(record.reason.find("not finite"), std::string::npos) << record.reason;
}

TEST_F(AgentTest, AnotherAgentOnTheFolderIsRefused) {
  StartAgents();
  Site& site = sites_["hospital-a"];
  EXPECT_THAT(Agent::Open(site.folder, site.options, {}),
              StatusIs(absl::StatusCode::kFailedPrecondition, "another agent runs"));
}

TEST_F(AgentTest, IsReadyWithinTwoSecondsAlsoWithoutAServer) {
  server_.Stop();
  const int64_t start = SystemClock().MonotonicMs();
  StartAgents();
  EXPECT_TRUE(WaitUntil([&] { return sites_["hospital-a"].agent->Saw("ready"); }, 2));
  EXPECT_LT(SystemClock().MonotonicMs() - start, 2000);
  EXPECT_TRUE(WaitUntil([&] { return sites_["hospital-a"].agent->Saw("disconnected"); }, 20));
  server_.Start();
  EXPECT_TRUE(WaitUntil([&] { return sites_["hospital-a"].agent->Saw("connected"); }, 20));
}

TEST_F(AgentTest, AForeignCertificateIsNotServed) {
  TestServer other;
  SiteFolder foreign{NewFolder("foreign")};
  HILUM_ASSERT_OK(Join(foreign, {other.Invite("hospital-x"), other.address(), Now()}));
  // The foreign site's keys against this federation's server and CA.
  Site& site = sites_["hospital-a"];
  fs::copy(site.folder.ca_pem(), foreign.ca_pem(), fs::copy_options::overwrite_existing);
  SiteOptions options = site.options;
  TestAgent agent(foreign, options);
  EXPECT_TRUE(WaitUntil([&] { return agent.Saw("disconnected"); }, 20));
  EXPECT_FALSE(agent.Saw("connected"));
}

TEST_F(AgentTest, ATokenWorksOnceAndForItsNameOnly) {
  const std::string token = server_.Invite("hospital-c");
  const SiteFolder first{NewFolder("first")}, second{NewFolder("second")};
  HILUM_ASSERT_OK_AND_ASSIGN(const JoinReport report,
                             Join(first, {token, server_.address(), Now()}));
  EXPECT_EQ(report.site, "hospital-c");
  EXPECT_GT(report.join_index, 0u);
  EXPECT_THAT(Join(second, {token, server_.address(), Now()}),
              StatusIs(absl::StatusCode::kPermissionDenied, ""));
  EXPECT_THAT(Join(first, {token, server_.address(), Now()}),
              StatusIs(absl::StatusCode::kInvalidArgument, "has joined"));
  EXPECT_THAT(Join(second, {"x" + token, server_.address(), Now()}),
              StatusIs(absl::StatusCode::kInvalidArgument, "join token"));
  EXPECT_THAT(Join(second, {token, server_.address(), Now() + 100 * 86400}),
              StatusIs(absl::StatusCode::kPermissionDenied, "expired"));
}

TEST_F(AgentTest, EveryKeyIsPrivate) {
  const SiteFolder& folder = sites_["hospital-a"].folder;
  for (const fs::path& key : {folder.tls_key(), folder.entry_key(), folder.pseudonym_secret()}) {
    EXPECT_EQ(fs::status(key).permissions() & fs::perms::all,
              fs::perms::owner_read | fs::perms::owner_write)
        << key;
  }
}

}  // namespace
}  // namespace hilum::client

// A state file with a row that cannot be read: the server starts without that job and says so.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "absl/strings/match.h"
#include "tests/aggregator/test_federation.h"
#include "tests/status_matchers.h"

namespace hilum::aggregator {
namespace {

constexpr char kJob[] = "cxr-test";

// A stopped server's folder with job `cxr-test` in its open first round.
class Damage : public testing::Test {
 protected:
  void SetUp() override {
    sites_ = federation_.AddSites(2);
    HILUM_ASSERT_OK(LaunchAndApprove(federation_, MakePlan(kJob, 50), sites_));
    HILUM_ASSERT_OK(sites_[0]->WaitForRound(kJob, 1).status());
    federation_.Stop();
  }

  void Sql(const std::string& statement) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open((federation_.folder() / "state.sqlite").c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, statement.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(database);
    EXPECT_EQ(sqlite3_changes(database), 1);
    sqlite3_close(database);
  }

  void Restart() {
    federation_.Start();
    for (const auto& site : sites_) {
      site->Connect(federation_.address());
      site->Arrive();
    }
  }

  // The job is failed, says why, and takes no orders; another one runs to its first model.
  void ExpectSetAside(const std::string& why) {
    HILUM_ASSERT_OK_AND_ASSIGN(const wire::JobStatus status, federation_.JobStatus(kJob));
    EXPECT_EQ(status.state(), "failed");
    EXPECT_THAT(status.message(), testing::StartsWith("set aside: "));
    EXPECT_THAT(status.message(), testing::HasSubstr(why));
    wire::ResumeRequest resume;
    resume.set_job(kJob);
    wire::JobStatus reply;
    grpc::ClientContext context;
    EXPECT_THAT(proto::FromGrpcStatus(federation_.lead().Resume(&context, resume, &reply), "s"),
                StatusIs(absl::StatusCode::kFailedPrecondition, "set aside"));
    HILUM_ASSERT_OK(LaunchAndApprove(federation_, MakePlan("other", 50), sites_));
    HILUM_ASSERT_OK(PlayRound("other", 1, sites_));
    HILUM_ASSERT_OK(federation_.WaitForJob("other", [](const wire::JobStatus& other) {
      return other.history_size() > 0 && other.history(0).status() == "ok";
    }));
  }

  TestFederation federation_;
  std::vector<std::unique_ptr<TestSite>> sites_;
};

TEST_F(Damage, APlanThatIsNoPlanSetsItsJobAside) {
  Sql("UPDATE jobs SET plan = 'x' || plan || char(7)");
  Restart();
  ExpectSetAside("the stored plan");
}

TEST_F(Damage, APlanOfALaterFormatIsKeptForTheProgramThatReadsIt) {
  HILUM_ASSERT_OK_AND_ASSIGN(auto state, State::Open(federation_.folder() / "state.sqlite"));
  const JobRow before = state->Jobs()->at(0);
  state.reset();
  Sql("UPDATE jobs SET plan = replace(plan, '\"v\":1', '\"v\":2')");
  Restart();
  ExpectSetAside("the stored plan");
  federation_.Stop();
  Sql("UPDATE jobs SET plan = replace(plan, '\"v\":2', '\"v\":1') WHERE job = 'cxr-test'");
  HILUM_ASSERT_OK_AND_ASSIGN(state, State::Open(federation_.folder() / "state.sqlite"));
  const JobRow after = state->Jobs()->at(0);
  EXPECT_EQ(after.plan, before.plan);
  EXPECT_EQ(after.state, before.state);
  EXPECT_EQ(after.message, before.message);
}

TEST_F(Damage, APlanOfAnotherJobIsNotUsed) {
  Sql("UPDATE jobs SET plan = replace(plan, 'cxr-test', 'cxr-tesu')");
  Restart();
  ExpectSetAside("is of job cxr-tesu");
}

TEST_F(Damage, AStateThatDoesNotExist) {
  Sql("UPDATE jobs SET state = 77");
  Restart();
  ExpectSetAside("state 77");
}

TEST_F(Damage, AnOpenRoundThatCannotBeRead) {
  Sql("UPDATE rounds SET config = substr(config, 1, 100)");
  Restart();
  ExpectSetAside("round 1");
}

TEST_F(Damage, ARosterThatIsCut) {
  Sql("UPDATE rounds SET roster = substr(roster, 1, 39)");
  Restart();
  ExpectSetAside("round 1: its roster is cut");
}

TEST_F(Damage, ARosterThatLacksASite) {
  Sql("UPDATE rounds SET roster = substr(roster, 1, 40)");
  Restart();
  ExpectSetAside("round 1: its roster is not its configuration's");
}

// A name that nobody can type or send: the job is only logged.
TEST_F(Damage, AJobNameThatIsNoName) {
  Sql("UPDATE jobs SET job = cast(x'ff41' AS TEXT)");
  Restart();
  wire::JobList jobs;
  grpc::ClientContext context;
  ASSERT_TRUE(federation_.lead().ListJobs(&context, {}, &jobs).ok());
  EXPECT_EQ(jobs.jobs_size(), 0);
}

TEST_F(Damage, AFileThatIsNoDatabaseStopsTheServer) {
  HILUM_ASSERT_OK(WriteFileDurably(federation_.folder() / "state.sqlite", Bytes(8192, 0x41)));
  EXPECT_THAT(OpenFederation(federation_.folder()), StatusIs(absl::StatusCode::kDataLoss, "state"));
}

}  // namespace
}  // namespace hilum::aggregator

#include "cli/job_view.h"

#include "absl/strings/str_split.h"
#include "tests/status_matchers.h"

namespace hilum::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

v1::JobStatus Running() {
  v1::JobStatus status;
  status.set_job("cxr-demo");
  status.set_state("running");
  status.set_rounds(6);
  status.set_ledger_size(9);
  v1::SiteStatus* site = status.add_sites();
  site->set_site("hospital-a");
  site->set_connected(true);
  site->set_answer("approved");
  site->set_phase("training");
  site->set_percent(40);
  site = status.add_sites();
  site->set_site("hospital-b");
  site->set_answer("approved");
  site->set_phase("dropped");
  site->set_reason("away for 7 s");
  site->set_has_statistics(true);
  site->set_weight(34);
  site->set_loss(0.5);
  v1::RoundSummary* round = status.add_history();
  round->set_round(1);
  round->set_status("ok");
  round->add_cohort("hospital-a");
  round->add_dropped("hospital-b");
  round->set_total_weight(34);
  round->set_mean_loss(0.625);
  round->set_seconds(9);
  round->set_received_bytes(3230000);
  round->set_model_sha256(std::string(32, '\xab'));
  return status;
}

TEST(JobTable, AListWithoutHistoryStatesThePlannedRoundsAndNoProgress) {
  v1::JobStatus status = Running();
  status.clear_history();
  v1::JobList jobs;
  *jobs.add_jobs() = status;
  EXPECT_THAT(JobTable(jobs), HasSubstr("running       6      2"));
}

TEST(IsSettled, OnlyRecruitingAndRunningGoOn) {
  v1::JobStatus status;
  for (const char* state : {"recruiting", "running"}) {
    status.set_state(state);
    EXPECT_FALSE(IsSettled(status)) << state;
  }
  for (const char* state : {"paused", "done", "failed", "cancelled"}) {
    status.set_state(state);
    EXPECT_TRUE(IsSettled(status)) << state;
  }
}

TEST(StatusPage, ShowsSitesAndRounds) {
  const std::string page = StatusPage(Running());
  EXPECT_THAT(page, HasSubstr("job cxr-demo: running, 1 of 6 rounds begun, ledger size 9"));
  EXPECT_THAT(page, HasSubstr("hospital-a  yes        approved  training 40 %      -       -"));
  EXPECT_THAT(page, HasSubstr("hospital-b  no         approved  dropped           34  0.5000"));
  EXPECT_THAT(page, HasSubstr("3.23 MB"));
}

// A site's reason may be a long sentence: it must not push the table apart, nor be lost.
TEST(StatusPage, CutsALongReasonAndSaysItWholeBelow) {
  v1::JobStatus status = Running();
  const std::string reason =
      "[policy] allow_open is false: the site's policy does not take part in jobs whose server "
      "sees each update";
  status.mutable_sites(0)->set_reason(reason);
  status.mutable_history(0)->set_reason("r\xc3\xa9sum\xc3\xa9 " + reason);
  const std::string page = StatusPage(status);
  for (const absl::string_view line : absl::StrSplit(page, '\n')) {
    EXPECT_LE(line.size(), 135u) << line;
  }
  EXPECT_THAT(page, HasSubstr("[policy] allow_open is false: the site's poli...\n"));
  // Whole, in lines of at most 100 characters.
  EXPECT_THAT(page, HasSubstr("\nhospital-a: [policy] allow_open is false: the site's policy does "
                              "not take part in jobs whose server\n  sees each update\n"));
  EXPECT_THAT(page, HasSubstr("\nround 1: r\xc3\xa9sum\xc3\xa9 [policy]"));
  EXPECT_THAT(page, Not(HasSubstr("hospital-b: away")));  // a short one stands in the table
}

TEST(JobTable, CutsALongMessageAndSaysItWholeBelow) {
  v1::JobList jobs;
  *jobs.add_jobs() = Running();
  jobs.mutable_jobs(0)->set_message(std::string(30, 'x') + " " + std::string(40, 'y'));
  EXPECT_THAT(JobTable(jobs), HasSubstr("xxx yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy...\n\ncxr-demo: xxx"));
}

TEST(StatusToJson, HasNullWhereTheServerKnowsNothing) {
  const nlohmann::ordered_json json = StatusToJson(Running());
  EXPECT_TRUE(json["sites"][0]["films"].is_null());
  EXPECT_EQ(json["sites"][1]["films"], 34);
  EXPECT_EQ(json["sites"][1]["loss"], 0.5);
  EXPECT_EQ(json["history"][0]["model_sha256"].get<std::string>().substr(0, 4), "abab");
  EXPECT_EQ(json["history"][0]["dropped"][0], "hospital-b");
}

TEST(Changes, TellsEachThingOnce) {
  const v1::JobStatus first = Running();
  EXPECT_THAT(Changes({}, first),
              ElementsAre("job cxr-demo is running", "hospital-a: connected, approved, training",
                          "hospital-b: away, approved, dropped (away for 7 s)",
                          "round 1 ok: 1 site, 34 films, mean loss 0.6250, 9.0 s, dropped "
                          "hospital-b"));
  EXPECT_THAT(Changes(first, first), IsEmpty());
  v1::JobStatus second = first;
  second.mutable_sites(0)->set_percent(60);  // percent alone is no line
  EXPECT_THAT(Changes(first, second), IsEmpty());
  second.mutable_sites(1)->set_connected(true);
  second.set_state("done");
  EXPECT_THAT(Changes(first, second), ElementsAre("hospital-b: connected", "job cxr-demo is done"));
}

// Its sites are `dropped` in the ledger's words, whether they sent an update or not.
TEST(Changes, AnAbortedRoundSaysThatItCountedNobody) {
  v1::JobStatus status = Running();
  status.mutable_history(0)->set_status("aborted");
  EXPECT_THAT(Changes({}, status).back(), HasSubstr("round 1 aborted, not counted hospital-b"));
  EXPECT_THAT(StatusPage(status), HasSubstr("not counted  reason"));
}

TEST(Changes, LetsNoPeerMoveTheCursor) {
  v1::JobStatus status;
  status.set_state("paused");
  status.set_message("\x1b[2J");
  EXPECT_THAT(Changes({}, status), ElementsAre(HasSubstr("?[2J")));
}

}  // namespace
}  // namespace hilum::cli

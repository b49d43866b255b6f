#include "cli/job_report.h"

#include <algorithm>

#include "tests/cli/finished_job.h"

namespace hilum::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ReportPage, IsSelfContained) {
  const std::string page = ReportPage(Done(), {Evaluation()});
  for (const char* outside : {"http:", "https:", "src=", "<script", "@import", "url("}) {
    EXPECT_THAT(page, Not(HasSubstr(outside)));
  }
  EXPECT_THAT(page, HasSubstr("Research use only"));
}

TEST(ReportPage, SaysWhatTheServerSaw) {
  v1::JobStatus status = Done();
  EXPECT_THAT(ReportPage(status, {}), HasSubstr("Masks: none, the server saw each"));
  HILUM_ASSERT_OK_AND_ASSIGN(proto::RoundPlan plan, proto::ParseRoundPlan(status.plan()));
  plan.aggregation.mode = "masked";
  plan.cohort.minimum = 5;
  HILUM_ASSERT_OK_AND_ASSIGN(*status.mutable_plan(), proto::EncodeRoundPlan(plan));
  EXPECT_THAT(ReportPage(status, {}), HasSubstr("learned the sum of the updates only"));
}

// The server of a masked job knows who was counted and sums over them; no figure of one site.
TEST(ReportPage, SaysWhatAMaskedJobShowsAndWhatNobodyCanKnow) {
  v1::JobStatus status = Done();
  HILUM_ASSERT_OK_AND_ASSIGN(proto::RoundPlan plan, proto::ParseRoundPlan(status.plan()));
  plan.aggregation.mode = "masked";
  plan.cohort.minimum = 5;
  HILUM_ASSERT_OK_AND_ASSIGN(*status.mutable_plan(), proto::EncodeRoundPlan(plan));
  for (v1::SiteStatus& site : *status.mutable_sites()) {
    site.set_has_statistics(false);
    site.set_weight(0);
  }
  const std::string page = ReportPage(status, {});
  EXPECT_THAT(page, HasSubstr("It cannot know how many films one site has"));
  EXPECT_THAT(page, Not(HasSubstr("nothing is known yet")));
  EXPECT_THAT(page, Not(HasSubstr("Training films by site")));
  EXPECT_THAT(page, HasSubstr("<title>Training films of all counted sites by round</title>"));
  EXPECT_THAT(page, HasSubstr("<title>1: 68.0000</title>"));  // films of both sites
  EXPECT_THAT(page, HasSubstr("<title>Sites counted by round</title>"));
  EXPECT_THAT(page, HasSubstr("<title>2: 1.0000</title>"));  // one was dropped
  EXPECT_THAT(page, Not(HasSubstr("no curve here")));
  EXPECT_THAT(ReportPage(Done(), {}), Not(HasSubstr("It cannot know")));
}

TEST(ReportPage, DrawsNoLossWhereNoSiteSendsOne) {
  v1::JobStatus status = Done();
  HILUM_ASSERT_OK_AND_ASSIGN(proto::RoundPlan plan, proto::ParseRoundPlan(status.plan()));
  plan.aggregation.mode = "masked";
  plan.cohort.minimum = 5;
  plan.privacy.unit = "silo";
  plan.privacy.sigma = 1;
  plan.privacy.delta = 2e-4;
  HILUM_ASSERT_OK_AND_ASSIGN(*status.mutable_plan(), proto::EncodeRoundPlan(plan));
  for (v1::RoundSummary& round : *status.mutable_history()) {
    round.set_total_weight(0);
    round.set_mean_loss(0);
  }
  const std::string page = ReportPage(status, {});
  EXPECT_THAT(page, HasSubstr("no curve here"));
  EXPECT_THAT(page, Not(HasSubstr("0.0000")));
  EXPECT_THAT(RoundsCsv(status), HasSubstr("\n2,ok,hospital-a,hospital-b,,,2.5,88,"));
}

TEST(ReportPage, ShowsRoundsSitesAndPlan) {
  const std::string page = ReportPage(Done(), {});
  EXPECT_THAT(page, HasSubstr("<title>hospital-b, round 2: dropped</title>"));
  EXPECT_THAT(page, HasSubstr("<title>hospital-a, round 2: counted</title>"));
  EXPECT_THAT(page, HasSubstr("<td>training.local_epochs</td><td>2</td>"));
  EXPECT_THAT(page, Not(HasSubstr("fc.weight")));
  EXPECT_THAT(page, Not(HasSubstr("Leak audit")));
}

TEST(ReportPage, PrintsNoMetricWithoutItsInterval) {
  const std::string page = ReportPage(Done(), {Evaluation()});
  EXPECT_THAT(page, HasSubstr("<td>federated</td><td>0.873 [0.801, 0.921] n=126</td>"));
  EXPECT_THAT(page, HasSubstr("<td>local_only hospital-a</td><td>0.700 [0.600, 0.800] n=126"));
  EXPECT_THAT(page, HasSubstr("<td>pooled</td><td>missing</td>"));
  EXPECT_THAT(page, HasSubstr("The model is not promoted"));
}

TEST(ReportPage, EscapesWhatPeersWrote) {
  v1::JobStatus status = Done();
  status.set_message("<script>alert(1)</script>");
  status.mutable_sites(0)->set_site("<img>");
  status.mutable_history(1)->set_reason("<iframe>");
  const std::string page = ReportPage(status, {Evaluation()});
  for (const char* markup : {"<script", "<img", "<iframe", "<b>"}) {
    EXPECT_THAT(page, Not(HasSubstr(markup)));
  }
}

TEST(RoundsCsv, HasOneLineARound) {
  EXPECT_THAT(RoundsCsv(Done()),
              HasSubstr("round,status,sites,dropped,films,mean_loss,seconds,received_bytes,"
                        "model_sha256\n"
                        "1,ok,hospital-a hospital-b,,68,0.5,2.5,88,0101"));
  EXPECT_THAT(RoundsCsv(Done()), HasSubstr("\n2,ok,hospital-a,hospital-b,34,0.25,"));
}

TEST(CompareJobs, ShowsOutcomesAndWhatDiffersInThePlans) {
  v1::JobStatus a = Done(), b = Done("other");
  proto::RoundPlan plan = SmallPlan();
  plan.job = "other";
  plan.training.batch_size = 16;
  b.set_plan(*proto::EncodeRoundPlan(plan));
  b.mutable_history(1)->set_status("aborted");
  const std::string table = CompareJobs({a}, {b});
  EXPECT_THAT(table, HasSubstr("rounds aborted"));
  EXPECT_THAT(table, testing::ContainsRegex("training.batch_size +8 +16"));
  EXPECT_THAT(table, testing::ContainsRegex("mean loss, last round +0.2500 +0.5000"));
  EXPECT_THAT(table, Not(HasSubstr("learning_rate")));
  EXPECT_EQ(CompareJobsJson({a}, {b})["b"], "other");
}

TEST(CompareJobs, ShowsHowGoodTheModelsAreWhereAnEvaluationSaysIt) {
  const v1::JobStatus a = Done(), b = Done("other");
  const std::string table = CompareJobs({a, Evaluation()}, {b});
  EXPECT_THAT(table, testing::ContainsRegex("AUROC, pneumonia +0.900 .0.850, 0.950. n=126 +-"));
  EXPECT_THAT(table, testing::ContainsRegex("leak audit +research +-"));
  const nlohmann::ordered_json json = CompareJobsJson({a}, {b, Evaluation()});
  const auto row = std::find_if(json["rows"].begin(), json["rows"].end(),
                                [](const auto& one) { return one["what"] == "balanced accuracy"; });
  ASSERT_NE(row, json["rows"].end());
  EXPECT_EQ((*row)["a"], "-");
  EXPECT_EQ((*row)["b"], "0.873 [0.801, 0.921] n=126");
}

}  // namespace
}  // namespace hilum::cli

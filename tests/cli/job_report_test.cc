#include "cli/job_report.h"

#include "tests/cli/job_fixture.h"

namespace hilum::cli {
namespace {

using absl::StatusCode;
using testing::HasSubstr;
using testing::Not;

v1::JobStatus Done(const std::string& job = "cxr-demo") {
  proto::RoundPlan plan = SmallPlan();
  plan.job = job;
  v1::JobStatus status;
  status.set_job(job);
  status.set_state("done");
  status.set_rounds(2);
  status.set_plan(*proto::EncodeRoundPlan(plan));
  for (const char* name : {"hospital-a", "hospital-b"}) {
    v1::SiteStatus* site = status.add_sites();
    site->set_site(name);
    site->set_has_statistics(true);
    site->set_weight(34);
  }
  for (uint64_t number = 1; number <= 2; ++number) {
    v1::RoundSummary* round = status.add_history();
    round->set_round(number);
    round->set_status("ok");
    round->add_cohort("hospital-a");
    (number == 1 ? round->add_cohort() : round->add_dropped())->assign("hospital-b");
    round->set_total_weight(number == 1 ? 68 : 34);
    round->set_mean_loss(0.5 / number);
    round->set_seconds(2.5);
    round->set_received_bytes(88);
    round->set_model_sha256(std::string(32, static_cast<char>(number)));
  }
  return status;
}

nlohmann::ordered_json Evaluation() {
  return nlohmann::ordered_json::parse(R"({"metrics": {
    "local_only": {"hospital-a": {"balanced_accuracy": 0.7, "auroc": {"normal": 0.75},
                                  "n": 126, "ci95": [0.6, 0.8]}},
    "federated": {"balanced_accuracy": 0.873, "auroc": {"normal": 0.9}, "n": 126,
                  "ci95": [0.801, 0.921]},
    "pooled": {"balanced_accuracy": 0.9, "auroc": {"normal": 0.95}, "n": 126}},
    "leak_audit": {"promoted": false, "reasons": ["<b>not run</b>"]}})");
}

TEST(ReportPage, IsSelfContained) {
  const std::string page = ReportPage(Done(), Evaluation());
  for (const char* outside : {"http:", "https:", "src=", "<script", "@import", "url("}) {
    EXPECT_THAT(page, Not(HasSubstr(outside)));
  }
  EXPECT_THAT(page, HasSubstr("Research use only"));
}

TEST(ReportPage, SaysWhatTheServerSaw) {
  v1::JobStatus status = Done();
  EXPECT_THAT(ReportPage(status, std::nullopt), HasSubstr("Masks: none, the server saw each"));
  HILUM_ASSERT_OK_AND_ASSIGN(proto::RoundPlan plan, proto::ParseRoundPlan(status.plan()));
  plan.aggregation.mode = "masked";
  plan.cohort.minimum = 5;
  HILUM_ASSERT_OK_AND_ASSIGN(*status.mutable_plan(), proto::EncodeRoundPlan(plan));
  EXPECT_THAT(ReportPage(status, std::nullopt), HasSubstr("learned the sum of the updates only"));
}

TEST(ReportPage, ShowsRoundsSitesAndPlan) {
  const std::string page = ReportPage(Done(), std::nullopt);
  EXPECT_THAT(page, HasSubstr("<title>hospital-b, round 2: dropped</title>"));
  EXPECT_THAT(page, HasSubstr("<title>hospital-a, round 2: counted</title>"));
  EXPECT_THAT(page, HasSubstr("<td>training.local_epochs</td><td>2</td>"));
  EXPECT_THAT(page, Not(HasSubstr("fc.weight")));
  EXPECT_THAT(page, Not(HasSubstr("Leak audit")));
}

TEST(ReportPage, PrintsNoMetricWithoutItsInterval) {
  const std::string page = ReportPage(Done(), Evaluation());
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
  const std::string page = ReportPage(status, Evaluation());
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

TEST(ReadEvaluation, RefusesWhatCompareDidNotPrint) {
  TestFolder folder;
  const fs::path file = folder.path() / "comparison.json";
  EXPECT_THAT(ReadEvaluation(file), StatusIs(StatusCode::kInvalidArgument, "comparison.json"));
  for (const char* text : {"", "[]", "{}", "{\"metrics\": 1}", "{"}) {
    HILUM_ASSERT_OK(WriteFileDurably(file, AsBytes(text)));
    EXPECT_THAT(ReadEvaluation(file), StatusIs(StatusCode::kInvalidArgument, "metrics")) << text;
  }
  HILUM_ASSERT_OK(WriteFileDurably(file, AsBytes(Evaluation().dump())));
  HILUM_EXPECT_OK(ReadEvaluation(file));
}

TEST(CheckEvaluationOf, RefusesTheFiguresOfAnotherModel) {
  nlohmann::ordered_json evaluation = Evaluation();
  HILUM_EXPECT_OK(CheckEvaluationOf(Done(), evaluation));  // it does not say of what it is
  evaluation["job"] = "another";
  EXPECT_THAT(CheckEvaluationOf(Done(), evaluation),
              StatusIs(StatusCode::kDataLoss, "of job another, not of cxr-demo"));
  std::string model;
  for (int i = 0; i < 32; ++i) model += "02";
  evaluation["model_sha256"] = model;  // of round 2: whatever the recipe's file was called
  HILUM_EXPECT_OK(CheckEvaluationOf(Done(), evaluation));
  model.back() = '3';
  evaluation["model_sha256"] = model;
  EXPECT_THAT(CheckEvaluationOf(Done(), evaluation),
              StatusIs(StatusCode::kDataLoss, "which no round of cxr-demo made"));
}

TEST(ReportPage, NamesTheOneModelOfAnEvaluation) {
  EXPECT_THAT(ReportPage(Done(), nlohmann::ordered_json::parse(R"({"metrics": {
                "balanced_accuracy": 0.7, "auroc": {}, "n": 126, "ci95": [0.6, 0.8]}})")),
              HasSubstr("released model"));
}

TEST(CompareJobs, ShowsOutcomesAndWhatDiffersInThePlans) {
  v1::JobStatus a = Done(), b = Done("other");
  proto::RoundPlan plan = SmallPlan();
  plan.job = "other";
  plan.training.batch_size = 16;
  b.set_plan(*proto::EncodeRoundPlan(plan));
  b.mutable_history(1)->set_status("aborted");
  const std::string table = CompareJobs(a, b);
  EXPECT_THAT(table, HasSubstr("rounds aborted"));
  EXPECT_THAT(table, testing::ContainsRegex("training.batch_size +8 +16"));
  EXPECT_THAT(table, testing::ContainsRegex("mean loss, last round +0.2500 +0.5000"));
  EXPECT_THAT(table, Not(HasSubstr("learning_rate")));
  EXPECT_EQ(CompareJobsJson(a, b)["b"], "other");
}

}  // namespace
}  // namespace hilum::cli

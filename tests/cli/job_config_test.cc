#include "cli/job_config.h"

#include "absl/strings/str_replace.h"
#include "tests/cli/job_fixture.h"

namespace hilum::cli {
namespace {

using absl::StatusCode;

absl::StatusOr<JobFile> With(const std::string& line, const std::string& instead) {
  return ParseJobFile("jobs/job.toml", absl::StrReplaceAll(kJobToml, {{line, instead}}));
}

TEST(JobFile, ReadsTheWholePlan) {
  HILUM_ASSERT_OK_AND_ASSIGN(const JobFile job, ParseJobFile("jobs/job.toml", kJobToml));
  EXPECT_EQ(job.model_folder, "jobs/model0");
  EXPECT_EQ(job.plan.job, "cxr-demo");
  EXPECT_EQ(job.plan.rounds, 3);
  EXPECT_EQ(job.plan.seed, 7);
  EXPECT_EQ(job.plan.model.classes, (std::vector<std::string>{"normal", "pneumonia"}));
  EXPECT_EQ(job.plan.training.local_epochs, 2);
  EXPECT_EQ(job.plan.training.optimizer, "adamw");
  EXPECT_EQ(job.plan.cohort.minimum, 4);
  EXPECT_EQ(job.plan.aggregation.clip_l2, 50.0);
  EXPECT_EQ(job.plan.aggregation.max_weight, 1000);
}

TEST(JobFile, HasNoSeedUnlessItSaysSo) {
  HILUM_ASSERT_OK_AND_ASSIGN(const JobFile job, With("seed = 7\n", ""));
  EXPECT_FALSE(job.plan.seed.has_value());
}

struct Refused {
  const char* line;
  const char* instead;
  const char* part;
};

TEST(JobFile, RefusesWithFileLineKeyValueAndRange) {
  const Refused cases[] = {
      {"rounds = 3", "rounds = 0", "jobs/job.toml:2: rounds = 0, but a whole number from 1 to 1"},
      {"rounds = 3\n", "", "rounds is missing"},
      {"seed = 7", "seed = 9007199254740993", "seed = 9007199254740993"},
      {"seed = 7", "seeds = 7", "jobs/job.toml:3: seeds is not a known key"},
      {"cxr-demo", "CXR", "jobs/job.toml:1: job: "},
      {"init = \"model0\"\n", "", "[model] init is missing"},
      {"[\"normal\", \"pneumonia\"]", "[\"normal\"]", "jobs/job.toml:8: [model] classes: has 1"},
      {"local_epochs = 2", "local_epochs = 101", "jobs/job.toml:12: [training] local_epochs = 101"},
      {"local_epochs = 2", "learning_rate = 0", "above 0 up to 10"},
      {"local_epochs = 2", "prox_mu = 0.1", "prox_mu: must be 0 unless"},
      {"local_epochs = 2", "optimizer = \"adam\"", "one of \"adamw\", \"sgd\""},
      {"target = 6", "target = 3", "[cohort] target: is 3"},
      {"minimum = 4", "minimum = 1", "[cohort] minimum = 1, but a whole number from 2 to 500"},
      {"clip_l2 = 50.0", "clip_l2 = 0", "[aggregation] clip_l2 = 0"},
      {"clip_l2 = 50.0", "mode = \"masked\"", "one of \"open\""},
      {"clip_l2 = 50.0", "value_bits = 1", "value_bits: is 1"},
      {"clip_l2 = 50.0", "clip_l2 = 2\nrange = 3", "[aggregation] range = 3"},
      {"[cohort]", "[cohorts]", "cohorts is not a known section"},
  };
  for (const Refused& refused : cases) {
    EXPECT_THAT(With(refused.line, refused.instead),
                StatusIs(StatusCode::kInvalidArgument, refused.part))
        << refused.instead;
  }
}

TEST(JobFile, FileAndWireHaveTheSameLimits) {
  HILUM_ASSERT_OK_AND_ASSIGN(JobFile job, ParseJobFile("job.toml", kJobToml));
  job.plan.spec = SmallSpec();
  HILUM_EXPECT_OK(proto::CheckRoundPlan(job.plan));
}

TEST(ReadJobFile, NamesTheMissingFile) {
  EXPECT_THAT(ReadJobFile("no/job.toml"), StatusIs(StatusCode::kNotFound, "no/job.toml"));
}

class VersionZero : public testing::Test {
 protected:
  absl::StatusOr<LaunchableJob> Load() {
    HILUM_ASSIGN_OR_RETURN(const JobFile job, ParseJobFile(folder_.path() / "job.toml", kJobToml));
    return LoadVersionZero(job);
  }
  void Write(const proto::ModelDescription& description) {
    WriteVersionZero(folder_.path() / "model0", description, file_);
  }
  TestFolder folder_;
  const Bytes file_ = SmallModel({1, 2, 3, 4, 5, 6, 7, 8});
};

TEST_F(VersionZero, CompletesThePlan) {
  Write(SmallDescription(file_));
  HILUM_ASSERT_OK_AND_ASSIGN(const LaunchableJob job, Load());
  EXPECT_EQ(job.model_sha256, crypto::Sha256(file_));
  EXPECT_EQ(job.plan.spec, SmallSpec());
  HILUM_ASSERT_OK_AND_ASSIGN(const proto::RoundPlan plan, proto::ParseRoundPlan(job.plan_bytes));
  EXPECT_EQ(plan.model.profile_digest[0], 7);
  EXPECT_EQ(*proto::EncodeRoundPlan(SmallPlan()), job.plan_bytes);
}

TEST_F(VersionZero, SaysHowToMakeAMissingOne) {
  EXPECT_THAT(Load(), StatusIs(StatusCode::kNotFound, "make version 0 with `hilum model init"));
}

TEST_F(VersionZero, RefusesAnotherModelThanJobTomlNames) {
  proto::ModelDescription description = SmallDescription(file_);
  description.classes = {"pneumonia", "normal"};
  Write(description);
  EXPECT_THAT(Load(), StatusIs(StatusCode::kInvalidArgument,
                               "classes is normal,pneumonia, but the model folder says"));
  description = SmallDescription(file_);
  description.profile = "cxr96";
  Write(description);
  EXPECT_THAT(Load(), StatusIs(StatusCode::kInvalidArgument, "profile is cxr128"));
  description = SmallDescription(file_);
  description.architecture = "covidnet-tiny";
  Write(description);
  EXPECT_THAT(Load(), StatusIs(StatusCode::kInvalidArgument, "architecture is covidnet-nano"));
  description = SmallDescription(file_);
  description.round = 3;
  Write(description);
  EXPECT_THAT(Load(), StatusIs(StatusCode::kInvalidArgument, "the model of round 3"));
}

TEST_F(VersionZero, RefusesAChangedFile) {
  Write(SmallDescription(SmallModel({1, 2, 3, 4, 5, 6, 7, 9})));
  EXPECT_THAT(Load(), StatusIs(StatusCode::kDataLoss, "but model.json says"));
}

TEST_F(VersionZero, RefusesWhatIsNoModel) {
  const Bytes garbage(64, 0xff);
  WriteVersionZero(folder_.path() / "model0", SmallDescription(garbage), garbage);
  EXPECT_THAT(Load(), StatusIs(StatusCode::kDataLoss, ""));
}

}  // namespace
}  // namespace hilum::cli

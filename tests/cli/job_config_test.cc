#include "cli/job_config.h"

#include "absl/strings/str_cat.h"
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

TEST(JobFile, ARobustRuleNeedsOpenModeAndSites) {
  const std::string rule = "[strategy]\nrule = \"krum\"\nn_faulty = 1\n[cohort]";
  EXPECT_THAT(With("[cohort]", rule),
              StatusIs(StatusCode::kInvalidArgument,
                       "[cohort] minimum = 4: must be 5 or more with [strategy] rule \"krum\""));
  const std::string open = absl::StrReplaceAll(
      kJobToml, {{"[cohort]", rule}, {"minimum = 4", "minimum = 5"}, {"mode = \"open\"\n", ""}});
  HILUM_ASSERT_OK_AND_ASSIGN(const JobFile job, ParseJobFile("jobs/job.toml", open));
  EXPECT_EQ(job.plan.strategy.rule, "krum");
  EXPECT_EQ(job.plan.aggregation.mode, "open");
  const std::string masked = absl::StrReplaceAll(
      kJobToml, {{"[cohort]", rule}, {"minimum = 4", "minimum = 5"}, {"\"open\"", "\"masked\""}});
  EXPECT_THAT(ParseJobFile("jobs/job.toml", masked),
              StatusIs(StatusCode::kInvalidArgument, "must be \"open\" with [strategy] rule"));
}

TEST(JobFile, HasMasksUnlessItSaysOpen) {
  const std::string with_masks =
      absl::StrReplaceAll(kJobToml, {{"mode = \"open\"\n", ""}, {"minimum = 4\n", ""}});
  HILUM_ASSERT_OK_AND_ASSIGN(const JobFile job, ParseJobFile("jobs/job.toml", with_masks));
  EXPECT_EQ(job.plan.aggregation.mode, "masked");
  EXPECT_EQ(job.plan.cohort.minimum, 5);
  EXPECT_THAT(With("mode = \"open\"\n", ""),
              StatusIs(StatusCode::kInvalidArgument,
                       "[cohort] minimum = 4: must be 5 or more unless [aggregation] mode"));
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
      {"rounds = 3", "roundz = 3", "jobs/job.toml:2: roundz is not a known key; known are "},
      {"init =", "innit =", "[model] innit is not a known key"},
      {"[model]", "[modell]", "modell is not a known section"},
      {"seed = 7", "seed = 9007199254740993", "seed = 9007199254740993"},
      {"seed = 7", "seeds = 7", "jobs/job.toml:3: seeds is not a known key"},
      {"cxr-demo", "CXR", "jobs/job.toml:1: job = 'CXR': "},
      {"init = \"model0\"\n", "", "[model] init is missing"},
      {"[\"normal\", \"pneumonia\"]", "[\"normal\"]",
       "jobs/job.toml:8: [model] classes = [ 'normal' ]: has 1"},
      {"local_epochs = 2", "local_epochs = 101", "jobs/job.toml:12: [training] local_epochs = 101"},
      {"local_epochs = 2", "learning_rate = 0", "above 0 up to 10"},
      {"local_epochs = 2", "prox_mu = 0.1",
       "jobs/job.toml:12: [training] prox_mu = 0.1: must be 0 unless"},
      {"local_epochs = 2", "optimizer = \"adam\"", "one of \"adamw\", \"sgd\""},
      {"target = 6", "target = 3",
       "[cohort] target = 3: must be 0 (every site) or at least minimum, 4"},
      {"minimum = 4", "minimum = 1", "[cohort] minimum = 1, but a whole number from 2 to 500"},
      {"clip_l2 = 50.0", "clip_l2 = 0", "[aggregation] clip_l2 = 0"},
      {"mode = \"open\"", "mode = \"secret\"", "one of \"open\""},
      {"clip_l2 = 50.0", "value_bits = 1",
       "value_bits = 1: must be 0 (as many as fit) or from 2 to 31"},
      {"clip_l2 = 50.0", "clip_l2 = 2\nrange = 3", "[aggregation] range = 3"},
      {"[cohort]", "[cohorts]", "cohorts is not a known section"},
  };
  for (const Refused& refused : cases) {
    EXPECT_THAT(With(refused.line, refused.instead),
                StatusIs(StatusCode::kInvalidArgument, refused.part))
        << refused.instead;
  }
}

// A key that the chosen optimizer, schedule or strategy would not read is an error: its author
// believes that it does something.
TEST(JobFile, RefusesAKeyThatNothingWouldRead) {
  const Refused cases[] = {
      {"local_epochs = 2", "momentum = 0.9",
       "jobs/job.toml:12: [training] momentum = 0.9: only optimizer \"sgd\" has it, "
       "and this is \"adamw\""},
      {"local_epochs = 2", "optimizer = \"adamw\"\nmomentum = 0.0",
       "jobs/job.toml:13: [training] momentum = 0.0: only"},
      {"local_epochs = 2", "schedule_rounds = 8",
       "jobs/job.toml:12: [training] schedule_rounds = 8: only schedules \"cosine\" and "
       "\"one-cycle\" have a length, and this is \"constant\""},
      {"local_epochs = 2", "prox_mu = 0.1", "[training] prox_mu = 0.1: must be 0 unless"},
      {"[cohort]", "[strategy]\nbeta1 = 0.8\n[cohort]",
       "[strategy] beta1 = 0.8: only \"fedadagrad\", \"fedadam\" and \"fedyogi\" have it"},
      {"[cohort]", "[strategy]\nname = \"fedadagrad\"\nbeta2 = 0.8\n[cohort]",
       "[strategy] beta2 = 0.8: \"fedadagrad\" has none"},
      {"[cohort]", "[strategy]\nn_faulty = 1\n[cohort]",
       "[strategy] n_faulty = 1: must be 0 with rule \"mean\""},
      {"[cohort]", "[strategy]\nclip_radius = 1.0\n[cohort]",
       "[strategy] clip_radius = 1.0: only rule \"centred-clipping\" has it"},
      {"[cohort]", "[strategy]\nname = \"fedprox\"\n[cohort]",
       "jobs/job.toml:15: [strategy] name = 'fedprox': needs [training] prox_mu above 0"},
      {"[cohort]", "[strategy]\nname = \"fednova\"\n[cohort]",
       "jobs/job.toml:15: [strategy] name = 'fednova': needs [training] local_steps"},
      {"local_epochs = 2", "local_epochs = 2\nlocal_steps = 5",
       "[training] local_epochs = 2: local_steps says how long a round is"},
      {"local_epochs = 2", "time_limit_s = 3600",
       "[training] time_limit_s = 3600: must be below [cohort] deadline_s, 3600"},
  };
  for (const Refused& refused : cases) {
    EXPECT_THAT(With(refused.line, refused.instead),
                StatusIs(StatusCode::kInvalidArgument, refused.part))
        << refused.instead;
  }
}

TEST(JobFile, TakesThoseKeysWhereSomethingReadsThem) {
  HILUM_EXPECT_OK(With("local_epochs = 2", "optimizer = \"sgd\"\nmomentum = 0.5"));
  HILUM_EXPECT_OK(With("local_epochs = 2", "schedule = \"cosine\"\nschedule_rounds = 8"));
  HILUM_EXPECT_OK(With("local_epochs = 2\n", "prox_mu = 0.1\n[strategy]\nname = \"fedprox\"\n"));
  HILUM_EXPECT_OK(With("local_epochs = 2\n",
                       "local_steps = 5\ntime_limit_s = 60\nlabel_smoothing = 0.1\n"
                       "[strategy]\nname = \"fednova\"\n"));
}

constexpr char kRecord[] =
    "local_epochs = 2\nbalance_classes = false\n[privacy]\nunit = \"record\"\nsigma = 1.1\n"
    "delta = 1e-5\nsample_rate = 0.02\nsteps = 50\nsample_clip = 1\n";

TEST(JobFile, ReadsDifferentialPrivacy) {
  HILUM_ASSERT_OK_AND_ASSIGN(const JobFile job, With("local_epochs = 2\n", kRecord));
  EXPECT_EQ(job.plan.privacy.unit, "record");
  EXPECT_EQ(job.plan.privacy.sigma, 1.1);
  EXPECT_EQ(job.plan.privacy.delta, 1e-5);
  EXPECT_EQ(job.plan.privacy.sample_rate, 0.02);
  EXPECT_EQ(job.plan.privacy.steps, 50);
  EXPECT_EQ(job.plan.privacy.sample_clip, 1.0);
}

TEST(JobFile, RefusesDifferentialPrivacyThatWouldNotHold) {
  const Refused cases[] = {
      {"sigma = 1.1\n", "", "[privacy] sigma is missing"},
      {"delta = 1e-5\n", "", "[privacy] delta is missing"},
      {"sigma = 1.1", "sigma = 0.1", "[privacy] sigma = 0.1"},
      {"steps = 50", "steps = 0", "[privacy] steps = 0"},
      {"balance_classes = false\n", "", "[training] balance_classes: must be false with"},
      {"balance_classes = false", "balance_classes = false\nmax_gradient_norm = 1",
       "[training] max_gradient_norm = 1"},
      {"balance_classes = false", "balance_classes = false\nkeep_optimizer = true",
       "[training] keep_optimizer = true"},
      {"balance_classes = false", "balance_classes = false\ntime_limit_s = 9",
       "[training] time_limit_s = 9: [privacy] unit \"record\" has steps of its own"},
      {"local_epochs = 2\nbalance_classes = false",
       "local_steps = 5\nbalance_classes = false\n[strategy]\nname = \"fednova\"",
       "[strategy] name = 'fednova': with [privacy] unit \"record\" all sites take the same steps"},
      {"unit = \"record\"", "unit = \"silo\"", "needs [aggregation] mode = \"masked\""},
      {"unit = \"record\"\n", "", "is not a known key"},
  };
  for (const Refused& refused : cases) {
    EXPECT_THAT(
        With("local_epochs = 2\n", absl::StrReplaceAll(kRecord, {{refused.line, refused.instead}})),
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
  // "FOLDER/job.toml:LINE: [model] KEY": where a sentence says the key stands.
  std::string Place(int line, const std::string& key) const {
    return absl::StrCat((folder_.path() / "job.toml").string(), ":", line, ": [model] ", key);
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
  const absl::Status missing = Load().status();
  EXPECT_THAT(missing, StatusIs(StatusCode::kNotFound, Place(6, "init = 'model0'")));
  EXPECT_THAT(missing, StatusIs(StatusCode::kNotFound, "make version 0 with `hilum model init"));
  EXPECT_THAT(missing, StatusIs(StatusCode::kNotFound,
                                "--classes normal,pneumonia --profile cxr128 --min-age 18`"));
}

TEST_F(VersionZero, RefusesAnotherModelThanJobTomlNames) {
  proto::ModelDescription description = SmallDescription(file_);
  description.classes = {"pneumonia", "normal"};
  Write(description);
  EXPECT_THAT(Load(), StatusIs(StatusCode::kInvalidArgument,
                               Place(8, "classes = [ 'normal', 'pneumonia' ]")));
  EXPECT_THAT(Load(), StatusIs(StatusCode::kInvalidArgument,
                               (folder_.path() / "model0/model.json").string() +
                                   " says pneumonia,normal;"));
  description = SmallDescription(file_);
  description.profile = "cxr96";
  Write(description);
  EXPECT_THAT(Load(), StatusIs(StatusCode::kInvalidArgument, Place(9, "profile = 'cxr128'")));
  description = SmallDescription(file_);
  description.architecture = "covidnet-tiny";
  Write(description);
  EXPECT_THAT(Load(),
              StatusIs(StatusCode::kInvalidArgument, Place(7, "architecture = 'covidnet-nano'")));
  description = SmallDescription(file_);
  description.round = 3;
  Write(description);
  EXPECT_THAT(Load(), StatusIs(StatusCode::kInvalidArgument, Place(6, "init = 'model0'")));
  EXPECT_THAT(Load(), StatusIs(StatusCode::kInvalidArgument, "the model of round 3"));
  // A key that the file leaves out has no line: the sentence names file, key and default.
  description = SmallDescription(file_);
  description.min_age_years = 1;
  Write(description);
  EXPECT_THAT(Load(), StatusIs(StatusCode::kInvalidArgument,
                               (folder_.path() / "job.toml").string() +
                                   ": [model] min_age_years is 18 by default, but "));
}

TEST_F(VersionZero, RefusesAChangedFile) {
  Write(SmallDescription(SmallModel({1, 2, 3, 4, 5, 6, 7, 9})));
  EXPECT_THAT(Load(), StatusIs(StatusCode::kDataLoss, "but model.json says"));
}

TEST_F(VersionZero, RefusesWhatIsNoModel) {
  const Bytes garbage(64, 0xff);
  WriteVersionZero(folder_.path() / "model0", SmallDescription(garbage), garbage);
  EXPECT_THAT(Load(), StatusIs(StatusCode::kDataLoss,
                               (folder_.path() / "model0/model.safetensors").string() + ": "));
  HILUM_ASSERT_OK(WriteFileDurably(folder_.path() / "model0/model.json", AsBytes("{")));
  EXPECT_THAT(Load(), StatusIs(StatusCode::kInvalidArgument,
                               (folder_.path() / "model0/model.json").string() + ": "));
}

}  // namespace
}  // namespace hilum::cli

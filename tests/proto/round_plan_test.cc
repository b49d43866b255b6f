#include "proto/round_plan.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <span>

#include "proto/model_spec_codec.h"
#include "tests/status_matchers.h"

namespace hilum::proto {
namespace {

using absl::StatusCode;

RoundPlan Plan() {
  RoundPlan plan;
  plan.job = "cxr-1";
  plan.rounds = 6;
  plan.seed = 7;
  plan.model = {
      .architecture = "test-net", .classes = {"normal", "pneumonia"}, .profile = "cxr128"};
  plan.model.profile_digest[0] = 0xab;
  plan.training.learning_rate = 0.1 + 0.2;  // 17 digits: must come back with all its bits
  plan.spec = {.architecture = "test-net",
               .tensors = {{.name = "a", .shape = {2, 3}, .offset = 0, .size = 6}}};
  return plan;
}

TEST(RoundPlan, EveryFieldComesBack) {
  RoundPlan plan = Plan();
  plan.model.min_age_years = 1;
  plan.training = {.optimizer = "sgd",
                   .learning_rate = 0.1 + 0.2,
                   .weight_decay = 1e-5,
                   .momentum = 0.5,
                   .schedule = "one-cycle",
                   .schedule_rounds = 12,
                   .local_epochs = 3,
                   .batch_size = 16,
                   .balance_classes = false,
                   .keep_optimizer = true,
                   .augment = 0.5,
                   .prox_mu = 0.01,
                   .max_gradient_norm = 2};
  plan.strategy = {.name = "fedprox", .server_learning_rate = 0.5};
  plan.cohort = {
      .minimum = 3, .target = 5, .recruit_s = 1, .return_wait_s = 2, .grace_s = 3, .deadline_s = 4};
  plan.aggregation = {.mode = "open",
                      .clip_l2 = 2.5,
                      .range = 1.5,
                      .ring_bits = 30,
                      .value_bits = 20,
                      .max_weight = 17};
  plan.training.label_smoothing = 0.1;
  plan.training.time_limit_s = 3;
  plan.model.local_layers = {"head.*", "stem.*"};
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, EncodeRoundPlan(plan));
  HILUM_ASSERT_OK_AND_ASSIGN(const RoundPlan read, ParseRoundPlan(text));
  EXPECT_EQ(*EncodeRoundPlan(read), text);
  EXPECT_EQ(read.training.learning_rate, 0.1 + 0.2);
  EXPECT_TRUE(read.training.keep_optimizer);
  EXPECT_EQ(read.training.augment, 0.5);
  EXPECT_EQ(read.training.label_smoothing, 0.1);
  EXPECT_EQ(read.training.time_limit_s, 3);
  EXPECT_EQ(read.model.local_layers, plan.model.local_layers);
  EXPECT_EQ(read.cohort.target, 5);
  EXPECT_EQ(read.aggregation.max_weight, 17u);
  EXPECT_EQ(read.spec, plan.spec);
  EXPECT_EQ(read.seed, 7u);
  EXPECT_EQ(read.model.profile_digest[0], 0xab);
  plan.seed.reset();
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string seedless, EncodeRoundPlan(plan));
  EXPECT_FALSE(ParseRoundPlan(seedless)->seed.has_value());
}

TEST(RoundPlan, PrivacyComesBackAndIsAbsentWithoutAUnit) {
  RoundPlan plan = Plan();
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string without, EncodeRoundPlan(plan));
  EXPECT_EQ(without.find("privacy"), std::string::npos);
  plan.training.balance_classes = false;
  plan.privacy = {.unit = "record",
                  .sigma = 1.1,
                  .delta = 1e-5,
                  .sample_rate = 0.01,
                  .steps = 250,
                  .sample_clip = 0.5};
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, EncodeRoundPlan(plan));
  HILUM_ASSERT_OK_AND_ASSIGN(const RoundPlan read, ParseRoundPlan(text));
  EXPECT_EQ(*EncodeRoundPlan(read), text);
  EXPECT_EQ(read.privacy.unit, "record");
  EXPECT_EQ(read.privacy.sigma, 1.1);
  EXPECT_EQ(read.privacy.delta, 1e-5);
  EXPECT_EQ(read.privacy.sample_rate, 0.01);
  EXPECT_EQ(read.privacy.steps, 250);
  EXPECT_EQ(read.privacy.sample_clip, 0.5);
  plan.privacy = {.unit = "silo", .sigma = 8, .delta = 1e-6};
  plan.aggregation.mode = "masked";
  plan.cohort.minimum = 5;
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string silo, EncodeRoundPlan(plan));
  EXPECT_EQ(ParseRoundPlan(silo)->privacy.sigma, 8);
}

// What a plan does not use is not in its bytes, so plans of before keep their digest.
TEST(RoundPlan, ANewFieldHasOneSpelling) {
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, EncodeRoundPlan(Plan()));
  for (const char* key : {"local_steps", "time_limit_s", "label_smoothing", "local_layers"}) {
    EXPECT_EQ(text.find(key), std::string::npos) << key;
  }
  const auto with = [&](const std::string& before, const std::string& field) {
    std::string other = text;
    other.insert(other.find(before), field);
    return ParseRoundPlan(other).status();
  };
  EXPECT_THAT(with("\"max_gradient_norm\"", "\"local_steps\":0,"),
              StatusIs(StatusCode::kInvalidArgument, "is 0, which is not written"));
  HILUM_EXPECT_OK(with("\"max_gradient_norm\"", "\"local_steps\":5,"));
  EXPECT_THAT(with("\"learning_rate\"", "\"label_smoothing\":\"0\","),
              StatusIs(StatusCode::kInvalidArgument, "is 0, which is not written"));
  EXPECT_THAT(with("\"min_age_years\"", "\"local_layers\":[],"),
              StatusIs(StatusCode::kInvalidArgument, "is empty, which is not written"));
}

TEST(RoundPlan, PrivacyWithoutItsConditionsIsRefused) {
  RoundPlan record = Plan();
  record.training.balance_classes = false;
  record.privacy = {.unit = "record",
                    .sigma = 1,
                    .delta = 1e-5,
                    .sample_rate = 0.1,
                    .steps = 5,
                    .sample_clip = 1};
  HILUM_ASSERT_OK(CheckRoundPlan(record));
  const auto refused = [&](auto change, const char* sentence) {
    RoundPlan plan = record;
    change(plan);
    EXPECT_THAT(CheckRoundPlan(plan), StatusIs(StatusCode::kInvalidArgument, sentence));
  };
  refused([](auto& p) { p.privacy.unit = "patient"; }, "none, silo, record");
  refused([](auto& p) { p.privacy.unit = "silo"; }, "aggregation.mode with privacy.unit silo");
  refused([](auto& p) { p.privacy.sigma = 0; }, "privacy.sigma is 0, allowed is 0.3 to 1000");
  refused([](auto& p) { p.privacy.sigma = std::nan(""); }, "privacy.sigma is nan");
  refused([](auto& p) { p.privacy.delta = 0.5; }, "privacy.delta is 0.5");
  refused([](auto& p) { p.privacy.sample_rate = 1.5; }, "privacy.sample_rate is 1.5");
  refused([](auto& p) { p.privacy.steps = 0; }, "privacy.steps is 0");
  refused([](auto& p) { p.privacy.sample_clip = 0; }, "privacy.sample_clip is 0");
  refused([](auto& p) { p.training.balance_classes = true; }, "each film is drawn by itself");
  refused([](auto& p) { p.training.max_gradient_norm = 1; }, "max_gradient_norm");
  refused([](auto& p) { p.model.norm = "batch"; }, "no layers that stay at the site");
  refused([](auto& p) { p.model.local_layers = {"head.*"}; }, "no layers that stay at the site");
  refused([](auto& p) { p.training.local_steps = 5; }, "local_steps with privacy.unit record is 5");
  refused([](auto& p) { p.training.time_limit_s = 5; }, "time_limit_s with privacy.unit record");
  refused([](auto& p) { p.training.keep_optimizer = true; }, "would leave its trace in the next");
}

struct Case {
  std::function<void(RoundPlan&)> change;
  const char* sentence;
};

void ExpectRefused(std::span<const Case> cases) {
  for (const Case& c : cases) {
    RoundPlan plan = Plan();
    c.change(plan);
    EXPECT_THAT(CheckRoundPlan(plan), StatusIs(StatusCode::kInvalidArgument, c.sentence));
    EXPECT_FALSE(EncodeRoundPlan(plan).ok());
  }
}

TEST(RoundPlan, AStrategyOutOfRangeIsNamedWithItsRange) {
  const Case cases[] = {
      {[](RoundPlan& p) { p.strategy.rule = "mode"; }, "mean, median, trimmed-mean"},
      {[](RoundPlan& p) {
         p.strategy.rule = "krum";
         p.strategy.n_faulty = 1;
         p.cohort.minimum = 4;
       },
       "cohort.minimum is 4, allowed is at least 5"},
      {[](RoundPlan& p) { p.strategy.rule = "trimmed-mean"; }, "strategy.n_faulty is 0"},
      {[](RoundPlan& p) {
         p.strategy.rule = "median";
         p.strategy.n_faulty = 1;
       },
       "strategy.n_faulty is 1, allowed is 0 to 0"},
      {[](RoundPlan& p) { p.strategy.rule = "centred-clipping"; }, "strategy.clip_radius is 0"},
      {[](RoundPlan& p) {
         p.strategy.rule = "median";
         p.aggregation.mode = "masked";
         p.cohort.minimum = 5;
       },
       "strategy.rule is median, allowed is mean unless"},
      {[](RoundPlan& p) { p.strategy.beta1 = 1; }, "strategy.beta1 is 1"},
      {[](RoundPlan& p) { p.strategy.tau = 0; }, "strategy.tau is 0"},
  };
  ExpectRefused(cases);
}

TEST(RoundPlan, StrategiesComeBackAsTheyWere) {
  RoundPlan plan = Plan();
  plan.training.prox_mu = 0;
  plan.cohort.minimum = 5;
  plan.strategy = {.name = "fedyogi",
                   .server_learning_rate = 0.05,
                   .beta1 = 0.8,
                   .beta2 = 0.9,
                   .tau = 0.01,
                   .rule = "multi-krum",
                   .n_faulty = 1};
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, EncodeRoundPlan(plan));
  HILUM_ASSERT_OK_AND_ASSIGN(const RoundPlan read, ParseRoundPlan(text));
  EXPECT_EQ(read.strategy.name, "fedyogi");
  EXPECT_EQ(read.strategy.beta1, 0.8);
  EXPECT_EQ(read.strategy.beta2, 0.9);
  EXPECT_EQ(read.strategy.tau, 0.01);
  EXPECT_EQ(read.strategy.rule, "multi-krum");
  EXPECT_EQ(read.strategy.n_faulty, 1);
  EXPECT_EQ(EncodeRoundPlan(read).value(), text);
}

TEST(RoundPlan, ValuesOutOfRangeAreNamedWithTheirRange) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Case cases[] = {
      {[](RoundPlan& p) { p.job = "Bad Name"; }, "Bad Name"},
      {[](RoundPlan& p) { p.rounds = 0; }, "rounds is 0, allowed is 1 to 100000"},
      {[](RoundPlan& p) { p.seed = uint64_t{1} << 53; }, "seed is"},
      {[](RoundPlan& p) { p.model.classes = {"one"}; }, "model.classes is 1"},
      {[](RoundPlan& p) {
         p.model.classes = {"a", "a"};
       },
       "each name once"},
      {[](RoundPlan& p) {
         p.model.classes = {"a", "b,c"};
       },
       "\"b,c\""},
      {[](RoundPlan& p) { p.model.norm = "layer"; },
       "model.norm is \"layer\", allowed is group, batch, batch_local"},
      {[](RoundPlan& p) {
         p.model.local_layers = {"head.*", "a b"};
       },
       "is \"a b\", allowed is 1"},
      {[](RoundPlan& p) { p.model.local_layers.assign(17, "*"); }, "model.local_layers is 17"},
      {[](RoundPlan& p) { p.training.local_steps = -1; }, "training.local_steps is -1"},
      {[](RoundPlan& p) {
         p.training.local_steps = 5;
         p.training.local_epochs = 2;
       },
       "local_epochs with local_steps is 2"},
      {[](RoundPlan& p) { p.training.time_limit_s = p.cohort.deadline_s; },
       "training.time_limit_s"},
      {[](RoundPlan& p) { p.training.label_smoothing = 0.6; }, "training.label_smoothing is 0.6"},
      {[](RoundPlan& p) { p.strategy.name = "fednova"; },
       "training.local_steps is 0, allowed is 1"},
      {[](RoundPlan& p) { p.model.architecture = "other"; }, "model.architecture is other"},
      {[](RoundPlan& p) { p.training.optimizer = "adam"; }, "adamw, sgd"},
      {[](RoundPlan& p) { p.training.learning_rate = 0; }, "training.learning_rate is 0"},
      {[nan](RoundPlan& p) { p.training.learning_rate = nan; }, "training.learning_rate is nan"},
      {[](RoundPlan& p) { p.training.momentum = 1; }, "training.momentum"},
      {[](RoundPlan& p) { p.training.local_epochs = -1; }, "training.local_epochs is -1"},
      {[](RoundPlan& p) { p.training.batch_size = 2000; }, "1 to 1024"},
      {[](RoundPlan& p) { p.training.augment = 2.5; }, "training.augment is 2.5"},
      {[](RoundPlan& p) { p.training.prox_mu = 0.1; }, "training.prox_mu is 0.1"},
      {[](RoundPlan& p) { p.strategy.name = "krum"; }, "fedavg, fedprox, fednova, fedadagrad"},
      {[nan](RoundPlan& p) { p.strategy.server_learning_rate = nan; }, "server_learning_rate"},
      {[](RoundPlan& p) { p.cohort.minimum = 1; }, "cohort.minimum is 1, allowed is 2 to 500"},
      {[](RoundPlan& p) { p.cohort.target = 1; }, "cohort.target is 1, allowed is 2 to 500"},
      {[](RoundPlan& p) { p.cohort.grace_s = 0; }, "cohort.grace_s"},
      {[](RoundPlan& p) { p.aggregation.mode = "secret"; }, "aggregation.mode"},
      {[](RoundPlan& p) { p.aggregation.clip_l2 = -1; }, "aggregation.clip_l2"},
      {[](RoundPlan& p) { p.aggregation.range = 11; }, "aggregation.range is 11"},
      {[](RoundPlan& p) { p.aggregation.ring_bits = 15; }, "16 to 32"},
      {[](RoundPlan& p) { p.aggregation.value_bits = 32; }, "2 to 31"},
      {[](RoundPlan& p) { p.aggregation.max_weight = 0; }, "aggregation.max_weight is 0"},
      {[](RoundPlan& p) { p.spec.tensors[0].size = 7; }, "tensor a"},
      {[](RoundPlan& p) { p.spec.tensors.clear(); }, "0 tensors"},
  };
  ExpectRefused(cases);
}

TEST(RoundPlan, OnlyTheCanonicalSpellingIsRead) {
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, EncodeRoundPlan(Plan()));
  EXPECT_THAT(ParseRoundPlan(" " + text), StatusIs(StatusCode::kInvalidArgument, "round plan:"));
  std::string other = text;
  other.replace(other.find("\"rounds\":6"), 10, "\"rounds\":06");
  EXPECT_THAT(ParseRoundPlan(other), StatusIs(StatusCode::kInvalidArgument, "round plan:"));
  other = text;
  other.replace(other.find("\"clip_l2\":\"10\""), 14, "\"clip_l2\":\"10.0\"");
  EXPECT_FALSE(ParseRoundPlan(other).ok());
  EXPECT_THAT(ParseRoundPlan(std::string(kRoundPlanLimitBytes + 1, ' ')),
              StatusIs(StatusCode::kInvalidArgument, "round plan:"));
}

TEST(RoundPlan, UnknownAndMissingFieldsAreNamed) {
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, EncodeRoundPlan(Plan()));
  std::string more = text;
  more.replace(more.find("\"job\":"), 6, "\"ja\":1,\"job\":");
  EXPECT_THAT(ParseRoundPlan(more),
              StatusIs(StatusCode::kInvalidArgument, "round plan has the unknown field ja"));
  std::string less = text;
  less.replace(less.find("\"rounds\":6,"), 11, "");
  EXPECT_THAT(ParseRoundPlan(less),
              StatusIs(StatusCode::kInvalidArgument, "round plan.rounds is missing"));
  std::string inner = text;
  inner.replace(inner.find("\"batch_size\":8"), 14, "\"batch_size\":\"8\"");
  EXPECT_THAT(ParseRoundPlan(inner),
              StatusIs(StatusCode::kInvalidArgument, "training.batch_size is not an integer"));
}

TEST(ModelSpecCodec, OffsetsFollowFromTheShapes) {
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, EncodeModelSpec(Plan().spec));
  EXPECT_EQ(text, "{\"architecture\":\"test-net\",\"tensors\":[{\"name\":\"a\",\"shape\":[2,3]}]}");
  EXPECT_EQ(*ModelSpecFromJson(nlohmann::json::parse(text)), Plan().spec);
  const auto huge = nlohmann::json::parse(
      R"({"architecture":"x","tensors":[{"name":"a","shape":[4294967295,2]}]})");
  EXPECT_THAT(ModelSpecFromJson(huge), StatusIs(StatusCode::kInvalidArgument, "extent of"));
}

TEST(RoundPlan, AMaskedPlanComesBack) {
  RoundPlan plan = Plan();
  plan.cohort.minimum = 6;
  plan.aggregation.mode = "masked";
  plan.aggregation.suite = "chacha20";
  plan.aggregation.c_max = 2;
  plan.aggregation.drop_max = 1;
  plan.aggregation.quorum = 7;
  plan.aggregation.u_min = 8;
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, EncodeRoundPlan(plan));
  HILUM_ASSERT_OK_AND_ASSIGN(const RoundPlan read, ParseRoundPlan(text));
  EXPECT_EQ(*EncodeRoundPlan(read), text);
  EXPECT_EQ(read.aggregation.suite, "chacha20");
  EXPECT_EQ(read.aggregation.u_min, 8);
}

TEST(RoundPlan, AnOpenPlanSaysNothingOfMasks) {
  EXPECT_EQ(EncodeRoundPlan(Plan())->find("suite"), std::string::npos);
}

TEST(RoundPlan, AMaskedPlanHasFiveSitesAndAKnownSuite) {
  RoundPlan plan = Plan();
  plan.aggregation.mode = "masked";
  plan.cohort.minimum = 4;
  EXPECT_THAT(EncodeRoundPlan(plan), StatusIs(StatusCode::kInvalidArgument, "5 to 500"));
  plan.cohort.minimum = 5;
  HILUM_EXPECT_OK(EncodeRoundPlan(plan).status());
  plan.aggregation.suite = "none";
  EXPECT_THAT(EncodeRoundPlan(plan), StatusIs(StatusCode::kInvalidArgument, "suite"));
}

}  // namespace
}  // namespace hilum::proto

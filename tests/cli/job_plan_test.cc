#include "cli/job_plan.h"

#include <cmath>

#include "tests/cli/job_fixture.h"

namespace hilum::cli {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

TEST(EstimateCost, CountsTheBytesOfTheWire) {
  HILUM_ASSERT_OK_AND_ASSIGN(const JobCost cost,
                             EstimateCost(SmallPlan(), {.n_sites = 6, .model_bytes = 500}));
  EXPECT_EQ(cost.n_params, 8);
  EXPECT_EQ(cost.up_bytes, 4 * (8 + 3));  // parameters; weight, count and loss
  EXPECT_EQ(cost.down_bytes, 500);
  EXPECT_EQ(cost.total_bytes, 3 * 6 * (44 + 500));
  EXPECT_EQ(cost.server_disk_bytes, 3 * (6 * 44 + 500));
  EXPECT_EQ(cost.value_bits, 32 - 3);  // ceil(log2 6) = 3
  EXPECT_EQ(cost.headroom_bits, 0);
  EXPECT_NEAR(cost.rounding_step, 50.0 / ((1 << 28) - 1), 1e-12);
  EXPECT_FALSE(cost.seconds_a_round.has_value());
}

TEST(EstimateCost, LeavesHeadroomWhereThePlanFixesTheBits) {
  proto::RoundPlan plan = SmallPlan();
  plan.aggregation.value_bits = 20;
  HILUM_ASSERT_OK_AND_ASSIGN(const JobCost cost, EstimateCost(plan, {.n_sites = 6}));
  EXPECT_EQ(cost.value_bits, 20);
  EXPECT_EQ(cost.headroom_bits, 9);
}

TEST(EstimateCost, RefusesARingThatCannotHoldTheSum) {
  proto::RoundPlan plan = SmallPlan();
  plan.aggregation.ring_bits = 16;
  plan.aggregation.max_weight = 100'000;
  EXPECT_THAT(EstimateCost(plan, {.n_sites = 6}), StatusIs(StatusCode::kInvalidArgument, ""));
  plan = SmallPlan();
  plan.aggregation.value_bits = 30;
  EXPECT_THAT(EstimateCost(plan, {.n_sites = 6}), StatusIs(StatusCode::kInvalidArgument, ""));
}

TEST(EstimateCost, RefusesFewerSitesThanTheMinimum) {
  EXPECT_THAT(EstimateCost(SmallPlan(), {.n_sites = 3}),
              StatusIs(StatusCode::kInvalidArgument, "3 sites are fewer than [cohort] minimum, 4"));
}

TEST(EstimateCost, TimesTheLargestSiteByItsRate) {
  HILUM_ASSERT_OK_AND_ASSIGN(
      const JobCost cost,
      EstimateCost(SmallPlan(), {.n_sites = 6, .films_per_second = 20.0, .films = 100}));
  EXPECT_EQ(cost.seconds_a_round, 10.0);  // two epochs
}

TEST(EstimateCost, TimesStepsAndNoMoreThanTheTimeLimit) {
  proto::RoundPlan plan = SmallPlan();
  plan.training.local_epochs = 1;
  plan.training.local_steps = 50;
  plan.training.batch_size = 8;
  const CostInput input{.n_sites = 6, .films_per_second = 20.0, .films = 100};
  HILUM_ASSERT_OK_AND_ASSIGN(JobCost cost, EstimateCost(plan, input));
  EXPECT_EQ(cost.seconds_a_round, 20.0);  // 50 steps of 8 films
  plan.training.time_limit_s = 15;
  HILUM_ASSERT_OK_AND_ASSIGN(cost, EstimateCost(plan, input));
  EXPECT_EQ(cost.seconds_a_round, 15.0);
  EXPECT_THAT(CostPage(plan, input, cost), HasSubstr("(100 films, 50 steps, at most 15 s)"));
}

TEST(CostPage, SaysThatItPredictsAndWhatIsOff) {
  const CostInput input{.n_sites = 6, .model_bytes = 500};
  HILUM_ASSERT_OK_AND_ASSIGN(const JobCost cost, EstimateCost(SmallPlan(), input));
  const std::string page = CostPage(SmallPlan(), input, cost);
  EXPECT_THAT(page, HasSubstr("(a prediction)"));
  EXPECT_THAT(page, HasSubstr("masks                     none"));
  EXPECT_THAT(page, HasSubstr("no epsilon is spent or claimed"));
  const auto json = CostToJson(SmallPlan(), input, cost);
  EXPECT_EQ(json["total_bytes"], cost.total_bytes);
  EXPECT_TRUE(json["epsilon"].is_null());
}

TEST(CostPage, TellsEpsilonOfASiloBeforeTheJobStarts) {
  proto::RoundPlan plan = SmallPlan();
  plan.rounds = 100;
  plan.aggregation.mode = "masked";
  plan.cohort.minimum = 5;
  plan.privacy = {.unit = "silo", .sigma = 8, .delta = 1e-5};
  const CostInput input{.n_sites = 6, .model_bytes = 500};
  HILUM_ASSERT_OK_AND_ASSIGN(const JobCost cost, EstimateCost(plan, input));
  ASSERT_TRUE(cost.privacy.has_value());
  // The exact value for continuous noise is 5.68 (design, section 12); RDP is above it.
  EXPECT_GT(cost.privacy->epsilon, 5.68);
  EXPECT_LT(cost.privacy->epsilon, 6.4);
  EXPECT_GT(cost.privacy->epsilon, cost.privacy->epsilon_a_round);
  EXPECT_LT(cost.value_bits, 32 - 3) << "the noise needs room";
  // z C sqrt(n / honest) / n, honest = 5 - 1
  EXPECT_NEAR(cost.privacy->noise_a_coordinate, 8 * 50.0 * std::sqrt(6.0 / 4.0) / 6.0, 1e-3);
  const std::string page = CostPage(plan, input, cost);
  for (const char* part : {"at delta 1e-05 after 100 rounds", "silo: one hospital's whole update",
                           "discrete-gaussian, noise multiplier 8", "accountant", "rdp"}) {
    EXPECT_THAT(page, HasSubstr(part));
  }
  const auto json = CostToJson(plan, input, cost);
  EXPECT_EQ(json["epsilon"], cost.privacy->epsilon);
  EXPECT_EQ(json["privacy"]["unit"], "silo");
  EXPECT_EQ(json["privacy"]["rounds"], 100);
}

TEST(CostPage, TellsEpsilonOfARecord) {
  proto::RoundPlan plan = SmallPlan();
  plan.rounds = 10;
  plan.training.balance_classes = false;
  plan.privacy = {.unit = "record",
                  .sigma = 1.1,
                  .delta = 1e-5,
                  .sample_rate = 0.01,
                  .steps = 100,
                  .sample_clip = 1};
  const CostInput input{.n_sites = 6, .films_per_second = 10.0, .films = 1000};
  HILUM_ASSERT_OK_AND_ASSIGN(const JobCost cost, EstimateCost(plan, input));
  EXPECT_EQ(cost.privacy->unit, "record");
  EXPECT_GT(cost.privacy->epsilon, 0.5);
  EXPECT_LT(cost.privacy->epsilon, 5.0);
  EXPECT_DOUBLE_EQ(*cost.seconds_a_round, 100.0);  // 100 steps of 10 films on the average
  EXPECT_THAT(CostPage(plan, input, cost), HasSubstr("Poisson, rate 0.01, 100 steps a round"));
}

TEST(CostPage, NeverCallsAClipAloneDifferentialPrivacy) {
  const CostInput input{.n_sites = 6};
  HILUM_ASSERT_OK_AND_ASSIGN(const JobCost cost, EstimateCost(SmallPlan(), input));
  EXPECT_FALSE(cost.privacy.has_value());
  EXPECT_THAT(CostPage(SmallPlan(), input, cost),
              HasSubstr("the clip alone is not differential privacy"));
}

}  // namespace
}  // namespace hilum::cli

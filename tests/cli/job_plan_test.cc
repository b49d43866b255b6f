#include "cli/job_plan.h"

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

}  // namespace
}  // namespace hilum::cli

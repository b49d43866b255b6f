#include "client/budget.h"

#include "absl/strings/str_format.h"
#include "tests/client/films.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

using absl::StatusCode;
using privacy::PrivacyUnit;

SpendRow Row(uint64_t round, uint32_t attempt = 0) {
  return {.job = "cxr",
          .round = round,
          .attempt = attempt,
          .release = {.unit = PrivacyUnit::kRecord, .sigma = 1.0, .rate = 0.1, .n_steps = 10},
          .charged_at_s = 99};
}

double EpsilonOf(uint64_t n) {
  privacy::Accountant spent;
  EXPECT_TRUE(spent.Add(Row(1).release, n).ok());
  return spent.Epsilon(1e-5);
}

// Exactly three releases fit.
SiteOptions ThreeFit() {
  SiteOptions options;
  options.max_epsilon = (EpsilonOf(3) + EpsilonOf(4)) / 2;
  return options;
}

TEST(Budget, EachChargeOutlivesARestartAndTheLastOneIsRefused) {
  const fs::path file = NewFolder("budget") / "state.sqlite";
  const SiteOptions options = ThreeFit();
  for (uint64_t round = 1; round <= 3; ++round) {
    HILUM_ASSERT_OK_AND_ASSIGN(const auto state, State::Open(file));  // as after a restart
    HILUM_EXPECT_OK(Charge(*state, options, Row(round)));
  }
  HILUM_ASSERT_OK_AND_ASSIGN(const auto state, State::Open(file));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<UnitSpending> spent, SpentAtSite(*state, options));
  ASSERT_EQ(spent.size(), 2u);
  EXPECT_EQ(spent[1].unit, PrivacyUnit::kRecord);
  EXPECT_EQ(spent[1].n_releases, 3u);
  EXPECT_DOUBLE_EQ(spent[1].epsilon, EpsilonOf(3));
  EXPECT_DOUBLE_EQ(spent[1].left, options.max_epsilon - EpsilonOf(3));
  EXPECT_EQ(spent[0].n_releases, 0u);
  EXPECT_EQ(spent[0].left, options.max_epsilon) << "a silo has a budget of its own";
  EXPECT_THAT(Charge(*state, options, Row(4)),
              StatusIs(StatusCode::kPermissionDenied, "round 4 of job cxr would bring"));
  EXPECT_THAT(Charge(*state, options, Row(4)),
              StatusIs(StatusCode::kPermissionDenied,
                       absl::StrFormat("%.4g of it is left", spent[1].left)));
  EXPECT_EQ(state->Spends()->size(), 3u) << "a refused charge is not made";
}

TEST(Budget, AnAttemptIsPaidOnceAndEachAttemptPays) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto state, State::Open(NewFolder("budget") / "s.sqlite"));
  const SiteOptions options = ThreeFit();
  for (int i = 0; i < 5; ++i) HILUM_EXPECT_OK(Charge(*state, options, Row(1)));
  EXPECT_EQ(state->Spends()->size(), 1u);
  HILUM_EXPECT_OK(Charge(*state, options, Row(1, 1)));
  HILUM_EXPECT_OK(Charge(*state, options, Row(1, 2)));
  EXPECT_THAT(Charge(*state, options, Row(1, 3)),
              StatusIs(StatusCode::kPermissionDenied, "is left"));
  HILUM_EXPECT_OK(CheckBudget(*state, options, Row(1, 2)));
}

TEST(Budget, AnAttemptThatWasPaidForIsNoOtherRelease) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto state, State::Open(NewFolder("budget") / "s.sqlite"));
  HILUM_ASSERT_OK(Charge(*state, ThreeFit(), Row(1)));
  SpendRow dearer = Row(1);
  dearer.release.sigma = 0.5;
  EXPECT_THAT(Charge(*state, ThreeFit(), dearer),
              StatusIs(StatusCode::kPermissionDenied, "for another release"));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<SpendRow> rows, state->Spends());
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].release, Row(1).release) << "the charge is not replaced";
}

TEST(Budget, WithoutOneNothingIsRefusedAndAllIsRecorded) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto state, State::Open(NewFolder("budget") / "s.sqlite"));
  for (uint64_t round = 1; round <= 20; ++round) {
    HILUM_ASSERT_OK(Charge(*state, SiteOptions{}, Row(round)));
  }
  EXPECT_DOUBLE_EQ((*SpentAtSite(*state, SiteOptions{}))[1].epsilon, EpsilonOf(20));
}

TEST(Budget, ADamagedChargeIsNotAFreeOne) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto state, State::Open(NewFolder("budget") / "s.sqlite"));
  SpendRow row = Row(1);
  row.release.unit = PrivacyUnit::kNone;
  HILUM_ASSERT_OK(state->PutSpend(row));
  EXPECT_THAT(SpentAtSite(*state, ThreeFit()), StatusIs(StatusCode::kDataLoss, "has no unit"));
  EXPECT_THAT(Charge(*state, ThreeFit(), Row(2)), StatusIs(StatusCode::kDataLoss, "has no unit"));
}

TEST(Budget, AJobIsJudgedByTheRoundsThatAreStillToCome) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto state, State::Open(NewFolder("budget") / "s.sqlite"));
  const SiteOptions options = ThreeFit();
  proto::RoundPlan plan;
  plan.job = "cxr";
  plan.rounds = 3;
  plan.privacy = {.unit = "record",
                  .sigma = 1.0,
                  .delta = 1e-5,
                  .sample_rate = 0.1,
                  .steps = 10,
                  .sample_clip = 1.0};
  HILUM_EXPECT_OK(CheckPlanBudget(*state, options, plan));
  HILUM_ASSERT_OK(Charge(*state, options, Row(1)));
  HILUM_EXPECT_OK(CheckPlanBudget(*state, options, plan));  // two to come
  plan.rounds = 4;
  EXPECT_THAT(CheckPlanBudget(*state, options, plan),
              StatusIs(StatusCode::kPermissionDenied, "job cxr with 3 rounds would bring"));
  plan.rounds = 3;
  plan.job = "another";
  EXPECT_THAT(CheckPlanBudget(*state, options, plan),
              StatusIs(StatusCode::kPermissionDenied, "of it is left"));
  plan.privacy = {};
  HILUM_EXPECT_OK(CheckPlanBudget(*state, options, plan));  // CheckPlan refuses it for its noise
}

TEST(ChargeOf, ARoundWithoutNoiseHasNone) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto charge, ChargeOf(privacy::RoundConfig{}, {}, {}, 0));
  EXPECT_FALSE(charge.has_value());
}

}  // namespace
}  // namespace hilum::client

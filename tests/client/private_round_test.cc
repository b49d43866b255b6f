// A site in rounds with differential privacy of a record: real films, real training, real noise.
#include <cmath>
#include <limits>

#include "client/budget.h"
#include "client/jobs.h"
#include "client/overview.h"
#include "client/participate.h"
#include "client/record_noise.h"
#include "tests/client/films.h"
#include "tests/client/round_site.h"
#include "tests/client/server.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

using absl::StatusCode;

constexpr double kSigma = 2.0, kRate = 0.5, kDelta = 1e-5;
constexpr int kSteps = 3;

// The design's sum over k, written out: RDP of the sampled Gaussian at integer orders 2 to 256.
double ByHand(int n_steps) {
  double least = std::numeric_limits<double>::infinity();
  for (int a = 2; a <= 256; ++a) {
    long double moment = 0;
    for (int k = 0; k <= a; ++k) {
      moment += std::exp(std::lgamma(a + 1.0L) - std::lgamma(k + 1.0L) - std::lgamma(a - k + 1.0L) +
                         (a - k) * std::log1p(-static_cast<long double>(kRate)) +
                         k * std::log(static_cast<long double>(kRate)) +
                         (1.0L * k * k - k) / (2.0L * kSigma * kSigma));
    }
    const double rdp = static_cast<double>(std::log(moment)) / (a - 1.0);
    least = std::min(least, n_steps * rdp + std::log((a - 1.0) / a) -
                                (std::log(kDelta) + std::log(static_cast<double>(a))) / (a - 1.0));
  }
  return least;
}

void MakePrivate(RoundSite& site) {
  site.plan.training.balance_classes = false;
  site.plan.training.learning_rate = 1e-4;
  site.plan.privacy = {.unit = "record",
                       .sigma = kSigma,
                       .delta = kDelta,
                       .sample_rate = kRate,
                       .steps = kSteps,
                       .sample_clip = 1.0};
  site.plan_bytes = proto::EncodeRoundPlan(site.plan).value();
  site.Approve(site.plan_bytes);
}

TEST(PrivateRound, WhatARealRunSpendsIsWhatTheAccountantSays) {
  RoundSite site;
  MakePrivate(site);
  for (int round = 1; round <= 2; ++round) {
    site.OpenRound();
    site.n_steps = 0;
    HILUM_ASSERT_OK_AND_ASSIGN(const SignedUpdate update, site.Take());
    EXPECT_EQ(site.n_steps, kSteps) << "the steps do not tell the number of films";
    const privacy::RoundConfig& config = site.config;
    EXPECT_EQ(update.words()[config.n_params], config.max_weight);
    EXPECT_EQ(update.words()[config.n_params + 1], 1u);
    EXPECT_EQ(update.words()[config.n_params + 2], 0u) << "the loss";
    site.ReopenState();  // a restart
    HILUM_ASSERT_OK_AND_ASSIGN(const auto spent, SpentAtSite(*site.state, site.options));
    EXPECT_EQ(spent[1].n_releases, static_cast<uint64_t>(round));
    EXPECT_NEAR(spent[1].epsilon / ByHand(round * kSteps), 1.0, 1e-9);
    site.CloseRound();
  }
}

TEST(PrivateRound, AResendIsNotChargedAgain) {
  RoundSite site;
  MakePrivate(site);
  site.OpenRound();
  HILUM_ASSERT_OK_AND_ASSIGN(const SignedUpdate first, site.Take());
  HILUM_ASSERT_OK_AND_ASSIGN(const SignedUpdate second, site.Take());
  EXPECT_EQ(first.Sha256(), second.Sha256());
  EXPECT_EQ(site.state->Spends()->size(), 1u);
}

TEST(PrivateRound, AnExhaustedBudgetRefusesBeforeTrainingAndSaysWhatIsLeft) {
  RoundSite site;
  MakePrivate(site);
  site.options.max_epsilon = (ByHand(kSteps) + ByHand(2 * kSteps)) / 2;  // one round fits
  site.OpenRound();
  HILUM_ASSERT_OK(site.Take());
  site.CloseRound();
  site.ReopenState();
  site.OpenRound();
  site.n_steps = 0;
  EXPECT_THAT(site.Take(), StatusIs(StatusCode::kPermissionDenied, "of it is left"));
  EXPECT_EQ(site.n_steps, 0);
  EXPECT_EQ(site.Record().n_bytes, 0u) << "nothing was made";
  EXPECT_EQ(site.state->Spends()->size(), 1u);
}

TEST(PrivateRound, ABudgetOrAFloorRefusesJobsWithoutNoise) {
  RoundSite site(2);
  site.OpenRound();
  site.options.max_epsilon = 3;
  EXPECT_THAT(site.Take(), StatusIs(StatusCode::kPermissionDenied, "max_epsilon is 3"));
  site.options.max_epsilon = 0;
  site.options.min_sigma = 1;
  EXPECT_THAT(site.Take(), StatusIs(StatusCode::kPermissionDenied, "adds no noise, [policy] min"));
  RoundSite noisy(2);
  MakePrivate(noisy);
  noisy.options.min_sigma = 2.5;
  noisy.OpenRound();
  EXPECT_THAT(noisy.Take(), StatusIs(StatusCode::kPermissionDenied, "min_sigma is 2.5"));
}

TEST(PrivateRound, AConfigurationWithLessNoiseThanThePlanIsDataLoss) {
  const auto refused = [](auto change) {
    RoundSite site(2);
    MakePrivate(site);
    privacy::RoundConfig config = site.Config();
    change(config);
    site.OpenRoundWith(config);
    EXPECT_THAT(site.Take(), StatusIs(StatusCode::kDataLoss, "another privacy unit, mechanism"));
  };
  refused([](auto& c) { c.sigma = 1.0; });
  refused([](auto& c) { c.delta = 1e-3; });
  refused([](auto& c) { c.mechanism = privacy::NoiseMechanism::kNone; });
  refused([](auto& c) { c.unit = privacy::PrivacyUnit::kNone; });
}

TEST(PrivateRound, NobodyApprovesAJobThatDoesNotFitTheBudget) {
  RoundSite site(2);
  MakePrivate(site);
  site.options.max_epsilon = (ByHand(kSteps) + ByHand(2 * kSteps)) / 2;  // the plan has two rounds
  HILUM_ASSERT_OK_AND_ASSIGN(std::optional<JobRecord> job, site.state->Job(site.plan.job));
  job->answer = Answer::kPending;
  HILUM_ASSERT_OK(site.state->PutJob(*job));
  EXPECT_THAT(AnswerJob(*site.state, site.options, {.job = site.plan.job, .approve = true}),
              StatusIs(StatusCode::kPermissionDenied, "with 2 rounds would bring"));
  site.options.max_epsilon = ByHand(2 * kSteps) + 0.01;
  HILUM_EXPECT_OK(AnswerJob(*site.state, site.options, {.job = site.plan.job, .approve = true}));
  HILUM_ASSERT_OK_AND_ASSIGN(const Overview overview,
                             MakeOverview(site.folder, site.options, *site.state, 1767000500));
  EXPECT_EQ(overview.jobs.at(0).privacy, "unit record, sigma 2, delta 1e-05");
  EXPECT_EQ(overview.jobs.at(0).training, "3 steps");
  EXPECT_EQ(overview.spending.at(1).left, site.options.max_epsilon);
}

TEST(PrivateRound, MoreRoundsAreMoreEpsilonThanWasApproved) {
  RoundSite site(2);
  const auto with_one_more = [&] {
    proto::RoundPlan more = site.plan;
    ++more.rounds;
    return proto::EncodeRoundPlan(more).value();
  };
  EXPECT_TRUE(Covers(site.plan_bytes, with_one_more()));
  MakePrivate(site);
  EXPECT_TRUE(Covers(site.plan_bytes, site.plan_bytes));
  EXPECT_FALSE(Covers(site.plan_bytes, with_one_more()));
}

// The edges that training gets: noise of the variance that is charged, sampling at the rate.
TEST(MakeRecordPrivacy, AddsTheNoiseThatIsCharged) {
  const proto::PrivacyPlan plan{.unit = "record",
                                .sigma = 3.0,
                                .delta = kDelta,
                                .sample_rate = 0.25,
                                .steps = 1,
                                .sample_clip = 1.0};
  const auto streams = [] {
    return RecordStreams{.noise = privacy::NoiseStream::FromFreshRandomness(),
                         .sample = privacy::NoiseStream::FromFreshRandomness()};
  };
  HILUM_ASSERT_OK_AND_ASSIGN(const models::RecordPrivacy edges,
                             MakeRecordPrivacy(plan, 1000, streams()));
  constexpr size_t kN = 70'000;  // more than one block
  std::vector<int64_t> sums(kN, 0);
  HILUM_ASSERT_OK(edges.add_noise(sums));
  double square = 0;
  for (const int64_t one : sums) square += static_cast<double>(one) * static_cast<double>(one);
  const double sigma = plan.sigma * edges.sensitivity;
  EXPECT_NEAR(square / kN / (sigma * sigma), 1.0, 6.0 * std::sqrt(2.0 / kN));
  EXPECT_THAT(MakeRecordPrivacy({.unit = "silo", .sigma = 1}, 1000, streams()),
              StatusIs(StatusCode::kInvalidArgument, "unit silo"));
}

}  // namespace
}  // namespace hilum::client

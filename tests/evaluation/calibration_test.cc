#include "evaluation/calibration.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/seeded_random.h"
#include "evaluation/operating_point.h"
#include "tests/evaluation/cases.h"
#include "tests/status_matchers.h"

namespace hilum::evaluation {
namespace {

constexpr double kTolerance = 1e-12;

// n cases of two classes whose logits are `scale` times what they should be.
Predictions Overconfident(int n, double scale, uint64_t seed) {
  SeededRandom random(seed);
  Predictions p{2, {}, {}, {}, {}};
  for (int i = 0; i < n; ++i) {
    const double logit = random.Uniform(-3, 3);
    p.labels.push_back(random.Uniform() < 1 / (1 + std::exp(-logit)) ? 1 : 0);
    const double told = 1 / (1 + std::exp(-scale * logit));
    p.probabilities.insert(p.probabilities.end(), {1 - told, told});
  }
  return p;
}

TEST(Temperature, TheGridIsSymmetricAboutOne) {
  EXPECT_NEAR(TemperatureAt(0), 1.0 / 8, kTolerance);
  EXPECT_EQ(TemperatureAt(kTemperatures / 2), 1);
  EXPECT_NEAR(TemperatureAt(kTemperatures - 1), 8, kTolerance);
}

// numpy: the loss at T = 1 and 2, and a scan of 200,000 temperatures for the best.
TEST(Temperature, AgreesWithNumpy) {
  HILUM_ASSERT_OK_AND_ASSIGN(const TemperatureSums sums, SumOverTemperatures(TwoClassCases()));
  EXPECT_EQ(sums.n, 16);
  EXPECT_NEAR(sums.nll[kTemperatures / 2], 7.622495572385527, kTolerance);
  EXPECT_NEAR(sums.nll[kTemperatures / 2 + 8], 8.607804083472278, kTolerance);
  HILUM_ASSERT_OK_AND_ASSIGN(const double best, BestTemperature(sums));
  EXPECT_NEAR(best, 0.68147, 2e-3);
}

TEST(Temperature, TwoSitesSumsGiveTheTemperatureOfTheirCases) {
  const Predictions all = Overconfident(400, 2.5, 1);
  Predictions one{2, {}, {}, {}, {}}, two = one;
  for (int64_t i = 0; i < all.n(); ++i) {
    Predictions& part = i % 3 == 0 ? one : two;
    part.labels.push_back(all.labels[i]);
    part.probabilities.insert(part.probabilities.end(),
                              {all.probability(i, 0), all.probability(i, 1)});
  }
  const TemperatureSums sum = Add(*SumOverTemperatures(one), *SumOverTemperatures(two));
  EXPECT_EQ(sum.n, 400);
  EXPECT_NEAR(*BestTemperature(sum), *BestTemperature(*SumOverTemperatures(all)), 1e-9);
}

TEST(Temperature, MendsAnOverconfidentModelAndKeepsItsOrder) {
  const Predictions p = Overconfident(4000, 2.5, 2);
  HILUM_ASSERT_OK_AND_ASSIGN(const double best, BestTemperature(*SumOverTemperatures(p)));
  EXPECT_NEAR(best, 2.5, 0.25);
  HILUM_ASSERT_OK_AND_ASSIGN(const Predictions scaled, WithTemperature(p, best));
  EXPECT_THAT(CheckPredictions(scaled), IsOk());
  EXPECT_LT(*ExpectedCalibrationError(scaled), 0.5 * *ExpectedCalibrationError(p));
  EXPECT_NEAR(*Auroc(scaled, 1), *Auroc(p, 1), 1e-9);
  EXPECT_EQ(Confuse(scaled).counts, Confuse(p).counts);
}

TEST(Temperature, AFewCasesAreNotShared) {
  const Predictions p{2, {0, 1}, {.9, .1, .2, .8}, {}, {}};
  EXPECT_THAT(SumOverTemperatures(p),
              StatusIs(absl::StatusCode::kFailedPrecondition, "rest on 2 cases, at least 10"));
}

TEST(Temperature, RefusesSumsThatNoSiteCanHave) {
  TemperatureSums sums = *SumOverTemperatures(TwoClassCases());
  sums.nll[3] = -1;
  EXPECT_THAT(BestTemperature(sums), StatusIs(absl::StatusCode::kInvalidArgument, "the value -1"));
  sums.nll[3] = std::nan("");
  EXPECT_THAT(BestTemperature(sums), StatusIs(absl::StatusCode::kInvalidArgument, "nan"));
  EXPECT_THAT(BestTemperature({9, {}}), StatusIs(absl::StatusCode::kInvalidArgument, "9 cases"));
}

TEST(Temperature, IsNotFoundWhereTheLossStillFalls) {
  Predictions p{2, {}, {}, {}, {}};
  for (int i = 0; i < 20; ++i) {  // never wrong: the colder, the better
    p.labels.push_back(i % 2);
    p.probabilities.insert(p.probabilities.end(), {i % 2 ? .2 : .8, i % 2 ? .8 : .2});
  }
  EXPECT_THAT(
      BestTemperature(*SumOverTemperatures(p)),
      StatusIs(absl::StatusCode::kFailedPrecondition, "still falls at the temperature 0.1"));
}

TEST(Temperature, RefusesWhatIsNone) {
  EXPECT_THAT(WithTemperature(TwoClassCases(), 0),
              StatusIs(absl::StatusCode::kInvalidArgument, "temperature is 0"));
  EXPECT_THAT(WithTemperature(TwoClassCases(), std::nan("")),
              StatusIs(absl::StatusCode::kInvalidArgument, "nan"));
}

TEST(Priors, MoveAProbabilityByBayesRule) {
  const Predictions p{2, {0}, {.4, .6}, {}, {}};
  HILUM_ASSERT_OK_AND_ASSIGN(const Predictions moved, WithPriors(p, {.5, .5}, {.9, .1}));
  EXPECT_NEAR(moved.probability(0, 1), .06 / (.36 + .06), kTolerance);
  EXPECT_NEAR(moved.probability(0, 0), .36 / (.36 + .06), kTolerance);
  HILUM_ASSERT_OK_AND_ASSIGN(const Predictions back, WithPriors(moved, {.9, .1}, {.5, .5}));
  EXPECT_NEAR(back.probability(0, 1), .6, kTolerance);
  EXPECT_THAT(WithPriors(p, {.5, .5}, {1, 0}),
              StatusIs(absl::StatusCode::kInvalidArgument, "at the site"));
  EXPECT_THAT(
      WithPriors(p, {.5, .6}, {.5, .5}),
      StatusIs(absl::StatusCode::kInvalidArgument, "in training are 2 numbers with the sum"));
  EXPECT_THAT(WithPriors(p, {.5, .5}, {1}), StatusIs(absl::StatusCode::kInvalidArgument, "1 num"));
}

TEST(Reliability, CountsTheCasesOfEachBin) {
  Predictions p{2, {}, {}, {}, {}};
  for (int i = 0; i < 20; ++i) {
    const bool high = i >= 10;
    p.labels.push_back(high ? i < 18 : i < 3);
    p.probabilities.insert(p.probabilities.end(), {high ? .25 : .75, high ? .75 : .25});
  }
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<ReliabilityBin> bins, Reliability(p, 1, 2));
  ASSERT_EQ(bins.size(), 2u);
  EXPECT_NEAR(bins[0].mean_probability, .25, kTolerance);
  EXPECT_NEAR(bins[0].observed.value, .3, kTolerance);
  EXPECT_NEAR(bins[1].observed.value, .8, kTolerance);
  EXPECT_EQ(bins[1].observed.n, 10);
  EXPECT_EQ(bins[1].observed.ci95.low, WilsonEstimate(8, 10)->ci95.low);
}

TEST(Reliability, MergesBinsUntilEachHasTenCases) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto bins, Reliability(Overconfident(35, 1, 3), 1, 10));
  ASSERT_EQ(bins.size(), 3u);
  for (const ReliabilityBin& bin : bins) EXPECT_GE(bin.observed.n, kMinCasesToShare);
  EXPECT_THAT(Reliability(Overconfident(9, 1, 3), 1),
              StatusIs(absl::StatusCode::kFailedPrecondition, "of 9 cases"));
  EXPECT_THAT(Reliability(TwoClassCases(), 2),
              StatusIs(absl::StatusCode::kInvalidArgument, "class 2"));
  EXPECT_THAT(Reliability(TwoClassCases(), 1, 0),
              StatusIs(absl::StatusCode::kInvalidArgument, "0 bins"));
}

// Iteratively weighted least squares in numpy.
TEST(CalibrationLine, AgreesWithNumpy) {
  HILUM_ASSERT_OK_AND_ASSIGN(const CalibrationLine line, FitCalibrationLine(TwoClassCases(), 1));
  EXPECT_NEAR(line.slope.value, 1.455620213960858, 1e-9);
  EXPECT_NEAR(line.slope.ci95.low, -0.09979879974171246, 1e-9);
  EXPECT_NEAR(line.slope.ci95.high, 3.011039227663429, 1e-9);
  EXPECT_NEAR(line.intercept.value, -0.27565635615530165, 1e-9);
  EXPECT_NEAR(line.intercept.ci95.low, -1.4325933421883064, 1e-9);
  EXPECT_NEAR(line.intercept.ci95.high, 0.8812806298777032, 1e-9);
  EXPECT_EQ(line.slope.n, 16);
}

TEST(CalibrationLine, FindsTheSlopeOfAnOverconfidentModel) {
  HILUM_ASSERT_OK_AND_ASSIGN(const CalibrationLine line,
                             FitCalibrationLine(Overconfident(4000, 2, 5), 1));
  EXPECT_LT(line.slope.ci95.low, 0.5);
  EXPECT_GT(line.slope.ci95.high, 0.5);
  EXPECT_LT(line.slope.ci95.high, 0.7);
}

TEST(CalibrationLine, IsNotDefinedWithoutErrors) {
  Predictions p{2, {0, 0, 1, 1}, {.9, .1, .8, .2, .3, .7, .1, .9}, {}, {}};
  EXPECT_THAT(FitCalibrationLine(p, 1),
              StatusIs(absl::StatusCode::kFailedPrecondition, "told apart without error"));
  p.labels = {1, 1, 1, 1};
  EXPECT_THAT(FitCalibrationLine(p, 1),
              StatusIs(absl::StatusCode::kFailedPrecondition, "the rest 0"));
  p = {2, {0, 1, 0, 1}, {.5, .5, .5, .5, .5, .5, .5, .5}, {}, {}};
  EXPECT_THAT(FitCalibrationLine(p, 1),
              StatusIs(absl::StatusCode::kFailedPrecondition, "same probability"));
}

TEST(OperatingPoint, IsTheLargestThresholdOfASensitivity) {
  // Cases of class 1, by probability: .95 .9 .8 .7 .55 .4 .35.
  const Predictions p = TwoClassCases();
  EXPECT_EQ(PointOfSensitivity(p, 1, 5.0 / 7)->threshold, .55);
  EXPECT_EQ(PointOfSensitivity(p, 1, 1)->threshold, .35);
  HILUM_ASSERT_OK_AND_ASSIGN(const OperatingPoint point, PointOfSensitivity(p, 1, .72));
  EXPECT_EQ(JudgeAt(p, point)->sensitivity.value, 6.0 / 7);
  EXPECT_THAT(PointOfSensitivity(p, 1, 1.01), StatusIs(absl::StatusCode::kInvalidArgument, "1.01"));
  EXPECT_THAT(PointOfSensitivity({2, {0}, {1, 0}, {}, {}}, 1, .9),
              StatusIs(absl::StatusCode::kFailedPrecondition, "no validation case"));
}

TEST(OperatingPoint, CountsWithWilsonIntervals) {
  HILUM_ASSERT_OK_AND_ASSIGN(const AtPoint at, JudgeAt(TwoClassCases(), {1, 0.5}));
  EXPECT_EQ(at.sensitivity.value, 5.0 / 7);
  EXPECT_EQ(at.sensitivity.n, 7);
  EXPECT_EQ(at.specificity.value, 7.0 / 9);
  EXPECT_EQ(at.positive_predictive_value.value, 5.0 / 7);
  EXPECT_EQ(at.negative_predictive_value.value, 7.0 / 9);
  EXPECT_EQ(at.negative_predictive_value.ci95.low, WilsonEstimate(7, 9)->ci95.low);
  EXPECT_EQ(at.prevalence, 7.0 / 16);
}

TEST(OperatingPoint, RefusesWhatDecidesNothing) {
  const Predictions none{2, {0, 0}, {.9, .1, .2, .8}, {}, {}};
  EXPECT_THAT(JudgeAt(none, {1, .5}),
              StatusIs(absl::StatusCode::kFailedPrecondition, "class 1 has 0 cases, the rest 2"));
  EXPECT_THAT(JudgeAt(TwoClassCases(), {1, 1.5}),
              StatusIs(absl::StatusCode::kInvalidArgument, "threshold is 1.5"));
  EXPECT_THAT(JudgeAt(TwoClassCases(), {2, .5}),
              StatusIs(absl::StatusCode::kInvalidArgument, "class 2"));
}

// docs/models.md: sensitivity 95.5 and specificity 97.0 are a precision of 0.39 at 2 %.
TEST(AtPrevalence, APublishedScoreIsAFairCoinWhereTheDiseaseIsRare) {
  const AtPoint published{*WilsonEstimate(191, 200), *WilsonEstimate(194, 200), {}, {}, .5};
  HILUM_ASSERT_OK_AND_ASSIGN(const PredictiveValues values, AtPrevalence(published, 0.02));
  EXPECT_NEAR(values.positive.value, 0.39, 0.005);
  EXPECT_GT(values.negative.value, 0.99);
}

// The formulas of the paper in numpy.
TEST(AtPrevalence, AgreesWithNumpy) {
  const AtPoint at{*WilsonEstimate(45, 50), *WilsonEstimate(80, 100), {}, {}, 1.0 / 3};
  HILUM_ASSERT_OK_AND_ASSIGN(const PredictiveValues values, AtPrevalence(at, 0.05));
  EXPECT_NEAR(values.positive.value, 0.19148936170212766, kTolerance);
  EXPECT_NEAR(values.positive.ci95.low, 0.12872244183690387, kTolerance);
  EXPECT_NEAR(values.positive.ci95.high, 0.24215898775595532, kTolerance);
  EXPECT_NEAR(values.negative.value, 0.9934640522875817, kTolerance);
  EXPECT_NEAR(values.negative.ci95.low, 0.9829811703674692, kTolerance);
  EXPECT_NEAR(values.negative.ci95.high, 0.9957704750305094, kTolerance);
  EXPECT_EQ(values.positive.n, 150);
}

TEST(AtPrevalence, APerfectScoreStillHasAnInterval) {
  const AtPoint perfect{*WilsonEstimate(10, 10), *WilsonEstimate(10, 10), {}, {}, .5};
  HILUM_ASSERT_OK_AND_ASSIGN(const PredictiveValues values, AtPrevalence(perfect, 0.1));
  EXPECT_EQ(values.positive.value, 1);
  EXPECT_LT(values.positive.ci95.low, 0.8);
  EXPECT_EQ(values.positive.ci95.high, 1);
}

TEST(AtPrevalence, RefusesWhatIsNoPrevalence) {
  const AtPoint at{*WilsonEstimate(45, 50), *WilsonEstimate(80, 100), {}, {}, 1.0 / 3};
  for (double prevalence : {0.0, 1.0, -0.1, std::nan("")}) {
    EXPECT_THAT(AtPrevalence(at, prevalence),
                StatusIs(absl::StatusCode::kInvalidArgument, "prevalence is"));
  }
  EXPECT_THAT(AtPrevalence({}, 0.5), StatusIs(absl::StatusCode::kInvalidArgument, "0 and 0 cases"));
  const AtPoint silent{*WilsonEstimate(0, 10), *WilsonEstimate(10, 10), {}, {}, .5};
  EXPECT_THAT(AtPrevalence(silent, 0.5),
              StatusIs(absl::StatusCode::kFailedPrecondition, "no case is called so"));
}

}  // namespace
}  // namespace hilum::evaluation

#include "evaluation/metrics.h"

#include <cmath>

#include "base/seeded_random.h"
#include "tests/evaluation/cases.h"
#include "tests/status_matchers.h"

namespace hilum::evaluation {
namespace {

constexpr double kTolerance = 1e-12;

TEST(Metrics, AgreeWithScikitLearnOnTwoClasses) {
  const Predictions p = TwoClassCases();
  ASSERT_THAT(CheckPredictions(p), IsOk());
  const Confusion confusion = Confuse(p);
  EXPECT_EQ(confusion.counts, (std::vector<int64_t>{7, 2, 2, 5}));
  EXPECT_EQ(confusion.n(), 16);
  EXPECT_EQ(confusion.n_of(0), 9);
  EXPECT_NEAR(*Accuracy(confusion), 12.0 / 16, kTolerance);
  EXPECT_NEAR(*BalancedAccuracy(confusion), 0.746031746031746, kTolerance);
  EXPECT_NEAR(*Sensitivity(confusion, 1), 5.0 / 7, kTolerance);
  EXPECT_NEAR(*Specificity(confusion, 1), 7.0 / 9, kTolerance);
  EXPECT_NEAR(*PositivePredictiveValue(confusion, 1), 5.0 / 7, kTolerance);
  EXPECT_NEAR(*Auroc(p, 1), 0.8253968253968254, kTolerance);
  EXPECT_NEAR(*Auroc(p, 0), 0.8253968253968254, kTolerance);
  EXPECT_NEAR(*LogLoss(p), 0.47640597327409545, kTolerance);
  EXPECT_NEAR(*BrierScore(p), 0.321875, kTolerance);
}

TEST(Metrics, AgreeWithScikitLearnOnThreeClasses) {
  const Predictions p = ThreeClassCases();
  EXPECT_NEAR(*Auroc(p, 0), 0.9166666666666667, kTolerance);
  EXPECT_NEAR(*Auroc(p, 1), 0.9722222222222222, kTolerance);
  EXPECT_NEAR(*Auroc(p, 2), 0.7777777777777778, kTolerance);
  EXPECT_NEAR(*BalancedAccuracy(Confuse(p)), 0.7777777777777777, kTolerance);
  EXPECT_NEAR(*LogLoss(p), 0.7409639320410637, kTolerance);
  EXPECT_NEAR(*BrierScore(p), 0.40888888888888886, kTolerance);
}

// The same bins in numpy: cases [n*b//B, n*(b+1)//B) of the stable order by confidence.
TEST(CalibrationError, AgreesWithNumpy) {
  const Predictions p = TwoClassCases();
  EXPECT_NEAR(*ExpectedCalibrationError(p, 4), 0.34375, kTolerance);
  EXPECT_NEAR(*ExpectedCalibrationError(p, 5), 0.25625, kTolerance);
  EXPECT_NEAR(*ClassCalibrationError(p, 1, 4), 0.1875, kTolerance);
}

TEST(CalibrationError, FallsWhenAnOverconfidentModelIsScaled) {
  // 1,000 cases that are right in 7 of 10, told with a confidence of 0.95, then of 0.7.
  Predictions p{2, {}, {}, {}, {}};
  for (int i = 0; i < 1000; ++i) {
    p.labels.push_back(i % 10 < 7 ? 1 : 0);
    p.probabilities.insert(p.probabilities.end(), {0.05, 0.95});
  }
  Predictions scaled = p;
  for (double& value : scaled.probabilities) value = value > 0.5 ? 0.7 : 0.3;
  EXPECT_NEAR(*ExpectedCalibrationError(p), 0.25, 0.02);
  EXPECT_LT(*ExpectedCalibrationError(scaled), 0.03);
}

TEST(Auroc, IsTheShareOfWonPairs) {
  SeededRandom random(7);
  for (int round = 0; round < 50; ++round) {
    Predictions p{2, {}, {}, {}, {}};
    const int n = 2 + static_cast<int>(random.Below(30));
    for (int i = 0; i < n; ++i) {
      p.labels.push_back(i < 2 ? i : static_cast<int>(random.Below(2)));
      const double value = static_cast<double>(random.Below(8)) / 8;  // many ties
      p.probabilities.insert(p.probabilities.end(), {1 - value, value});
    }
    double won = 0, pairs = 0;
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j < n; ++j) {
        if (p.labels[i] != 1 || p.labels[j] != 0) continue;
        const double a = p.probability(i, 1), b = p.probability(j, 1);
        won += a > b ? 1 : a == b ? 0.5 : 0;
        ++pairs;
      }
    }
    EXPECT_NEAR(*Auroc(p, 1), won / pairs, kTolerance) << "round " << round;
    EXPECT_NEAR(*Auroc(p, 1) + *Auroc(Flipped(p), 1), 1, kTolerance) << "round " << round;
  }
}

TEST(Metrics, AreNotDefinedWithoutTheCasesThatDecideThem) {
  Predictions p{3, {0, 0}, {0.5, 0.25, 0.25, 0.25, 0.5, 0.25}, {}, {}};
  const Confusion confusion = Confuse(p);
  EXPECT_THAT(BalancedAccuracy(confusion),
              StatusIs(absl::StatusCode::kFailedPrecondition, "1 classes have cases"));
  EXPECT_THAT(Sensitivity(confusion, 2),
              StatusIs(absl::StatusCode::kFailedPrecondition, "class 2"));
  EXPECT_THAT(Specificity(confusion, 0),
              StatusIs(absl::StatusCode::kFailedPrecondition, "class 0"));
  EXPECT_THAT(PositivePredictiveValue(confusion, 2),
              StatusIs(absl::StatusCode::kFailedPrecondition, "class 2"));
  EXPECT_THAT(Auroc(p, 1), StatusIs(absl::StatusCode::kFailedPrecondition, "class 1 has 0"));
  const Predictions none{2, {}, {}, {}, {}};
  EXPECT_THAT(Accuracy(Confuse(none)), StatusIs(absl::StatusCode::kFailedPrecondition, "no cases"));
  EXPECT_THAT(BrierScore(none), StatusIs(absl::StatusCode::kFailedPrecondition, "no cases"));
  EXPECT_THAT(LogLoss(none), StatusIs(absl::StatusCode::kFailedPrecondition, "no cases"));
  EXPECT_THAT(ExpectedCalibrationError(none),
              StatusIs(absl::StatusCode::kFailedPrecondition, "needs a case"));
}

TEST(Metrics, ACertainMistakeCostsAFiniteLogLoss) {
  const Predictions p{2, {0}, {0, 1}, {}, {}};
  EXPECT_NEAR(*LogLoss(p), -std::log(1e-15), kTolerance);
}

TEST(CheckPredictions, NamesWhatIsWrong) {
  Predictions p = TwoClassCases();
  p.labels[3] = 2;
  EXPECT_THAT(CheckPredictions(p),
              StatusIs(absl::StatusCode::kInvalidArgument, "case 3 has the label 2"));
  p = TwoClassCases();
  p.probabilities[5] = std::nan("");
  EXPECT_THAT(CheckPredictions(p),
              StatusIs(absl::StatusCode::kInvalidArgument, "case 2 has the probability nan"));
  p = TwoClassCases();
  p.probabilities.pop_back();
  EXPECT_THAT(CheckPredictions(p), StatusIs(absl::StatusCode::kInvalidArgument, "31 prob"));
  p = TwoClassCases();
  p.patients = {"one"};
  EXPECT_THAT(CheckPredictions(p), StatusIs(absl::StatusCode::kInvalidArgument, "1 patients"));
  p.n_classes = 1;
  EXPECT_THAT(CheckPredictions(p), StatusIs(absl::StatusCode::kInvalidArgument, "1 classes"));
}

TEST(OfSite, TakesTheCasesOfOneSite) {
  Predictions p = TwoClassCases();
  for (int64_t i = 0; i < p.n(); ++i) p.sites.push_back(i % 4 == 0 ? "hospital-a" : "hospital-b");
  HILUM_ASSERT_OK_AND_ASSIGN(const Predictions part, OfSite(p, "hospital-a"));
  EXPECT_EQ(part.labels, (std::vector<int>{1, 0, 1, 0}));
  EXPECT_EQ(part.probability(1, 1), p.probability(4, 1));
  EXPECT_THAT(OfSite(p, "hospital-z"), StatusIs(absl::StatusCode::kNotFound, "hospital-z"));
}

}  // namespace
}  // namespace hilum::evaluation

#include "evaluation/intervals.h"

#include <cmath>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/seeded_random.h"
#include "tests/evaluation/cases.h"
#include "tests/status_matchers.h"

namespace hilum::evaluation {
namespace {

constexpr double kTolerance = 1e-12;

absl::StatusOr<double> AccuracyOf(const Predictions& p) { return Accuracy(Confuse(p)); }

// n cases, right in `hits` of them.
Predictions Cases(int n, int hits) {
  Predictions p{2, {}, {}, {}, {}};
  for (int i = 0; i < n; ++i) {
    const int label = i % 2;
    const int called = i < hits ? label : 1 - label;
    p.labels.push_back(label);
    p.probabilities.push_back(called == 0 ? 0.9 : 0.1);
    p.probabilities.push_back(called == 0 ? 0.1 : 0.9);
  }
  return p;
}

// scipy.stats.binomtest(k, n).proportion_ci(0.95, "wilson")
TEST(WilsonEstimate, AgreesWithScipy) {
  const struct {
    int64_t k, n;
    double low, high;
  } rows[] = {{0, 10, 0, 0.27753279986288926},
              {10, 10, 0.7224672001371109, 1},
              {192, 200, 0.9230679317990671, 0.9795943679338477},
              {120, 126, 0.8999983205231048, 0.9779955116120489},
              {1, 3, 0.06149194472039626, 0.7923403991979523}};
  for (const auto& row : rows) {
    HILUM_ASSERT_OK_AND_ASSIGN(const Estimate estimate, WilsonEstimate(row.k, row.n));
    EXPECT_NEAR(estimate.ci95.low, row.low, kTolerance) << row.k << " of " << row.n;
    EXPECT_NEAR(estimate.ci95.high, row.high, kTolerance) << row.k << " of " << row.n;
    EXPECT_EQ(estimate.n, row.n);
  }
}

// Each of these cases four times, all four of one patient.
Predictions FourFilmsAPatient(const Predictions& once) {
  Predictions four{2, {}, {}, {}, {}};
  for (int copy = 0; copy < 4; ++copy) {
    four.labels.insert(four.labels.end(), once.labels.begin(), once.labels.end());
    four.probabilities.insert(four.probabilities.end(), once.probabilities.begin(),
                              once.probabilities.end());
    for (int64_t i = 0; i < once.n(); ++i) four.patients.push_back(absl::StrCat("patient-", i));
  }
  return four;
}

absl::StatusOr<Estimate> ShareRight(const Predictions& p) {
  return ShareByPatient(
      p, [&](int64_t i) -> std::optional<bool> { return Predicted(p, i) == p.labels[i]; });
}

TEST(ShareByPatient, IsWilsonsWhereEachCaseIsItsOwnPatient) {
  Predictions p = Cases(200, 192);
  HILUM_ASSERT_OK_AND_ASSIGN(const Estimate share, ShareRight(p));
  EXPECT_EQ(share.method, "wilson");
  EXPECT_EQ(share.ci95.low, WilsonEstimate(192, 200)->ci95.low);
  EXPECT_EQ(share.ci95.high, WilsonEstimate(192, 200)->ci95.high);
  p.patients.assign(200, "");  // nobody else's
  EXPECT_EQ(ShareRight(p)->method, "wilson");
  EXPECT_EQ(ShareByPatient(p, [](int64_t) { return std::nullopt; })->n, 0);
}

TEST(ShareByPatient, CopiesOfAPatientsFilmDoNotNarrowTheInterval) {
  HILUM_ASSERT_OK_AND_ASSIGN(const Estimate share, ShareRight(FourFilmsAPatient(Cases(100, 80))));
  EXPECT_EQ(share.method, "wilson by patient");
  EXPECT_EQ(share.n, 400);
  EXPECT_NEAR(share.value, 0.8, kTolerance);
  // The variance between 100 patients has 99 degrees of freedom.
  EXPECT_NEAR(share.ci95.low, WilsonEstimate(80, 100)->ci95.low, 1e-3);
  EXPECT_NEAR(share.ci95.high, WilsonEstimate(80, 100)->ci95.high, 1e-3);
  HILUM_ASSERT_OK_AND_ASSIGN(const Estimate all, ShareRight(FourFilmsAPatient(Cases(25, 25))));
  EXPECT_NEAR(all.ci95.low, WilsonEstimate(25, 25)->ci95.low, kTolerance);
  EXPECT_EQ(all.ci95.high, 1);
}

// docs/models.md: CXR-2 has 96.3 [93.9, 97.7] on 400 films, CXR4-A 94.3 [91.1, 96.4] on 300.
TEST(WilsonEstimate, GivesThePublishedIntervals) {
  const Estimate cxr2 = *WilsonEstimate(385, 400);
  EXPECT_NEAR(cxr2.ci95.low, 0.939, 5e-4);
  EXPECT_NEAR(cxr2.ci95.high, 0.977, 5e-4);
  const Estimate cxr4a = *WilsonEstimate(283, 300);
  EXPECT_NEAR(cxr4a.ci95.low, 0.911, 5e-4);
  EXPECT_NEAR(cxr4a.ci95.high, 0.964, 5e-4);
}

TEST(WilsonEstimate, RefusesWhatIsNoShare) {
  EXPECT_THAT(WilsonEstimate(1, 0), StatusIs(absl::StatusCode::kInvalidArgument, "1 of 0"));
  EXPECT_THAT(WilsonEstimate(3, 2), StatusIs(absl::StatusCode::kInvalidArgument, "3 of 2"));
  EXPECT_THAT(WilsonEstimate(-1, 2), StatusIs(absl::StatusCode::kInvalidArgument, "-1 of 2"));
}

// The definition (DeLong 1988, pairwise comparisons) in numpy.
TEST(DelongAuroc, AgreesWithTheDefinition) {
  HILUM_ASSERT_OK_AND_ASSIGN(const Estimate estimate, DelongAuroc(TwoClassCases(), 1));
  EXPECT_NEAR(estimate.value, 0.8253968253968254, kTolerance);
  EXPECT_NEAR(estimate.ci95.low, 0.6120664476272846, kTolerance);
  EXPECT_EQ(estimate.ci95.high, 1);  // 1.0387 before the cut
}

TEST(DelongAuroc, NeedsTwoCasesOnEachSide) {
  const Predictions p{2, {0, 0, 1}, {.5, .5, .4, .6, .3, .7}, {}, {}};
  EXPECT_THAT(DelongAuroc(p, 1),
              StatusIs(absl::StatusCode::kFailedPrecondition, "class 1 has 1 cases"));
}

// The cases of TwoClassCases as a second model sees them.
Predictions SecondModel() {
  Predictions p = TwoClassCases();
  const double second[] = {.6, .3, .7, .45, .5, .2, .8, .35, .9, .1, .55, .3, .25, .85, .4, .65};
  for (int64_t i = 0; i < p.n(); ++i) {
    p.probabilities[2 * i] = 1 - second[i];
    p.probabilities[2 * i + 1] = second[i];
  }
  return p;
}

// The definition (covariance of pairwise comparisons) in numpy.
TEST(DelongDifference, AgreesWithTheDefinition) {
  HILUM_ASSERT_OK_AND_ASSIGN(const Estimate difference,
                             DelongDifference(TwoClassCases(), SecondModel(), 1));
  EXPECT_NEAR(difference.value, -0.023809523809523836, kTolerance);
  EXPECT_NEAR(difference.ci95.low, -0.19474063488680954, kTolerance);
  EXPECT_NEAR(difference.ci95.high, 0.14712158726776187, kTolerance);
  EXPECT_EQ(difference.n, 16);
  EXPECT_EQ(difference.method, "paired delong");
}

TEST(DelongDifference, OfAModelWithItselfIsCertainlyNothing) {
  HILUM_ASSERT_OK_AND_ASSIGN(const Estimate difference,
                             DelongDifference(TwoClassCases(), TwoClassCases(), 1));
  EXPECT_EQ(difference.value, 0);
  EXPECT_EQ(difference.ci95.low, 0);
  EXPECT_EQ(difference.ci95.high, 0);
}

TEST(DelongDifference, RefusesOtherCases) {
  Predictions other = SecondModel();
  std::swap(other.labels[0], other.labels[1]);
  EXPECT_THAT(DelongDifference(TwoClassCases(), other, 1),
              StatusIs(absl::StatusCode::kInvalidArgument, "cannot be paired"));
  EXPECT_THAT(DelongDifference(TwoClassCases(), SecondModel(), 2),
              StatusIs(absl::StatusCode::kInvalidArgument, "class 2"));
}

TEST(AurocOf, SeveralCasesOfAPatientAreNotIndependent) {
  Predictions p = TwoClassCases(), q = SecondModel();
  EXPECT_EQ(AurocOf(p, 1)->method, "delong");
  EXPECT_EQ(AurocDifference(p, q, 1)->method, "paired delong");
  for (int64_t i = 0; i < p.n(); ++i) p.patients.push_back(i < 2 ? "same" : absl::StrCat(i));
  q.patients = p.patients;
  EXPECT_EQ(AurocOf(p, 1)->method, "bootstrap by patient");
  HILUM_ASSERT_OK_AND_ASSIGN(const Estimate difference, AurocDifference(p, q, 1));
  EXPECT_EQ(difference.method, "paired bootstrap");
  EXPECT_NEAR(difference.value, -0.023809523809523836, kTolerance);
}

TEST(MeanAurocOf, IsTheMeanOverTheClasses) {
  HILUM_ASSERT_OK_AND_ASSIGN(const Estimate three, MeanAurocOf(ThreeClassCases()));
  EXPECT_NEAR(three.value, (0.9166666666666667 + 0.9722222222222222 + 0.7777777777777778) / 3,
              kTolerance);
  EXPECT_EQ(three.method, "bootstrap by patient");
  EXPECT_EQ(MeanAurocOf(TwoClassCases())->method, "delong");
  EXPECT_EQ(MeanAurocDifference(ThreeClassCases(), ThreeClassCases())->value, 0);
  EXPECT_THAT(MeanAurocDifference(ThreeClassCases(), TwoClassCases()),
              StatusIs(absl::StatusCode::kInvalidArgument, "cannot be paired"));
}

TEST(BootstrapByPatient, IsAsWideAsTheTheorySays) {
  const Predictions p = Cases(400, 320);
  HILUM_ASSERT_OK_AND_ASSIGN(const Estimate estimate, BootstrapByPatient(p, AccuracyOf));
  const double half = 1.96 * std::sqrt(0.8 * 0.2 / 400);
  EXPECT_NEAR(estimate.value, 0.8, kTolerance);
  EXPECT_NEAR(estimate.ci95.low, 0.8 - half, 0.1 * half);
  EXPECT_NEAR(estimate.ci95.high, 0.8 + half, 0.1 * half);
  EXPECT_EQ(estimate.n, 400);
}

TEST(BootstrapByPatient, TheSameSeedGivesTheSameInterval) {
  const Predictions p = Cases(50, 40);
  const Estimate one = *BootstrapByPatient(p, AccuracyOf, {.n_resamples = 500, .seed = 3});
  const Estimate two = *BootstrapByPatient(p, AccuracyOf, {.n_resamples = 500, .seed = 3});
  EXPECT_EQ(one.ci95.low, two.ci95.low);
  EXPECT_EQ(one.ci95.high, two.ci95.high);
}

TEST(BootstrapByPatient, CopiesOfAPatientsFilmDoNotNarrowTheInterval) {
  Predictions once = Cases(100, 80);
  for (int64_t i = 0; i < once.n(); ++i) once.patients.push_back(absl::StrCat("patient-", i));
  const Predictions four = FourFilmsAPatient(once);
  const Estimate narrow = *BootstrapByPatient(once, AccuracyOf);
  const Estimate wide = *BootstrapByPatient(four, AccuracyOf);
  EXPECT_NEAR(wide.ci95.low, narrow.ci95.low, kTolerance);
  EXPECT_NEAR(wide.ci95.high, narrow.ci95.high, kTolerance);
  EXPECT_EQ(wide.n, 400);
}

TEST(BootstrapByPatient, DrawsAgainWhereAClassIsMissingAndGivesUpWhenItMostlyIs) {
  const auto auroc = [](const Predictions& p) { return Auroc(p, 1); };
  Predictions few{2, {0, 0, 0, 1}, {.9, .1, .8, .2, .7, .3, .2, .8}, {}, {}};
  EXPECT_THAT(BootstrapByPatient(few, auroc), IsOk());
  Predictions one_patient = few;
  one_patient.labels = {0, 0, 0, 0};
  EXPECT_THAT(BootstrapByPatient(one_patient, auroc),
              StatusIs(absl::StatusCode::kFailedPrecondition, "class 1 has 0"));
  // Two patients, one a class: half of the resamples lack one.
  Predictions two{2, {0, 1}, {.9, .1, .2, .8}, {}, {}};
  int n_calls = 0;
  const auto mostly_undefined = [&](const Predictions& p) -> absl::StatusOr<double> {
    return ++n_calls == 1 ? Auroc(p, 1) : absl::FailedPreconditionError("never again");
  };
  EXPECT_THAT(BootstrapByPatient(two, mostly_undefined),
              StatusIs(absl::StatusCode::kFailedPrecondition, "most resamples of 2 patients"));
}

TEST(BootstrapByPatient, TheIntervalHoldsTheValueOfABiasedMetric) {
  // Whatever is drawn, the metric of the cases themselves lies below it.
  int n_calls = 0;
  const auto biased = [&](const Predictions&) -> absl::StatusOr<double> {
    return n_calls++ == 0 ? 0.05 : 0.1;
  };
  HILUM_ASSERT_OK_AND_ASSIGN(const Estimate estimate, BootstrapByPatient(Cases(10, 8), biased));
  EXPECT_EQ(estimate.value, 0.05);
  EXPECT_EQ(estimate.ci95.low, 0.05);
  EXPECT_EQ(estimate.ci95.high, 0.1);
}

TEST(BootstrapByPatient, RefusesTooFewResamples) {
  EXPECT_THAT(BootstrapByPatient(Cases(10, 8), AccuracyOf, {.n_resamples = 99}),
              StatusIs(absl::StatusCode::kInvalidArgument, "99 resamples"));
}

TEST(PairedBootstrap, KnowsThatTheSameCasesWereSeen) {
  // b errs where a errs, and on ten cases more: the difference is far more certain than either.
  const Predictions a = Cases(200, 160), b = Cases(200, 150);
  HILUM_ASSERT_OK_AND_ASSIGN(const Estimate difference,
                             PairedBootstrapDifference(a, b, AccuracyOf));
  EXPECT_NEAR(difference.value, 0.05, kTolerance);
  EXPECT_GT(difference.ci95.low, 0);
  const double half = 1.96 * std::sqrt(0.05 * 0.95 / 200);
  EXPECT_NEAR(difference.ci95.high - difference.ci95.low, 2 * half, 0.3 * half);
  EXPECT_NEAR(PairedBootstrapDifference(a, a, AccuracyOf)->ci95.high, 0, kTolerance);
}

TEST(PairedBootstrap, RefusesOtherCases) {
  EXPECT_THAT(PairedBootstrapDifference(Cases(10, 8), Cases(12, 8), AccuracyOf),
              StatusIs(absl::StatusCode::kInvalidArgument, "10 and 12"));
}

}  // namespace
}  // namespace hilum::evaluation

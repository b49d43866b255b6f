// One threshold, and what it means at the bedside. The threshold comes from validation cases: one
// that was chosen on the test cases flatters itself.
#ifndef HILUM_EVALUATION_OPERATING_POINT_H_
#define HILUM_EVALUATION_OPERATING_POINT_H_

#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "evaluation/intervals.h"
#include "evaluation/metrics.h"

namespace hilum::evaluation {

// A case is called k where its probability of k is at least `threshold`.
struct OperatingPoint {
  int k = 0;
  double threshold = 0.5;
};

// The largest threshold at which at least `sensitivity` of the validation cases of k are called k.
// InvalidArgument: sensitivity outside (0, 1], k outside the classes; as CheckPredictions.
// FailedPrecondition: no validation case is of k.
absl::StatusOr<OperatingPoint> PointOfSensitivity(const Predictions& validation, int k,
                                                  double sensitivity);

// Each with the cases that decide it as n; ShareByPatient.
struct AtPoint {
  Estimate sensitivity, specificity;
  // At the share of k among these very cases, which is nobody's prevalence: see AtPrevalence.
  // n is 0 where nobody, or everybody, is called k.
  Estimate positive_predictive_value, negative_predictive_value;
  double prevalence = 0;  // of these cases
};
// FailedPrecondition: no case of k, or none of the rest. InvalidArgument: as PointOfSensitivity; a
// threshold outside [0, 1].
absl::StatusOr<AtPoint> JudgeAt(const Predictions& cases, const OperatingPoint& point);

// A point on some of the cases.
struct JudgedPoint {
  std::string films;  // "all", or a site
  OperatingPoint point;
  AtPoint at;
};
// A row a point for all cases, then one for each site that has kMinSubgroup cases, with some of the
// point's class and some of the rest. Errors: as JudgeAt on all cases.
absl::StatusOr<std::vector<JudgedPoint>> JudgeBySite(const Predictions& cases,
                                                     std::span<const OperatingPoint> points);

struct PredictiveValues {
  Estimate positive, negative;  // n: the cases behind sensitivity and specificity together
};
// What the same sensitivity and specificity mean where k has the share `prevalence`, by Bayes'
// rule. Intervals: adjusted logit of Mercaldo, Lau, Zhou 2007, Statistics in Medicine 26:2170,
// section 3. InvalidArgument: prevalence outside (0, 1); sensitivity or specificity without cases.
// FailedPrecondition: both are 0 or both 1 in a way that nobody is called k, or everybody.
absl::StatusOr<PredictiveValues> AtPrevalence(const AtPoint& at, double prevalence);

}  // namespace hilum::evaluation

#endif  // HILUM_EVALUATION_OPERATING_POINT_H_

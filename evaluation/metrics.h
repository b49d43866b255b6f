// Metrics of a classifier from labels and probabilities. Plain arithmetic in double.
#ifndef HILUM_EVALUATION_METRICS_H_
#define HILUM_EVALUATION_METRICS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace hilum::evaluation {

// What a model said about n cases, column by column.
struct Predictions {
  int n_classes = 0;                  // >= 2
  std::vector<int> labels;            // [n] in [0, n_classes)
  std::vector<double> probabilities;  // [n, n_classes], in [0, 1]
  std::vector<std::string> patients;  // [n] pseudonyms; none, or an empty one: its own patient
  std::vector<std::string> sites;     // [n], or empty

  int64_t n() const { return static_cast<int64_t>(labels.size()); }
  double probability(int64_t i, int k) const { return probabilities[i * n_classes + k]; }
};

// InvalidArgument: lengths that do not fit, a label or probability out of range or not finite.
absl::Status CheckPredictions(const Predictions& predictions);

// The cases of one site. NotFound: it has none.
absl::StatusOr<Predictions> OfSite(const Predictions& predictions, const std::string& site);

// The class that case i is called: the first of largest probability.
int Predicted(const Predictions& predictions, int64_t i);

// counts[truth * n_classes + predicted].
struct Confusion {
  int n_classes = 0;
  std::vector<int64_t> counts;
  int64_t at(int truth, int predicted) const { return counts[truth * n_classes + predicted]; }
  int64_t n() const;
  int64_t n_of(int truth) const;
};
Confusion Confuse(const Predictions& predictions);

// Each of these: FailedPrecondition where the cases do not define it (none at all, a class of
// which there is none); the sentence names the class.
absl::StatusOr<double> Accuracy(const Confusion& confusion);
// Mean of the sensitivities of the classes that have cases; at least two must have some.
absl::StatusOr<double> BalancedAccuracy(const Confusion& confusion);
absl::StatusOr<double> Sensitivity(const Confusion& confusion, int k);
absl::StatusOr<double> Specificity(const Confusion& confusion, int k);
// Of those called k, how many are k.
absl::StatusOr<double> PositivePredictiveValue(const Confusion& confusion, int k);

// One class against the rest: the probability that a case of class k has a higher probability of k
// than one of another class, ties counted half (Mann-Whitney). O(n log n).
absl::StatusOr<double> Auroc(const Predictions& predictions, int k);

// Mean over cases of the sum over classes of (p - y)^2, in [0, 2]; Brier 1950.
absl::StatusOr<double> BrierScore(const Predictions& predictions);

// Mean of -log(probability of the truth), with probabilities below 1e-15 taken as 1e-15.
absl::StatusOr<double> LogLoss(const Predictions& predictions);

// Expected calibration error of the predicted class: `n_bins` bins of equal mass by confidence
// (sizes differ by at most one; bins without cases do not count), weighted mean of
// |accuracy - confidence|. Guo et al. 2017, arXiv:1706.04599, with equal mass.
absl::StatusOr<double> ExpectedCalibrationError(const Predictions& predictions, int n_bins = 15);

// The same for the probability of class k against "is k".
absl::StatusOr<double> ClassCalibrationError(const Predictions& predictions, int k,
                                             int n_bins = 15);

}  // namespace hilum::evaluation

#endif  // HILUM_EVALUATION_METRICS_H_

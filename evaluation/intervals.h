// Estimates with their 95 % intervals. A number without n and interval is not a result here.
#ifndef HILUM_EVALUATION_INTERVALS_H_
#define HILUM_EVALUATION_INTERVALS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "evaluation/metrics.h"

namespace hilum::evaluation {

struct Interval {
  double low = 0;
  double high = 0;
};

// A value, what it rests on, and how its interval was made.
struct Estimate {
  double value = 0;
  Interval ci95;
  int64_t n = 0;  // cases
  // "wilson", "wilson by patient", "delong", "bootstrap by patient", "paired bootstrap",
  // "paired delong", "wald", "adjusted logit"
  std::string method;
};

// A figure of a part of the cases (a site, a subgroup) that fewer of them decide is not shown.
inline constexpr int64_t kMinSubgroup = 30;

// It has n, a method and an interval that holds the value; a NaN does not.
bool IsComplete(const Estimate& estimate);

using Metric = std::function<absl::StatusOr<double>(const Predictions&)>;

// Wilson's score interval for k of n. Wilson 1927, JASA 22:209.
// InvalidArgument: n < 1, or k outside [0, n].
absl::StatusOr<Estimate> WilsonEstimate(int64_t k, int64_t n);

// What case i is to a share: a hit, a miss, or nothing to it (nullopt).
using Outcome = std::function<std::optional<bool>(int64_t i)>;
// The share of hits with Wilson's interval; where a patient has several of the cases, with their
// number divided by the design effect of the patients (not below 1), and with the number of
// patients where all are hits or none: Rao and Scott 1992, Biometrics 48:577. n = 0 where no case
// decides it. InvalidArgument: as CheckPredictions.
absl::StatusOr<Estimate> ShareByPatient(const Predictions& predictions, const Outcome& outcome);

struct BootstrapOptions {
  int n_resamples = 2000;
  uint64_t seed = 1;
};

// Percentile interval over resamples of patients with replacement; all cases of a patient come
// together; widened where it does not hold the value (an ECE of few cases: resampling biases it
// upwards). The same seed gives the same interval on every computer.
// Resamples on which the metric is not defined (a class is missing) are drawn again.
// FailedPrecondition: the metric is not defined on the cases, or on most resamples.
// InvalidArgument: as CheckPredictions; n_resamples < 100.
absl::StatusOr<Estimate> BootstrapByPatient(const Predictions& predictions, const Metric& metric,
                                            const BootstrapOptions& options = {});

// metric(a) - metric(b) on the same cases, resampled together.
// InvalidArgument: also when a and b differ in labels or patients.
absl::StatusOr<Estimate> PairedBootstrapDifference(const Predictions& a, const Predictions& b,
                                                   const Metric& metric,
                                                   const BootstrapOptions& options = {});

// AUROC of class k against the rest with DeLong's interval (normal, cut to [0, 1]). Cases count as
// independent, so it suits one case a patient. DeLong et al. 1988, Biometrics 44:837, by the ranks
// of Sun and Xu 2014, IEEE SPL 21:1389.
// FailedPrecondition: fewer than two cases of k or of the rest.
absl::StatusOr<Estimate> DelongAuroc(const Predictions& predictions, int k);

// AUROC of a minus AUROC of b on the same cases, with the interval of their joint covariance
// (normal, cut to [-1, 1]). Cases count as independent. DeLong et al. 1988.
// FailedPrecondition: fewer than two cases of k or of the rest. InvalidArgument: k outside the
// classes; a and b differ in labels or patients; as CheckPredictions.
absl::StatusOr<Estimate> DelongDifference(const Predictions& a, const Predictions& b, int k);

// The two above where each case is its own patient; with several cases of a patient the bootstrap
// by patient, where cases are not independent. Errors as of the one that is used.
absl::StatusOr<Estimate> AurocOf(const Predictions& predictions, int k,
                                 const BootstrapOptions& options = {});
absl::StatusOr<Estimate> AurocDifference(const Predictions& a, const Predictions& b, int k,
                                         const BootstrapOptions& options = {});
// The mean over the classes, each against the rest, so that a leak of any class shows. For two
// classes they are one number, and the functions above give it.
absl::StatusOr<Estimate> MeanAurocOf(const Predictions& predictions,
                                     const BootstrapOptions& options = {});
absl::StatusOr<Estimate> MeanAurocDifference(const Predictions& a, const Predictions& b,
                                             const BootstrapOptions& options = {});

}  // namespace hilum::evaluation

#endif  // HILUM_EVALUATION_INTERVALS_H_

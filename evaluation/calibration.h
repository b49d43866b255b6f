// Does a probability mean what it says? Temperature, reliability, slope, and the prior of a place.
// Plain arithmetic in double. What a site may send of it is a sum over its cases.
#ifndef HILUM_EVALUATION_CALIBRATION_H_
#define HILUM_EVALUATION_CALIBRATION_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "evaluation/intervals.h"
#include "evaluation/metrics.h"

namespace hilum::evaluation {

// Temperatures at which the loss is summed: 1/8 ... 8 in equal ratios; the middle one is 1.
inline constexpr int kTemperatures = 49;
double TemperatureAt(int index);  // index in [0, kTemperatures), CHECKed

// A sum over fewer cases than this does not leave a site.
inline constexpr int64_t kMinCasesToShare = 10;

// Sum over cases of -log(probability of the truth) at each temperature. Two sites' sums add up to
// the sum of both, so a masked total is enough to find one temperature for all.
struct TemperatureSums {
  int64_t n = 0;
  std::array<double, kTemperatures> nll{};
};

// InvalidArgument: as CheckPredictions. FailedPrecondition: fewer than kMinCasesToShare cases.
absl::StatusOr<TemperatureSums> SumOverTemperatures(const Predictions& predictions);
TemperatureSums Add(const TemperatureSums& a, const TemperatureSums& b);

// The temperature of least mean loss: the grid's best, moved to the lowest point of the parabola
// through it and its neighbours (in the logarithm). Guo et al. 2017, arXiv:1706.04599, section 4.2.
// InvalidArgument: n < kMinCasesToShare, or a sum is negative or not finite.
// FailedPrecondition: the loss still falls at an end of the grid, so there is no such temperature.
absl::StatusOr<double> BestTemperature(const TemperatureSums& sums);

// Each row becomes softmax(log p / temperature); probabilities below 1e-15 count as 1e-15. The
// order of the classes in a row stays. InvalidArgument: temperature not finite or <= 0; as
// CheckPredictions.
absl::StatusOr<Predictions> WithTemperature(const Predictions& predictions, double temperature);

// The probabilities for a place where class k is as frequent as to[k], from those of a model that
// was trained where it was as frequent as from[k]: p_k * to[k] / from[k], scaled to a sum of 1.
// Right where only the frequencies differ. Saerens et al. 2002, Neural Computation 14:21, eq. 2.4.
//   from, to  [n_classes] > 0, each with a sum of 1 (within 1e-6)
// InvalidArgument: anything else; as CheckPredictions.
absl::StatusOr<Predictions> WithPriors(const Predictions& predictions,
                                       const std::vector<double>& from,
                                       const std::vector<double>& to);

// One point of a reliability plot.
struct ReliabilityBin {
  double mean_probability = 0;
  Estimate observed;  // share of the cases that are of the class; Wilson
};
// Bins of equal mass by the probability of class k: n_bins, or fewer, so that each holds
// kMinCasesToShare cases. FailedPrecondition: fewer cases than that. InvalidArgument: n_bins < 1, k
// outside [0, n_classes); as CheckPredictions.
absl::StatusOr<std::vector<ReliabilityBin>> Reliability(const Predictions& predictions, int k,
                                                        int n_bins = 10);

// Logistic regression of "is of class k" on the logit of its probability.
struct CalibrationLine {
  Estimate slope;      // 1 is right; below 1: too sure of itself
  Estimate intercept;  // with the slope held at 1: 0 is right; above 0: probabilities too low
};
// Maximum likelihood, Wald intervals from the information ("wald"), cases independent. Cox 1958,
// Biometrika 45:562; Van Calster et al. 2019, BMC Medicine 17:230.
// FailedPrecondition: no case of k or of the rest, or a threshold divides them without error, or
// all have one probability. InvalidArgument: k; as CheckPredictions.
absl::StatusOr<CalibrationLine> FitCalibrationLine(const Predictions& predictions, int k);

}  // namespace hilum::evaluation

#endif  // HILUM_EVALUATION_CALIBRATION_H_

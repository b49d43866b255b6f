#include "evaluation/calibration.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace hilum::evaluation {
namespace {

constexpr double kSmallestProbability = 1e-15;
constexpr double kZ95 = 1.959963984540054;  // 97.5 % quantile of the normal distribution
constexpr int kLargestTemperature = 8;
constexpr double kPriorTolerance = 1e-6;
constexpr int kNewtonSteps = 100;
constexpr double kNewtonTolerance = 1e-10;  // each step squares it; rounding may not get lower
constexpr double kLargestSlope = 1e4;       // beyond, the classes are told apart without error

double LogOf(double probability) { return std::log(std::max(kSmallestProbability, probability)); }

// log softmax(log p / temperature) of one row, into `row`.
void ScaleRow(const Predictions& p, int64_t i, double temperature, std::vector<double>& row) {
  row.resize(p.n_classes);
  double largest = -std::numeric_limits<double>::infinity();
  for (int k = 0; k < p.n_classes; ++k) {
    row[k] = LogOf(p.probability(i, k)) / temperature;
    largest = std::max(largest, row[k]);
  }
  double sum = 0;
  for (double value : row) sum += std::exp(value - largest);
  for (double& value : row) value -= largest + std::log(sum);
}

absl::Status CheckPriors(absl::string_view name, const std::vector<double>& priors, int n_classes) {
  double sum = 0;
  bool positive = static_cast<int>(priors.size()) == n_classes;
  for (double prior : priors) {
    positive = positive && prior > 0;  // NaN fails too
    sum += prior;
  }
  if (positive && std::abs(sum - 1) <= kPriorTolerance) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "the shares of the classes ", name, " are ", priors.size(), " numbers with the sum ", sum,
      ": ", n_classes, " numbers above 0 with the sum 1 are needed"));
}

absl::Status CheckClass(const Predictions& predictions, int k) {
  HILUM_RETURN_IF_ERROR(CheckPredictions(predictions));
  if (k >= 0 && k < predictions.n_classes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("class ", k, " is asked for, there are ", predictions.n_classes));
}

struct LogitCase {
  double logit;
  bool is_k;
};

std::vector<LogitCase> LogitsOf(const Predictions& p, int k) {
  std::vector<LogitCase> cases;
  for (int64_t i = 0; i < p.n(); ++i) {
    const double q = p.probability(i, k);
    cases.push_back({LogOf(q) - LogOf(1 - q), p.labels[i] == k});
  }
  return cases;
}

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// The intercept a and slope b of logit P(is k) = a + b * logit, and the inverse information.
struct Line {
  double a = 0, b = 1;
  double variance_a = 0, variance_b = 0;
};

absl::Status NoLine() {
  return absl::FailedPreconditionError(
      "the calibration line is not defined: the classes are told apart without error, or every "
      "case has the same probability");
}

// Newton's method from (0, 1); `with_slope` false holds b at 1.
absl::StatusOr<Line> FitLine(const std::vector<LogitCase>& cases, bool with_slope) {
  Line line;
  for (int step = 0; step < kNewtonSteps; ++step) {
    double ga = 0, gb = 0, haa = 0, hab = 0, hbb = 0;
    for (const LogitCase& c : cases) {
      const double p = Sigmoid(line.a + line.b * c.logit), weight = p * (1 - p);
      const double residual = (c.is_k ? 1 : 0) - p;
      ga += residual;
      gb += residual * c.logit;
      haa += weight;
      hab += weight * c.logit;
      hbb += weight * c.logit * c.logit;
    }
    double da = 0, db = 0;
    if (with_slope) {
      const double determinant = haa * hbb - hab * hab;
      if (!(determinant > 1e-12 * haa * hbb)) return NoLine();
      da = (hbb * ga - hab * gb) / determinant;
      db = (haa * gb - hab * ga) / determinant;
      line.variance_a = hbb / determinant;
      line.variance_b = haa / determinant;
    } else {
      if (!(haa > 0)) return NoLine();
      da = ga / haa;
      line.variance_a = 1 / haa;
    }
    // A step of more than 2 in the logit would leave the region where the model is nearly square.
    const double shrink = std::min(1.0, 2 / std::max(std::abs(da), std::abs(db)));
    line.a += da * shrink;
    line.b += db * shrink;
    if (std::abs(line.a) > kLargestSlope || std::abs(line.b) > kLargestSlope) return NoLine();
    if (std::max(std::abs(da), std::abs(db)) < kNewtonTolerance) return line;
  }
  return NoLine();
}

// True where some threshold has all cases of k on one side and the rest on the other.
bool Separated(const std::vector<LogitCase>& cases) {
  double low_k = std::numeric_limits<double>::infinity(), high_k = -low_k;
  double low_rest = low_k, high_rest = high_k;
  for (const LogitCase& c : cases) {
    double& low = c.is_k ? low_k : low_rest;
    double& high = c.is_k ? high_k : high_rest;
    low = std::min(low, c.logit);
    high = std::max(high, c.logit);
  }
  return low_k >= high_rest || low_rest >= high_k;
}

Estimate Wald(double value, double variance, int64_t n) {
  const double half = kZ95 * std::sqrt(variance);
  return {value, {value - half, value + half}, n, "wald"};
}

}  // namespace

double TemperatureAt(int index) {
  HILUM_CHECK(index >= 0 && index < kTemperatures);
  const int middle = kTemperatures / 2;
  return std::pow(kLargestTemperature, static_cast<double>(index - middle) / middle);
}

absl::StatusOr<TemperatureSums> SumOverTemperatures(const Predictions& predictions) {
  HILUM_RETURN_IF_ERROR(CheckPredictions(predictions));
  if (predictions.n() < kMinCasesToShare) {
    return absl::FailedPreconditionError(absl::StrCat("the sums rest on ", predictions.n(),
                                                      " cases, at least ", kMinCasesToShare,
                                                      " are needed before they may be shared"));
  }
  TemperatureSums sums{predictions.n(), {}};
  std::vector<double> row;
  for (int t = 0; t < kTemperatures; ++t) {
    const double temperature = TemperatureAt(t);
    for (int64_t i = 0; i < predictions.n(); ++i) {
      ScaleRow(predictions, i, temperature, row);
      sums.nll[t] -= row[predictions.labels[i]];
    }
  }
  return sums;
}

TemperatureSums Add(const TemperatureSums& a, const TemperatureSums& b) {
  TemperatureSums sum{a.n + b.n, {}};
  for (int t = 0; t < kTemperatures; ++t) sum.nll[t] = a.nll[t] + b.nll[t];
  return sum;
}

absl::StatusOr<double> BestTemperature(const TemperatureSums& sums) {
  for (double value : sums.nll) {
    if (sums.n >= kMinCasesToShare && value >= 0 && std::isfinite(value)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "sums of loss over ", sums.n, " cases with the value ", value,
        ": finite values of at least 0 over at least ", kMinCasesToShare, " cases are needed"));
  }
  const auto best = std::ranges::min_element(sums.nll);
  const int at = static_cast<int>(best - sums.nll.begin());
  if (at == 0 || at + 1 == kTemperatures) {
    return absl::FailedPreconditionError(
        absl::StrCat("the loss still falls at the temperature ", TemperatureAt(at),
                     ", an end of the range: the probabilities say too little of the labels, or "
                     "everything"));
  }
  const double left = sums.nll[at - 1], middle = *best, right = sums.nll[at + 1];
  const double curvature = left - 2 * middle + right;
  const double offset = curvature > 0 ? 0.5 * (left - right) / curvature : 0;
  const double step = std::log(TemperatureAt(at + 1) / TemperatureAt(at));
  return TemperatureAt(at) * std::exp(offset * step);
}

absl::StatusOr<Predictions> WithTemperature(const Predictions& predictions, double temperature) {
  HILUM_RETURN_IF_ERROR(CheckPredictions(predictions));
  if (!(temperature > 0 && std::isfinite(temperature))) {
    return absl::InvalidArgumentError(
        absl::StrCat("the temperature is ", temperature, ", it must be finite and above 0"));
  }
  Predictions scaled = predictions;
  std::vector<double> row;
  for (int64_t i = 0; i < predictions.n(); ++i) {
    ScaleRow(predictions, i, temperature, row);
    for (int k = 0; k < predictions.n_classes; ++k) {
      scaled.probabilities[i * predictions.n_classes + k] = std::min(1.0, std::exp(row[k]));
    }
  }
  return scaled;
}

absl::StatusOr<Predictions> WithPriors(const Predictions& predictions,
                                       const std::vector<double>& from,
                                       const std::vector<double>& to) {
  HILUM_RETURN_IF_ERROR(CheckPredictions(predictions));
  HILUM_RETURN_IF_ERROR(CheckPriors("in training", from, predictions.n_classes));
  HILUM_RETURN_IF_ERROR(CheckPriors("at the site", to, predictions.n_classes));
  Predictions moved = predictions;
  for (int64_t i = 0; i < predictions.n(); ++i) {
    double* const row = moved.probabilities.data() + i * predictions.n_classes;
    double sum = 0;
    for (int k = 0; k < predictions.n_classes; ++k) sum += row[k] *= to[k] / from[k];
    for (int k = 0; k < predictions.n_classes && sum > 0; ++k) row[k] = std::min(1.0, row[k] / sum);
  }
  return moved;
}

absl::StatusOr<std::vector<ReliabilityBin>> Reliability(const Predictions& predictions, int k,
                                                        int n_bins) {
  HILUM_RETURN_IF_ERROR(CheckClass(predictions, k));
  if (n_bins < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("a reliability plot of ", n_bins, " bins, at least 1 is needed"));
  }
  const int64_t n = predictions.n();
  if (n < kMinCasesToShare) {
    return absl::FailedPreconditionError(absl::StrCat(
        "a reliability plot of ", n, " cases, at least ", kMinCasesToShare, " are needed"));
  }
  std::vector<std::pair<double, bool>> cases;
  for (int64_t i = 0; i < n; ++i) {
    cases.emplace_back(predictions.probability(i, k), predictions.labels[i] == k);
  }
  std::ranges::stable_sort(cases, {}, &std::pair<double, bool>::first);
  const int64_t bins = std::min<int64_t>(n_bins, n / kMinCasesToShare);
  std::vector<ReliabilityBin> plot;
  for (int64_t bin = 0; bin < bins; ++bin) {
    const int64_t begin = n * bin / bins, end = n * (bin + 1) / bins;
    double sum = 0;
    int64_t of_k = 0;
    for (int64_t i = begin; i < end; ++i) {
      sum += cases[i].first;
      of_k += cases[i].second;
    }
    HILUM_ASSIGN_OR_RETURN(Estimate observed, WilsonEstimate(of_k, end - begin));
    plot.push_back({sum / static_cast<double>(end - begin), std::move(observed)});
  }
  return plot;
}

absl::StatusOr<CalibrationLine> FitCalibrationLine(const Predictions& predictions, int k) {
  HILUM_RETURN_IF_ERROR(CheckClass(predictions, k));
  const std::vector<LogitCase> cases = LogitsOf(predictions, k);
  const int64_t n_k = std::ranges::count_if(cases, &LogitCase::is_k);
  if (n_k == 0 || n_k == predictions.n()) {
    return absl::FailedPreconditionError(absl::StrCat("the calibration line is not defined: class ",
                                                      k, " has ", n_k, " cases, the rest ",
                                                      predictions.n() - n_k, "; both need one"));
  }
  if (Separated(cases)) return NoLine();
  HILUM_ASSIGN_OR_RETURN(const Line both, FitLine(cases, /*with_slope=*/true));
  HILUM_ASSIGN_OR_RETURN(const Line level, FitLine(cases, /*with_slope=*/false));
  return CalibrationLine{Wald(both.b, both.variance_b, predictions.n()),
                         Wald(level.a, level.variance_a, predictions.n())};
}

}  // namespace hilum::evaluation

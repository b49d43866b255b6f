#include "evaluation/metrics.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hilum::evaluation {
namespace {

constexpr double kSmallestProbability = 1e-15;

absl::Status Undefined(absl::string_view metric, absl::string_view reason) {
  return absl::FailedPreconditionError(absl::StrCat(metric, " is not defined: ", reason));
}

absl::StatusOr<double> Share(absl::string_view metric, int k, int64_t part, int64_t whole) {
  if (whole == 0) {
    return Undefined(metric, absl::StrCat("no case decides it for class ", k));
  }
  return static_cast<double>(part) / static_cast<double>(whole);
}

int64_t n_predicted(const Confusion& confusion, int k) {
  int64_t n = 0;
  for (int truth = 0; truth < confusion.n_classes; ++truth) n += confusion.at(truth, k);
  return n;
}

// Cases sorted by confidence and cut into bins of equal mass.
double CalibrationError(std::vector<std::pair<double, bool>> confidence_and_hit, int n_bins) {
  std::ranges::stable_sort(confidence_and_hit, {}, &std::pair<double, bool>::first);
  const size_t n = confidence_and_hit.size();
  double error = 0;
  for (int bin = 0; bin < n_bins; ++bin) {
    const size_t begin = n * bin / n_bins, end = n * (bin + 1) / n_bins;
    double confidence = 0, hits = 0;
    for (size_t i = begin; i < end; ++i) {
      confidence += confidence_and_hit[i].first;
      hits += confidence_and_hit[i].second;
    }
    error += std::abs(hits - confidence);  // of the bin, times its size
  }
  return error / static_cast<double>(n);
}

absl::StatusOr<double> MeanOverCases(absl::string_view metric, const Predictions& predictions,
                                     const std::function<double(int64_t)>& term) {
  if (predictions.n() == 0) return Undefined(metric, "there are no cases");
  double sum = 0;
  for (int64_t i = 0; i < predictions.n(); ++i) sum += term(i);
  return sum / static_cast<double>(predictions.n());
}

}  // namespace

absl::Status CheckPredictions(const Predictions& p) {
  if (p.n_classes < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("predictions of ", p.n_classes, " classes, at least 2 are needed"));
  }
  const size_t n = p.labels.size();
  if (p.probabilities.size() != n * p.n_classes ||
      (!p.patients.empty() && p.patients.size() != n) ||
      (!p.sites.empty() && p.sites.size() != n)) {
    return absl::InvalidArgumentError(absl::StrCat(
        n, " labels come with ", p.probabilities.size(), " probabilities, ", p.patients.size(),
        " patients and ", p.sites.size(), " sites, the lengths must fit"));
  }
  for (size_t i = 0; i < n; ++i) {
    if (p.labels[i] < 0 || p.labels[i] >= p.n_classes) {
      return absl::InvalidArgumentError(absl::StrCat("case ", i, " has the label ", p.labels[i],
                                                     ", there are ", p.n_classes, " classes"));
    }
  }
  for (size_t i = 0; i < p.probabilities.size(); ++i) {
    if (!(p.probabilities[i] >= 0 && p.probabilities[i] <= 1)) {
      return absl::InvalidArgumentError(absl::StrCat("case ", i / p.n_classes,
                                                     " has the probability ", p.probabilities[i],
                                                     ", it must be 0 to 1"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Predictions> OfSite(const Predictions& predictions, const std::string& site) {
  Predictions part{predictions.n_classes, {}, {}, {}, {}};
  for (size_t i = 0; i < predictions.sites.size(); ++i) {
    if (predictions.sites[i] != site) continue;
    part.labels.push_back(predictions.labels[i]);
    const auto row = predictions.probabilities.begin() + i * predictions.n_classes;
    part.probabilities.insert(part.probabilities.end(), row, row + predictions.n_classes);
    if (!predictions.patients.empty()) part.patients.push_back(predictions.patients[i]);
    part.sites.push_back(site);
  }
  if (part.labels.empty()) {
    return absl::NotFoundError(absl::StrCat("no case is of the site ", site));
  }
  return part;
}

int Predicted(const Predictions& predictions, int64_t i) {
  int best = 0;
  for (int k = 1; k < predictions.n_classes; ++k) {
    if (predictions.probability(i, k) > predictions.probability(i, best)) best = k;
  }
  return best;
}

int64_t Confusion::n() const { return std::accumulate(counts.begin(), counts.end(), int64_t{0}); }

int64_t Confusion::n_of(int truth) const {
  const auto row = counts.begin() + truth * n_classes;
  return std::accumulate(row, row + n_classes, int64_t{0});
}

Confusion Confuse(const Predictions& predictions) {
  const int k = predictions.n_classes;
  Confusion confusion{k, std::vector<int64_t>(size_t{1} * k * k, 0)};
  for (int64_t i = 0; i < predictions.n(); ++i) {
    ++confusion.counts[predictions.labels[i] * k + Predicted(predictions, i)];
  }
  return confusion;
}

absl::StatusOr<double> Accuracy(const Confusion& confusion) {
  int64_t hits = 0;
  for (int k = 0; k < confusion.n_classes; ++k) hits += confusion.at(k, k);
  if (confusion.n() == 0) return Undefined("accuracy", "there are no cases");
  return static_cast<double>(hits) / static_cast<double>(confusion.n());
}

absl::StatusOr<double> BalancedAccuracy(const Confusion& confusion) {
  double sum = 0;
  int n_present = 0;
  for (int k = 0; k < confusion.n_classes; ++k) {
    if (confusion.n_of(k) == 0) continue;
    sum += static_cast<double>(confusion.at(k, k)) / static_cast<double>(confusion.n_of(k));
    ++n_present;
  }
  if (n_present < 2) {
    return Undefined("balanced accuracy",
                     absl::StrCat(n_present, " classes have cases, at least 2 are needed"));
  }
  return sum / n_present;
}

absl::StatusOr<double> Sensitivity(const Confusion& confusion, int k) {
  return Share("sensitivity", k, confusion.at(k, k), confusion.n_of(k));
}

absl::StatusOr<double> Specificity(const Confusion& confusion, int k) {
  const int64_t n_rest = confusion.n() - confusion.n_of(k);
  const int64_t false_positives = n_predicted(confusion, k) - confusion.at(k, k);
  return Share("specificity", k, n_rest - false_positives, n_rest);
}

absl::StatusOr<double> PositivePredictiveValue(const Confusion& confusion, int k) {
  return Share("positive predictive value", k, confusion.at(k, k), n_predicted(confusion, k));
}

absl::StatusOr<double> Auroc(const Predictions& predictions, int k) {
  std::vector<std::pair<double, bool>> scored;  // probability of k, is k
  for (int64_t i = 0; i < predictions.n(); ++i) {
    scored.emplace_back(predictions.probability(i, k), predictions.labels[i] == k);
  }
  std::ranges::sort(scored);
  double wins = 0, n_rest = 0, n_positive = 0;
  for (size_t begin = 0; begin < scored.size();) {
    size_t end = begin;
    double positive = 0, rest = 0;
    for (; end < scored.size() && scored[end].first == scored[begin].first; ++end) {
      (scored[end].second ? positive : rest) += 1;
    }
    wins += positive * (n_rest + rest / 2);
    n_positive += positive;
    n_rest += rest;
    begin = end;
  }
  if (n_positive == 0 || n_rest == 0) {
    return Undefined("AUROC", absl::StrCat("class ", k, " has ", n_positive, " cases, the rest ",
                                           n_rest, "; both need one"));
  }
  return wins / (n_positive * n_rest);
}

absl::StatusOr<double> BrierScore(const Predictions& predictions) {
  return MeanOverCases("the Brier score", predictions, [&](int64_t i) {
    double sum = 0;
    for (int k = 0; k < predictions.n_classes; ++k) {
      const double error = predictions.probability(i, k) - (predictions.labels[i] == k ? 1 : 0);
      sum += error * error;
    }
    return sum;
  });
}

absl::StatusOr<double> LogLoss(const Predictions& predictions) {
  return MeanOverCases("log loss", predictions, [&](int64_t i) {
    return -std::log(
        std::max(kSmallestProbability, predictions.probability(i, predictions.labels[i])));
  });
}

absl::StatusOr<double> ExpectedCalibrationError(const Predictions& predictions, int n_bins) {
  if (predictions.n() == 0 || n_bins < 1) return Undefined("ECE", "it needs a case and a bin");
  std::vector<std::pair<double, bool>> cases;
  for (int64_t i = 0; i < predictions.n(); ++i) {
    const int k = Predicted(predictions, i);
    cases.emplace_back(predictions.probability(i, k), predictions.labels[i] == k);
  }
  return CalibrationError(std::move(cases), n_bins);
}

absl::StatusOr<double> ClassCalibrationError(const Predictions& predictions, int k, int n_bins) {
  if (predictions.n() == 0 || n_bins < 1) return Undefined("ECE", "it needs a case and a bin");
  std::vector<std::pair<double, bool>> cases;
  for (int64_t i = 0; i < predictions.n(); ++i) {
    cases.emplace_back(predictions.probability(i, k), predictions.labels[i] == k);
  }
  return CalibrationError(std::move(cases), n_bins);
}

}  // namespace hilum::evaluation

#include "evaluation/intervals.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/seeded_random.h"
#include "base/status_macros.h"

namespace hilum::evaluation {
namespace {

constexpr double kZ95 = 1.959963984540054;  // 97.5 % quantile of the normal distribution
constexpr int kMinResamples = 100;

// Cases of each patient, in the order of their first case.
std::vector<std::vector<int64_t>> CasesByPatient(const Predictions& predictions) {
  std::vector<std::vector<int64_t>> groups;
  std::map<std::string, size_t> known;
  for (int64_t i = 0; i < predictions.n(); ++i) {
    if (predictions.patients.empty() || predictions.patients[i].empty()) {
      groups.push_back({i});
      continue;
    }
    const auto [at, is_new] = known.emplace(predictions.patients[i], groups.size());
    if (is_new) groups.emplace_back();
    groups[at->second].push_back(i);
  }
  return groups;
}

std::vector<int64_t> Resample(const std::vector<std::vector<int64_t>>& groups,
                              SeededRandom& random) {
  std::vector<int64_t> cases;
  for (size_t i = 0; i < groups.size(); ++i) {
    const std::vector<int64_t>& group = groups[random.Below(groups.size())];
    cases.insert(cases.end(), group.begin(), group.end());
  }
  return cases;
}

// Labels and probabilities only: all that a metric reads.
Predictions Take(const Predictions& from, const std::vector<int64_t>& cases) {
  Predictions taken{from.n_classes, {}, {}, {}, {}};
  taken.labels.reserve(cases.size());
  taken.probabilities.reserve(cases.size() * from.n_classes);
  for (int64_t i : cases) {
    taken.labels.push_back(from.labels[i]);
    for (int k = 0; k < from.n_classes; ++k) taken.probabilities.push_back(from.probability(i, k));
  }
  return taken;
}

// The quantile of sorted values, between neighbours by straight line (as numpy.percentile).
double Quantile(const std::vector<double>& sorted, double part) {
  const double at = part * static_cast<double>(sorted.size() - 1);
  const size_t low = static_cast<size_t>(at);
  const size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (at - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

// The percentile interval of `statistic` over resamples of `groups`.
absl::StatusOr<Interval> PercentileInterval(
    const std::vector<std::vector<int64_t>>& groups, const BootstrapOptions& options,
    const std::function<absl::StatusOr<double>(const std::vector<int64_t>&)>& statistic) {
  SeededRandom random(options.seed);
  std::vector<double> values;
  int n_undefined = 0;
  while (static_cast<int>(values.size()) < options.n_resamples) {
    const absl::StatusOr<double> value = statistic(Resample(groups, random));
    if (value.ok()) {
      values.push_back(*value);
    } else if (++n_undefined > options.n_resamples) {
      return absl::FailedPreconditionError(
          absl::StrCat("the metric is not defined on most resamples of ", groups.size(),
                       " patients: ", std::string(value.status().message())));
    }
  }
  std::ranges::sort(values);
  return Interval{Quantile(values, 0.025), Quantile(values, 0.975)};
}

absl::Status CheckResamples(const BootstrapOptions& options) {
  if (options.n_resamples >= kMinResamples) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(options.n_resamples, " resamples, at least ", kMinResamples, " are needed"));
}

// Ranks from 1; equal values share the mean of their ranks.
std::vector<double> MidRanks(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::sort(order, {}, [&](size_t i) { return values[i]; });
  std::vector<double> ranks(values.size());
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double rank = (static_cast<double>(begin) + static_cast<double>(end) + 1) / 2;
    for (size_t i = begin; i < end; ++i) ranks[order[i]] = rank;
    begin = end;
  }
  return ranks;
}

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double Variance(const std::vector<double>& values) {
  const double mean = Mean(values);
  double sum = 0;
  for (double value : values) sum += (value - mean) * (value - mean);
  return sum / static_cast<double>(values.size() - 1);
}

// How often each case of k beats the rest, and how often each of the rest is beaten: the means of
// both are the AUROC. In the order of the cases.
struct Placements {
  std::vector<double> beats, beaten;
};

absl::StatusOr<Placements> PlacementsOf(const Predictions& predictions, int k) {
  HILUM_RETURN_IF_ERROR(CheckPredictions(predictions));
  if (k < 0 || k >= predictions.n_classes) {
    return absl::InvalidArgumentError(
        absl::StrCat("class ", k, " is asked for, there are ", predictions.n_classes));
  }
  std::vector<double> positive, rest, all;
  for (int64_t i = 0; i < predictions.n(); ++i) {
    (predictions.labels[i] == k ? positive : rest).push_back(predictions.probability(i, k));
  }
  if (positive.size() < 2 || rest.size() < 2) {
    return absl::FailedPreconditionError(absl::StrCat("class ", k, " has ", positive.size(),
                                                      " cases and the rest ", rest.size(),
                                                      ", DeLong's interval needs two of each"));
  }
  all = positive;
  all.insert(all.end(), rest.begin(), rest.end());
  const std::vector<double> rank_all = MidRanks(all), rank_positive = MidRanks(positive),
                            rank_rest = MidRanks(rest);
  const double m = static_cast<double>(positive.size()), n = static_cast<double>(rest.size());
  Placements placements{std::vector<double>(positive.size()), std::vector<double>(rest.size())};
  for (size_t i = 0; i < positive.size(); ++i) {
    placements.beats[i] = (rank_all[i] - rank_positive[i]) / n;
  }
  for (size_t i = 0; i < rest.size(); ++i) {
    placements.beaten[i] = 1 - (rank_all[positive.size() + i] - rank_rest[i]) / m;
  }
  return placements;
}

double VarianceOfMeans(const Placements& p) {
  return Variance(p.beats) / static_cast<double>(p.beats.size()) +
         Variance(p.beaten) / static_cast<double>(p.beaten.size());
}

bool OneCaseAPatient(const Predictions& predictions) {
  std::set<std::string> seen;
  return std::ranges::all_of(predictions.patients, [&](const std::string& patient) {
    return patient.empty() || seen.insert(patient).second;
  });
}

absl::StatusOr<double> MeanAuroc(const Predictions& p) {
  double sum = 0;
  for (int k = 0; k < p.n_classes; ++k) {
    HILUM_ASSIGN_OR_RETURN(const double auroc, Auroc(p, k));
    sum += auroc;
  }
  return sum / p.n_classes;
}

// Wilson's interval for a share p of so many cases, which need not be whole.
Interval WilsonInterval(double p, double cases) {
  const double z2 = kZ95 * kZ95, scale = 1 + z2 / cases;
  const double centre = (p + z2 / (2 * cases)) / scale;
  const double half = kZ95 / scale * std::sqrt(p * (1 - p) / cases + z2 / (4 * cases * cases));
  // Rounding must not put an end beyond a share of 0 or 1.
  return {p == 0 ? 0.0 : std::max(0.0, centre - half), p == 1 ? 1.0 : std::min(1.0, centre + half)};
}

// The cases of one patient that decide a share.
struct PatientShare {
  double hits = 0, n = 0;
};

// As many independent cases as these patients are worth: n over the design effect of their share p.
double EffectiveCases(const std::vector<PatientShare>& patients, double p, double n) {
  const double n_patients = static_cast<double>(patients.size());
  if (p == 0 || p == 1 || patients.size() < 2) return n_patients;  // it shows no spread
  double squares = 0;
  for (const PatientShare& one : patients) squares += std::pow(one.hits - p * one.n, 2);
  const double variance = n_patients / (n_patients - 1) * squares / (n * n);
  const double design_effect = variance / (p * (1 - p) / n);
  return n / std::max(1.0, design_effect);
}

absl::Status CheckPair(const Predictions& a, const Predictions& b) {
  if (a.n_classes == b.n_classes && a.labels == b.labels && a.patients == b.patients) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("two models on ", a.n(), " and ", b.n(),
                   " cases cannot be paired: labels and patients must be the same"));
}

}  // namespace

bool IsComplete(const Estimate& estimate) {
  return estimate.n > 0 && estimate.ci95.low <= estimate.value &&
         estimate.value <= estimate.ci95.high && !estimate.method.empty();
}

absl::StatusOr<Estimate> WilsonEstimate(int64_t k, int64_t n) {
  if (n < 1 || k < 0 || k > n) {
    return absl::InvalidArgumentError(absl::StrCat(k, " of ", n, " is no share"));
  }
  const double cases = static_cast<double>(n), p = static_cast<double>(k) / cases;
  return Estimate{p, WilsonInterval(p, cases), n, "wilson"};
}

absl::StatusOr<Estimate> ShareByPatient(const Predictions& predictions, const Outcome& outcome) {
  HILUM_RETURN_IF_ERROR(CheckPredictions(predictions));
  std::vector<PatientShare> patients;
  int64_t hits = 0, n = 0;
  for (const std::vector<int64_t>& cases : CasesByPatient(predictions)) {
    PatientShare one;
    for (int64_t i : cases) {
      const std::optional<bool> hit = outcome(i);
      if (!hit.has_value()) continue;
      one.n += 1;
      one.hits += *hit ? 1 : 0;
      hits += *hit ? 1 : 0;
      ++n;
    }
    if (one.n > 0) patients.push_back(one);
  }
  if (n == 0) return Estimate{};
  if (static_cast<int64_t>(patients.size()) == n) return WilsonEstimate(hits, n);
  const double cases = static_cast<double>(n), p = static_cast<double>(hits) / cases;
  return Estimate{p, WilsonInterval(p, EffectiveCases(patients, p, cases)), n, "wilson by patient"};
}

absl::StatusOr<Estimate> BootstrapByPatient(const Predictions& predictions, const Metric& metric,
                                            const BootstrapOptions& options) {
  HILUM_RETURN_IF_ERROR(CheckPredictions(predictions));
  HILUM_RETURN_IF_ERROR(CheckResamples(options));
  HILUM_ASSIGN_OR_RETURN(const double value, metric(predictions));
  HILUM_ASSIGN_OR_RETURN(
      const Interval interval,
      PercentileInterval(CasesByPatient(predictions), options,
                         [&](const auto& cases) { return metric(Take(predictions, cases)); }));
  // The noise of resampling adds to an absolute error, so that all of an ECE may lie above it.
  return Estimate{value,
                  {std::min(value, interval.low), std::max(value, interval.high)},
                  predictions.n(),
                  "bootstrap by patient"};
}

absl::StatusOr<Estimate> PairedBootstrapDifference(const Predictions& a, const Predictions& b,
                                                   const Metric& metric,
                                                   const BootstrapOptions& options) {
  HILUM_RETURN_IF_ERROR(CheckPredictions(a));
  HILUM_RETURN_IF_ERROR(CheckPredictions(b));
  HILUM_RETURN_IF_ERROR(CheckResamples(options));
  HILUM_RETURN_IF_ERROR(CheckPair(a, b));
  const auto difference = [&](const Predictions& x,
                              const Predictions& y) -> absl::StatusOr<double> {
    HILUM_ASSIGN_OR_RETURN(const double of_x, metric(x));
    HILUM_ASSIGN_OR_RETURN(const double of_y, metric(y));
    return of_x - of_y;
  };
  HILUM_ASSIGN_OR_RETURN(const double value, difference(a, b));
  HILUM_ASSIGN_OR_RETURN(const Interval interval,
                         PercentileInterval(CasesByPatient(a), options, [&](const auto& cases) {
                           return difference(Take(a, cases), Take(b, cases));
                         }));
  return Estimate{value, interval, a.n(), "paired bootstrap"};
}

absl::StatusOr<Estimate> DelongAuroc(const Predictions& predictions, int k) {
  HILUM_ASSIGN_OR_RETURN(const Placements placements, PlacementsOf(predictions, k));
  const double auroc = Mean(placements.beats);
  const double half = kZ95 * std::sqrt(VarianceOfMeans(placements));
  const Interval interval{std::max(0.0, auroc - half), std::min(1.0, auroc + half)};
  return Estimate{auroc, interval, predictions.n(), "delong"};
}

absl::StatusOr<Estimate> DelongDifference(const Predictions& a, const Predictions& b, int k) {
  HILUM_ASSIGN_OR_RETURN(Placements joint, PlacementsOf(a, k));
  HILUM_ASSIGN_OR_RETURN(const Placements of_b, PlacementsOf(b, k));
  HILUM_RETURN_IF_ERROR(CheckPair(a, b));
  // The variance of a difference, covariance included, is that of the cases' differences.
  for (size_t i = 0; i < joint.beats.size(); ++i) joint.beats[i] -= of_b.beats[i];
  for (size_t i = 0; i < joint.beaten.size(); ++i) joint.beaten[i] -= of_b.beaten[i];
  const double difference = Mean(joint.beats);
  const double half = kZ95 * std::sqrt(VarianceOfMeans(joint));
  const Interval interval{std::max(-1.0, difference - half), std::min(1.0, difference + half)};
  return Estimate{difference, interval, a.n(), "paired delong"};
}

absl::StatusOr<Estimate> AurocOf(const Predictions& predictions, int k,
                                 const BootstrapOptions& options) {
  if (OneCaseAPatient(predictions)) return DelongAuroc(predictions, k);
  return BootstrapByPatient(
      predictions, [k](const Predictions& p) { return Auroc(p, k); }, options);
}

absl::StatusOr<Estimate> AurocDifference(const Predictions& a, const Predictions& b, int k,
                                         const BootstrapOptions& options) {
  if (OneCaseAPatient(a)) return DelongDifference(a, b, k);
  return PairedBootstrapDifference(
      a, b, [k](const Predictions& p) { return Auroc(p, k); }, options);
}

absl::StatusOr<Estimate> MeanAurocOf(const Predictions& predictions,
                                     const BootstrapOptions& options) {
  if (predictions.n_classes == 2) return AurocOf(predictions, 1, options);
  return BootstrapByPatient(predictions, MeanAuroc, options);
}

absl::StatusOr<Estimate> MeanAurocDifference(const Predictions& a, const Predictions& b,
                                             const BootstrapOptions& options) {
  if (a.n_classes == 2) return AurocDifference(a, b, 1, options);
  return PairedBootstrapDifference(a, b, MeanAuroc, options);
}

}  // namespace hilum::evaluation

#include "evaluation/operating_point.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hilum::evaluation {
namespace {

constexpr double kZ95 = 1.959963984540054;  // 97.5 % quantile of the normal distribution

absl::Status CheckClass(const Predictions& predictions, int k) {
  HILUM_RETURN_IF_ERROR(CheckPredictions(predictions));
  if (k >= 0 && k < predictions.n_classes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("class ", k, " is asked for, there are ", predictions.n_classes));
}

// Of the cases for which `counts` holds, how many are called rightly.
absl::StatusOr<Estimate> ShareRight(const Predictions& cases, const OperatingPoint& point,
                                    const std::function<bool(bool is_k, bool called_k)>& counts) {
  return ShareByPatient(cases, [&](int64_t i) -> std::optional<bool> {
    const bool is_k = cases.labels[i] == point.k;
    const bool called_k = cases.probability(i, point.k) >= point.threshold;
    if (!counts(is_k, called_k)) return std::nullopt;
    return is_k == called_k;
  });
}

// A rate as the adjusted logit takes it: z^2 / 2 successes and failures are added.
struct AdjustedRate {
  double value;
  double n;
};
AdjustedRate Adjust(const Estimate& rate) {
  const double n = static_cast<double>(rate.n), z2 = kZ95 * kZ95;
  return {(rate.value * n + z2 / 2) / (n + z2), n + z2};
}

// hits / (hits + misses) where both are masses of the population.
absl::StatusOr<double> Bayes(double hits, double misses, absl::string_view called) {
  if (hits + misses > 0) return hits / (hits + misses);
  return absl::FailedPreconditionError(
      absl::StrCat("no case is ", called, ", so nothing follows from it"));
}

// The interval of exp(logit) / (1 + exp(logit)), widened where needed to hold `value`.
Estimate FromLogit(double value, double logit, double variance, int64_t n) {
  const double half = kZ95 * std::sqrt(variance);
  const auto share = [](double x) { return 1 / (1 + std::exp(-x)); };
  return {value,
          {std::min(value, share(logit - half)), std::max(value, share(logit + half))},
          n,
          "adjusted logit"};
}

}  // namespace

absl::StatusOr<OperatingPoint> PointOfSensitivity(const Predictions& validation, int k,
                                                  double sensitivity) {
  HILUM_RETURN_IF_ERROR(CheckClass(validation, k));
  if (!(sensitivity > 0 && sensitivity <= 1)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a sensitivity of ", sensitivity, " is asked for, it must be above 0 and at most 1"));
  }
  std::vector<double> of_k;
  for (int64_t i = 0; i < validation.n(); ++i) {
    if (validation.labels[i] == k) of_k.push_back(validation.probability(i, k));
  }
  if (of_k.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "no validation case is of class ", k, ", so no threshold follows from a sensitivity"));
  }
  std::ranges::sort(of_k, std::greater<>());
  const double wanted = sensitivity * static_cast<double>(of_k.size());
  // Rounding must not ask for one case more than the product says.
  const auto needed = static_cast<size_t>(std::ceil(wanted - 1e-9));
  return OperatingPoint{k, of_k[std::clamp<size_t>(needed, 1, of_k.size()) - 1]};
}

absl::StatusOr<AtPoint> JudgeAt(const Predictions& cases, const OperatingPoint& point) {
  HILUM_RETURN_IF_ERROR(CheckClass(cases, point.k));
  if (!(point.threshold >= 0 && point.threshold <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the threshold is ", point.threshold, ", it must be 0 to 1"));
  }
  const int64_t of_k = std::ranges::count(cases.labels, point.k), rest = cases.n() - of_k;
  if (of_k == 0 || rest == 0) {
    return absl::FailedPreconditionError(absl::StrCat("class ", point.k, " has ", of_k,
                                                      " cases, the rest ", rest,
                                                      "; an operating point needs both"));
  }
  AtPoint at;
  HILUM_ASSIGN_OR_RETURN(at.sensitivity,
                         ShareRight(cases, point, [](bool is_k, bool) { return is_k; }));
  HILUM_ASSIGN_OR_RETURN(at.specificity,
                         ShareRight(cases, point, [](bool is_k, bool) { return !is_k; }));
  HILUM_ASSIGN_OR_RETURN(at.positive_predictive_value,
                         ShareRight(cases, point, [](bool, bool called_k) { return called_k; }));
  HILUM_ASSIGN_OR_RETURN(at.negative_predictive_value,
                         ShareRight(cases, point, [](bool, bool called_k) { return !called_k; }));
  at.prevalence = static_cast<double>(of_k) / static_cast<double>(of_k + rest);
  return at;
}

absl::StatusOr<std::vector<JudgedPoint>> JudgeBySite(const Predictions& cases,
                                                     std::span<const OperatingPoint> points) {
  std::vector<JudgedPoint> rows;
  for (const OperatingPoint& point : points) {
    HILUM_ASSIGN_OR_RETURN(AtPoint at, JudgeAt(cases, point));
    rows.push_back({"all", point, std::move(at)});
  }
  const std::set<std::string> sites(cases.sites.begin(), cases.sites.end());
  for (const std::string& site : sites) {
    if (site.empty()) continue;
    HILUM_ASSIGN_OR_RETURN(const Predictions part, OfSite(cases, site));
    if (part.n() < kMinSubgroup) continue;
    for (const OperatingPoint& point : points) {
      absl::StatusOr<AtPoint> at = JudgeAt(part, point);
      if (absl::IsFailedPrecondition(at.status())) continue;  // no case of k there, or of the rest
      HILUM_RETURN_IF_ERROR(at);
      rows.push_back({site, point, *std::move(at)});
    }
  }
  return rows;
}

absl::StatusOr<PredictiveValues> AtPrevalence(const AtPoint& at, double prevalence) {
  if (!(prevalence > 0 && prevalence < 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the prevalence is ", prevalence, ", it must be above 0 and below 1"));
  }
  if (at.sensitivity.n < 1 || at.specificity.n < 1) {
    return absl::InvalidArgumentError(absl::StrCat("sensitivity and specificity rest on ",
                                                   at.sensitivity.n, " and ", at.specificity.n,
                                                   " cases, each needs one"));
  }
  const double se = at.sensitivity.value, sp = at.specificity.value, rest = 1 - prevalence;
  const int64_t n = at.sensitivity.n + at.specificity.n;
  HILUM_ASSIGN_OR_RETURN(const double ppv, Bayes(se * prevalence, (1 - sp) * rest, "called so"));
  HILUM_ASSIGN_OR_RETURN(const double npv,
                         Bayes(sp * rest, (1 - se) * prevalence, "called otherwise"));
  const AdjustedRate a = Adjust(at.sensitivity), b = Adjust(at.specificity);
  const double odds = prevalence / rest;
  // logit PPV = log(se / (1 - sp)) + logit(prevalence); logit NPV = log(sp / (1 - se)) - the same.
  PredictiveValues values;
  values.positive = FromLogit(ppv, std::log(a.value / (1 - b.value) * odds),
                              (1 - a.value) / (a.value * a.n) + b.value / ((1 - b.value) * b.n), n);
  values.negative = FromLogit(npv, std::log(b.value / (1 - a.value) / odds),
                              a.value / ((1 - a.value) * a.n) + (1 - b.value) / (b.value * b.n), n);
  return values;
}

}  // namespace hilum::evaluation

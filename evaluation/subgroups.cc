#include "evaluation/subgroups.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hilum::evaluation {
namespace {

constexpr char kUnknown[] = "unknown";

struct Band {
  double below_years;
  const char* name;
};
constexpr Band kBands[] = {{18, "under 18"}, {40, "18 to 39"}, {60, "40 to 59"}, {80, "60 to 79"}};
constexpr char kOldest[] = "80 and older";

// One way to divide the cases: its groups in order, and the group of a case.
struct Division {
  const char* by;
  std::vector<std::string> groups;
  std::string (*group_of)(const CaseFacts& facts);
};

std::vector<Division> Divisions() {
  std::vector<std::string> bands;
  for (const Band& band : kBands) bands.push_back(band.name);
  bands.push_back(kOldest);
  bands.push_back(kUnknown);
  return {{"sex",
           {"female", "male", "other", kUnknown},
           [](const CaseFacts& facts) { return facts.sex; }},
          {"age", bands, [](const CaseFacts& facts) { return AgeBand(facts.age_years); }},
          {"view", {"PA", "AP", kUnknown}, [](const CaseFacts& facts) { return facts.view; }}};
}

Predictions Take(const Predictions& from, const std::vector<int64_t>& cases) {
  Predictions taken{from.n_classes, {}, {}, {}, {}};
  for (int64_t i : cases) {
    taken.labels.push_back(from.labels[i]);
    for (int k = 0; k < from.n_classes; ++k) taken.probabilities.push_back(from.probability(i, k));
    if (!from.patients.empty()) taken.patients.push_back(from.patients[i]);
  }
  return taken;
}

// The estimate, or none where too few cases decide it.
Estimate Enough(const Estimate& estimate) {
  return estimate.n >= kMinSubgroup ? estimate : Estimate{};
}

absl::Status AddOfClass(const Predictions& part, const OperatingPoint& point,
                        const BootstrapOptions& options, Subgroup& group) {
  const int64_t of_class = std::ranges::count(part.labels, point.k), rest = part.n() - of_class;
  Estimate auroc;
  if (part.n() >= kMinSubgroup && std::min(of_class, rest) >= kMinOfClassInSubgroup) {
    absl::StatusOr<Estimate> found = AurocOf(part, point.k, options);
    // Too few patients to resample: there is none.
    if (!found.ok() && !absl::IsFailedPrecondition(found.status())) return found.status();
    if (found.ok()) auroc = *std::move(found);
  }
  group.auroc.push_back(std::move(auroc));
  AtPoint at;
  if (of_class > 0 && rest > 0) {
    HILUM_ASSIGN_OR_RETURN(at, JudgeAt(part, point));
  }
  group.sensitivity.push_back(Enough(at.sensitivity));
  group.predictive_value.push_back(Enough(at.positive_predictive_value));
  return absl::OkStatus();
}

}  // namespace

std::string AgeBand(std::optional<double> age_years) {
  if (!age_years.has_value()) return "";
  for (const Band& band : kBands) {
    if (*age_years < band.below_years) return band.name;
  }
  return kOldest;
}

absl::StatusOr<std::vector<Subgroup>> EvaluateSubgroups(const Predictions& predictions,
                                                        std::span<const CaseFacts> facts,
                                                        std::span<const OperatingPoint> points,
                                                        const BootstrapOptions& options) {
  HILUM_RETURN_IF_ERROR(CheckPredictions(predictions));
  if (facts.size() != predictions.labels.size() ||
      points.size() != static_cast<size_t>(predictions.n_classes)) {
    return absl::InvalidArgumentError(
        absl::StrCat("subgroups of ", predictions.n(), " cases of ", predictions.n_classes,
                     " classes need the facts of each case and an operating point a class, there "
                     "are ",
                     facts.size(), " and ", points.size()));
  }
  std::vector<Subgroup> result;
  for (const Division& division : Divisions()) {
    for (const std::string& name : division.groups) {
      std::vector<int64_t> cases;
      for (int64_t i = 0; i < predictions.n(); ++i) {
        const std::string of_case = division.group_of(facts[i]);
        if ((of_case.empty() ? kUnknown : of_case) == name) cases.push_back(i);
      }
      if (cases.empty()) continue;
      const Predictions part = Take(predictions, cases);
      Subgroup group{.by = division.by, .group = name};
      if (part.n() >= kMinCountShown) group.n = part.n();
      for (const OperatingPoint& point : points) {
        HILUM_RETURN_IF_ERROR(AddOfClass(part, point, options, group));
      }
      result.push_back(std::move(group));
    }
  }
  return result;
}

}  // namespace hilum::evaluation

// Figures by sex, age band and view. A group with too few cases gets no figure.
#ifndef HILUM_EVALUATION_SUBGROUPS_H_
#define HILUM_EVALUATION_SUBGROUPS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "evaluation/intervals.h"
#include "evaluation/metrics.h"
#include "evaluation/operating_point.h"

namespace hilum::evaluation {

// What the header says of one case; an empty text: it does not say.
struct CaseFacts {
  std::string sex;   // "female", "male", "other"
  std::string view;  // "PA", "AP"
  std::optional<double> age_years;
};

// "under 18", "18 to 39", "40 to 59", "60 to 79", "80 and older"; empty without an age.
std::string AgeBand(std::optional<double> age_years);

// An AUROC of a subgroup needs as many cases of the class, and of the rest.
inline constexpr int64_t kMinOfClassInSubgroup = 10;
// The number of cases of a smaller group is not told: it could be one patient.
inline constexpr int64_t kMinCountShown = 10;

struct Subgroup {
  std::string by;     // "sex", "age" or "view"
  std::string group;  // "female", "40 to 59", "PA"; "unknown" where the header does not say
  int64_t n = 0;      // cases; 0: fewer than kMinCountShown
  // By class, at the class's operating point. Estimate{}, so "missing": the group is too small for
  // it, that is fewer than kMinSubgroup cases decide it, or kMinOfClassInSubgroup for an AUROC.
  std::vector<Estimate> auroc, sensitivity, predictive_value;
};

// The groups with cases, by sex, then age, then view, each in the order of the names above.
//   facts   [n], in the order of the cases
//   points  one a class, in the order of the classes
// InvalidArgument: other numbers of facts or points; as CheckPredictions.
absl::StatusOr<std::vector<Subgroup>> EvaluateSubgroups(const Predictions& predictions,
                                                        std::span<const CaseFacts> facts,
                                                        std::span<const OperatingPoint> points,
                                                        const BootstrapOptions& options = {});

}  // namespace hilum::evaluation

#endif  // HILUM_EVALUATION_SUBGROUPS_H_

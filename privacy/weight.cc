#include "privacy/weight.h"

#include "absl/strings/str_cat.h"

namespace hilum::privacy {

absl::StatusOr<WeightedDelta> Weight(ClippedDelta delta, const WeightOptions& options) {
  if (options.weight < 1 || options.weight > options.max_weight) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the weight ", options.weight, " is not in the round's 1 to ", options.max_weight));
  }
  return WeightedDelta(std::move(delta), options);
}

}  // namespace hilum::privacy

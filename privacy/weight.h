// Gives a site's delta its share of the mean: w / W.
#ifndef HILUM_PRIVACY_WEIGHT_H_
#define HILUM_PRIVACY_WEIGHT_H_

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "privacy/clip.h"

namespace hilum::privacy {

class QuantizedDelta;

struct WeightOptions {
  uint32_t weight = 0;      // w: the site's number of training films, 1..max_weight
  uint32_t max_weight = 0;  // W of the round's configuration
};

// A clipped delta with its weight. The product is formed in double while quantizing, so weighting
// adds no rounding of its own and no pass over memory. Only Weight makes one. Movable only.
class WeightedDelta {
 public:
  WeightedDelta(WeightedDelta&&) = default;
  WeightedDelta& operator=(WeightedDelta&&) = default;

  int64_t n_params() const { return static_cast<int64_t>(values_.size()); }
  uint32_t weight() const { return options_.weight; }
  uint32_t max_weight() const { return options_.max_weight; }

 private:
  friend absl::StatusOr<WeightedDelta> Weight(ClippedDelta delta, const WeightOptions& options);
  friend class QuantizedDelta;
  WeightedDelta(ClippedDelta delta, const WeightOptions& options)
      : values_(std::move(delta.values_)), options_(options) {}

  std::vector<float> values_;
  WeightOptions options_;
};

// InvalidArgument: the weight is 0 or above max_weight.
absl::StatusOr<WeightedDelta> Weight(ClippedDelta delta, const WeightOptions& options);

}  // namespace hilum::privacy

#endif  // HILUM_PRIVACY_WEIGHT_H_

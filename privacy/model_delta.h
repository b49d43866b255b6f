// What a site's training changed: the start of the straight line (docs/architecture.md, section 5).
#ifndef HILUM_PRIVACY_MODEL_DELTA_H_
#define HILUM_PRIVACY_MODEL_DELTA_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace hilum::privacy {
class ModelDelta;
class ClippedDelta;
struct ModelDeltaTestPeer;  // defined in tests only
}  // namespace hilum::privacy

// The only maker of a ModelDelta. client/ is not included here, only named.
namespace hilum::client {
class LocalWeights;
class VerifiedModel;
absl::StatusOr<privacy::ModelDelta> Difference(const LocalWeights& local,
                                               const VerifiedModel& global);
}  // namespace hilum::client

namespace hilum::privacy {

// Local weights minus the round's global weights, [n_params] float32 in the ModelSpec's order.
// Nothing can read it but ClipToNorm: a raw delta has no wire form. Movable only.
class ModelDelta {
 public:
  ModelDelta(ModelDelta&&) = default;
  ModelDelta& operator=(ModelDelta&&) = default;

  int64_t n_params() const { return static_cast<int64_t>(values_.size()); }

 private:
  friend absl::StatusOr<ModelDelta> client::Difference(const client::LocalWeights&,
                                                       const client::VerifiedModel&);
  friend class ClippedDelta;
  friend struct ModelDeltaTestPeer;
  explicit ModelDelta(std::vector<float> values) : values_(std::move(values)) {}

  std::vector<float> values_;
};

}  // namespace hilum::privacy

#endif  // HILUM_PRIVACY_MODEL_DELTA_H_

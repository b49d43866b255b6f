// Bounds what one site can contribute to a round.
#ifndef HILUM_PRIVACY_CLIP_H_
#define HILUM_PRIVACY_CLIP_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "privacy/model_delta.h"

namespace hilum::privacy {

class WeightedDelta;
struct ClippedDeltaTestPeer;  // defined in tests only

// A finite delta whose L2 norm is at most the round's C. Only ClipToNorm makes one. Movable only.
class ClippedDelta {
 public:
  ClippedDelta(ClippedDelta&&) = default;
  ClippedDelta& operator=(ClippedDelta&&) = default;

  int64_t n_params() const { return static_cast<int64_t>(values_.size()); }
  // The L2 norm before clipping. It stays at the site: logs and the site's own page.
  double unclipped_norm_l2() const { return unclipped_norm_l2_; }
  bool was_clipped() const { return was_clipped_; }

 private:
  friend absl::StatusOr<ClippedDelta> ClipToNorm(ModelDelta delta, double max_norm_l2,
                                                 kernels::Device device);
  friend class WeightedDelta;
  friend struct ClippedDeltaTestPeer;
  struct ClippedDeltaTestPeer;  // defined in tests only
  explicit ClippedDelta(ModelDelta delta) : values_(std::move(delta.values_)) {}

  std::vector<float> values_;
  double unclipped_norm_l2_ = 0.0;
  bool was_clipped_ = false;
};

// Scales `delta` down to `max_norm_l2` when it is longer. The bound is strict: the factor allows
// for the rounding errors of the norm and of the scaling (2^-18 of the norm together).
//   delta        [n_params] float32
//   max_norm_l2  finite and >= 1e-9, in the unit of the weights
// InvalidArgument: max_norm_l2 is not finite or below 1e-9. DataLoss: delta holds NaN or infinity,
// or its norm exceeds float32's range. FailedPrecondition: no such device. McMahan et al. 2018,
// arXiv:1710.06963, section 3. Same bits on every device.
absl::StatusOr<ClippedDelta> ClipToNorm(ModelDelta delta, double max_norm_l2,
                                        kernels::Device device = kernels::Device::kCpu);

}  // namespace hilum::privacy

#endif  // HILUM_PRIVACY_CLIP_H_

// Rules that bear some lying sites. They look at every update by itself, so they work in open
// rounds only: under masks there is no single update to look at.
//
// All sites count alike: a site's weight is its own claim, and a rule that believed it would let a
// liar count for many. kernels/krum.h, trimmed_mean.h and robust_mean.h name the papers.
#ifndef HILUM_PRIVACY_ROBUST_H_
#define HILUM_PRIVACY_ROBUST_H_

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "kernels/device.h"
#include "privacy/round_config.h"

namespace hilum::privacy {

enum class RobustRule {
  kMedian,
  kTrimmedMean,
  kKrum,
  kMultiKrum,
  kBulyan,
  kGeometricMedian,
  kCentredClipping
};

struct RobustOptions {
  RobustRule rule = RobustRule::kMedian;
  int64_t n_faulty = 0;      // f, of trimmed mean, Krum, multi-Krum and Bulyan
  double clip_radius = 0.0;  // tau of centred clipping, an L2 norm of an update; > 0
};

// Delta_i, as far as rounding left it: [n_params] float32. Only OpenUpdate makes one. Movable only.
class OpenedUpdate {
 public:
  OpenedUpdate(OpenedUpdate&&) = default;
  OpenedUpdate& operator=(OpenedUpdate&&) = default;
  std::span<const float> values() const { return values_; }

 private:
  friend absl::StatusOr<OpenedUpdate> OpenUpdate(ByteView vector, const RoundConfig& config);
  explicit OpenedUpdate(std::vector<float> values) : values_(std::move(values)) {}
  std::vector<float> values_;
};

// Takes the weight out of a submitted vector again:
//   delta_j = float(double(signed word_j) * W / (s * w)), w the vector's weight coordinate.
//   vector  [D] words as they were signed, little-endian
// PermissionDenied: the round has masks. InvalidArgument: another length. DataLoss: its weight is
// not 1..W, or its count not 1.
absl::StatusOr<OpenedUpdate> OpenUpdate(ByteView vector, const RoundConfig& config);

// The aggregate of the updates, [n_params] float32. Only CombineRobustly makes one. Movable only.
class RobustDelta {
 public:
  RobustDelta(RobustDelta&&) = default;
  RobustDelta& operator=(RobustDelta&&) = default;
  std::span<const float> values() const { return values_; }

 private:
  friend absl::StatusOr<RobustDelta> CombineRobustly(std::span<const OpenedUpdate> updates,
                                                     const RobustOptions& options,
                                                     kernels::Device device);
  explicit RobustDelta(std::vector<float> values) : values_(std::move(values)) {}
  std::vector<float> values_;
};

// Deterministic: same bits on every device and any number of threads. Centred clipping starts from
// zero, the centre of the clip that each site made, and makes three steps.
//   updates  in the order of the sites' indices; memory: all of them, 4 * n_params bytes each
// InvalidArgument: fewer sites than the rule needs with n_faulty, lengths that differ, an option
// out of range. FailedPrecondition: no such device.
absl::StatusOr<RobustDelta> CombineRobustly(std::span<const OpenedUpdate> updates,
                                            const RobustOptions& options, kernels::Device device);

}  // namespace hilum::privacy

#endif  // HILUM_PRIVACY_ROBUST_H_

// Differential privacy's place on the straight line: integer noise after quantization.
#ifndef HILUM_PRIVACY_NOISE_H_
#define HILUM_PRIVACY_NOISE_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "privacy/quantize.h"
#include "privacy/round_config.h"

namespace hilum::privacy {

class MaskedUpdate;

// A quantized delta after the noise step. Only AddNoise makes one. Movable only.
class NoisedDelta {
 public:
  NoisedDelta(NoisedDelta&&) = default;
  NoisedDelta& operator=(NoisedDelta&&) = default;

  int64_t n_coords() const { return static_cast<int64_t>(ring_.size()); }
  // What was added. kNone: nothing, the values are the quantized ones.
  NoiseMechanism mechanism() const { return mechanism_; }

 private:
  friend absl::StatusOr<NoisedDelta> AddNoise(QuantizedDelta delta, const RoundConfig& config);
  friend class MaskedUpdate;
  NoisedDelta(QuantizedDelta delta, NoiseMechanism mechanism)
      : ring_(std::move(delta.ring_)), mechanism_(mechanism) {}

  std::vector<uint32_t> ring_;
  NoiseMechanism mechanism_ = NoiseMechanism::kNone;
};

// Without differential privacy (mechanism kNone) the identity, and mechanism() says so.
// PermissionDenied: the configuration asks for a mechanism that this version does not have; a
// vector is never sent with less noise than was agreed.
absl::StatusOr<NoisedDelta> AddNoise(QuantizedDelta delta, const RoundConfig& config);

}  // namespace hilum::privacy

#endif  // HILUM_PRIVACY_NOISE_H_

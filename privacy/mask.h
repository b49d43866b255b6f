// The last step before the wire: hides a site's vector under the round's masks.
#ifndef HILUM_PRIVACY_MASK_H_
#define HILUM_PRIVACY_MASK_H_

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "kernels/keystream.h"
#include "privacy/noise.h"
#include "privacy/round_config.h"

namespace hilum::privacy {

// y_i of secure_aggregation.md, section 5, R2: what a site signs and sends. Only Mask makes one.
// Movable only.
class MaskedUpdate {
 public:
  MaskedUpdate(MaskedUpdate&&) = default;
  MaskedUpdate& operator=(MaskedUpdate&&) = default;

  // [n_params + n_extras]; on the wire uint32 little-endian.
  std::span<const uint32_t> words() const { return ring_; }
  // The mask that covers the words. kNone: none, the server can read this vector.
  Suite suite() const { return suite_; }

 private:
  friend absl::StatusOr<MaskedUpdate> Mask(NoisedDelta delta, const RoundConfig& config);
  friend absl::StatusOr<MaskedUpdate> Mask(NoisedDelta delta, const RoundConfig& config,
                                           const kernels::MaskKeys& keys, kernels::Device device);
  MaskedUpdate(NoisedDelta delta, Suite suite) : ring_(std::move(delta.ring_)), suite_(suite) {}

  std::vector<uint32_t> ring_;
  Suite suite_ = Suite::kNone;
};

// In mode 0 (open) the identity, y_i = x_i, and suite() says so.
// PermissionDenied: the configuration asks for masks, which need keys; a vector is never sent bare
// when a mask was agreed.
absl::StatusOr<MaskedUpdate> Mask(NoisedDelta delta, const RoundConfig& config);

// y_i = x_i + the masks of `keys` mod 2^b, in place. The keys come from privacy/secagg.
// PermissionDenied: the round is open, or the keys are of another suite or ring, or fewer than two
// (one's own and one pair's). InvalidArgument: the vector is not of the configuration's D
// coordinates. FailedPrecondition: no such device, or suite 1 on a GPU.
absl::StatusOr<MaskedUpdate> Mask(NoisedDelta delta, const RoundConfig& config,
                                  const kernels::MaskKeys& keys, kernels::Device device);

}  // namespace hilum::privacy

#endif  // HILUM_PRIVACY_MASK_H_

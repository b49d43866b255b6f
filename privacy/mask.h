// The last step before the wire: hides a site's vector under the round's masks.
#ifndef HILUM_PRIVACY_MASK_H_
#define HILUM_PRIVACY_MASK_H_

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
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
  MaskedUpdate(NoisedDelta delta, Suite suite) : ring_(std::move(delta.ring_)), suite_(suite) {}

  std::vector<uint32_t> ring_;
  Suite suite_ = Suite::kNone;
};

// In mode 0 (open) the identity, y_i = x_i, and suite() says so.
// PermissionDenied: the configuration asks for a mask that this version does not have; a vector is
// never sent bare when a mask was agreed.
absl::StatusOr<MaskedUpdate> Mask(NoisedDelta delta, const RoundConfig& config);

}  // namespace hilum::privacy

#endif  // HILUM_PRIVACY_MASK_H_

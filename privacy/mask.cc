#include "privacy/mask.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hilum::privacy {

absl::StatusOr<MaskedUpdate> Mask(NoisedDelta delta, const RoundConfig& config) {
  if (config.mode != RoundMode::kOpen || config.suite != Suite::kNone) {
    return absl::PermissionDeniedError(absl::StrCat(
        "the round asks for mode ", static_cast<int>(config.mode), " with mask suite ",
        static_cast<int>(config.suite), ", and no mask key was given: nothing is sent"));
  }
  return MaskedUpdate(std::move(delta), Suite::kNone);
}

absl::StatusOr<MaskedUpdate> Mask(NoisedDelta delta, const RoundConfig& config,
                                  const kernels::MaskKeys& keys, kernels::Device device) {
  if (config.mode == RoundMode::kOpen ||
      static_cast<int>(keys.suite()) != static_cast<int>(config.suite) ||
      keys.ring_bits() != config.ring_bits || keys.size() < 2) {
    return absl::PermissionDeniedError(absl::StrCat(
        keys.size(), " keys of suite ", static_cast<int>(keys.suite()), " for a ring of ",
        keys.ring_bits(), " bits do not mask a round of mode ", static_cast<int>(config.mode),
        ", suite ", static_cast<int>(config.suite), " and ", config.ring_bits, " bits"));
  }
  MaskedUpdate update(std::move(delta), config.suite);
  if (update.ring_.size() != config.n_coords()) {
    return absl::InvalidArgumentError(absl::StrCat("a vector of ", update.ring_.size(),
                                                   " coordinates was to be masked, the round has ",
                                                   config.n_coords()));
  }
  HILUM_RETURN_IF_ERROR(kernels::KeystreamAdd(update.ring_, keys, 0, device));
  return update;
}

}  // namespace hilum::privacy

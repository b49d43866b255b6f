#include "privacy/mask.h"

#include "absl/strings/str_cat.h"

namespace hilum::privacy {

absl::StatusOr<MaskedUpdate> Mask(NoisedDelta delta, const RoundConfig& config) {
  if (config.mode != RoundMode::kOpen || config.suite != Suite::kNone) {
    return absl::PermissionDeniedError(absl::StrCat(
        "the round asks for mode ", static_cast<int>(config.mode), " with mask suite ",
        static_cast<int>(config.suite), ", this version has no masks: nothing is sent"));
  }
  return MaskedUpdate(std::move(delta), Suite::kNone);
}

}  // namespace hilum::privacy

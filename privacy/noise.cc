#include "privacy/noise.h"

#include "absl/strings/str_cat.h"

namespace hilum::privacy {

absl::StatusOr<NoisedDelta> AddNoise(QuantizedDelta delta, const RoundConfig& config) {
  if (config.mechanism != NoiseMechanism::kNone) {
    return absl::PermissionDeniedError(absl::StrCat("the round asks for noise mechanism ",
                                                    static_cast<int>(config.mechanism),
                                                    ", this version adds none: nothing is sent"));
  }
  return NoisedDelta(std::move(delta), NoiseMechanism::kNone);
}

}  // namespace hilum::privacy

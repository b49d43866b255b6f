// The noise and the sampling of DP-SGD at a site: models/ trains, kernels/ draws, the plan says how
// much (docs/differential_privacy.md, section 4).
#ifndef HILUM_CLIENT_RECORD_NOISE_H_
#define HILUM_CLIENT_RECORD_NOISE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "models/train.h"
#include "privacy/noise.h"
#include "proto/round_plan.h"

namespace hilum::client {

// Fresh random words of one attempt; two streams, so that neither tells about the other.
struct RecordStreams {
  privacy::NoiseStream noise;
  privacy::NoiseStream sample;
};

// Discrete Gaussian noise of standard deviation `plan.sigma` times the sensitivity, on a grid that
// is as fine as the sampler allows.
//   n_params  of the network
// InvalidArgument: the plan's unit is not record, or its sigma is out of the sampler's range.
absl::StatusOr<models::RecordPrivacy> MakeRecordPrivacy(const proto::PrivacyPlan& plan,
                                                        int64_t n_params, RecordStreams streams);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_RECORD_NOISE_H_

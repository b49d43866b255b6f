// The release of a job's last model: the signed files that a member fetches, and their entry.
#ifndef HILUM_AGGREGATOR_RELEASE_H_
#define HILUM_AGGREGATOR_RELEASE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "aggregator/publish.h"
#include "aggregator/state.h"
#include "base/bytes.h"
#include "proto/round_plan.h"

namespace hilum::aggregator {

struct ReleaseInputs {
  const RoundRow& row;  // of the last round that made a model, closed
  const proto::RoundPlan& plan;
  const std::string& licence;
  bool quorum_none = false;  // no witness vouches for the log
  int64_t now_s = 0;
};

struct PreparedRelease {
  std::string entry;          // the signed model-release
  std::vector<Digest> files;  // model.json, MODEL_CARD.md and model.sig: members may fetch them
};

// Stores model.json, MODEL_CARD.md and model.sig (ledger_anchor/release_bundle.h), which signs both
// and model.safetensors, and makes the entry that names model.sig. A second call makes another
// bundle, because ECDSA is randomised: the entry must be stored before it is logged.
// InvalidArgument: the plan's profile. Other codes: Store::Put and SignRelease.
absl::StatusOr<PreparedRelease> PrepareRelease(const Publisher& publisher,
                                               const ReleaseInputs& inputs);

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_RELEASE_H_

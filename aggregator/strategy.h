// The server's step: from the mean of the deltas to model v+1. The arithmetic is in kernels/, so a
// site or an auditor repeats it bit for bit.
#ifndef HILUM_AGGREGATOR_STRATEGY_H_
#define HILUM_AGGREGATOR_STRATEGY_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/ids.h"
#include "privacy/unmask.h"
#include "proto/round_plan.h"
#include "proto/safetensors.h"

namespace hilum::aggregator {

// The largest model file that a server takes, makes or replays.
inline constexpr uint64_t kModelLimitBytes = uint64_t{4} << 30;

// What the ledger says of the rule (`rule` of a round-close, optimiser fields of cfg).
struct RuleIdentity {
  uint8_t optimiser = 0;  // 0: FedAvg's step, which FedProx shares
  std::string name;       // fedavg, fedprox
  Digest parameters{};    // SHA-256 of the canonical JSON {"name":S,"server_learning_rate":D}
};
absl::StatusOr<RuleIdentity> IdentifyRule(const proto::StrategyPlan& strategy);

// The file of a new global model. Only ServerStep makes one.
class GlobalModel {
 public:
  ByteView file() const { return file_; }           // canonical safetensors
  const Digest& sha256() const { return sha256_; }  // of the file

 private:
  friend absl::StatusOr<GlobalModel> ServerStep(const privacy::MeanDelta& mean,
                                                proto::SafetensorsFile base,
                                                const struct StepContext& context);
  GlobalModel() = default;
  Bytes file_;
  Digest sha256_{};
};

struct StepContext {
  proto::StrategyPlan strategy;
  JobId job;
  RoundId round;
  std::string origin;  // of the ledger
};

// model'_j = float(double(model_j) + eta * mean_j) (secure_aggregation.md, section 6). The file has
// the base's layout and metadata with `round`, `job` and `origin` replaced, so the same sum on the
// same base gives the same bytes.
// InvalidArgument: lengths differ. DataLoss: a value left float32's range.
absl::StatusOr<GlobalModel> ServerStep(const privacy::MeanDelta& mean, proto::SafetensorsFile base,
                                       const StepContext& context);

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_STRATEGY_H_

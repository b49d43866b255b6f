// The server's step: from the mean of the deltas, or what a robust rule made of them, to model v+1.
// The arithmetic is in kernels/, so a site or an auditor repeats it bit for bit.
#ifndef HILUM_AGGREGATOR_STRATEGY_H_
#define HILUM_AGGREGATOR_STRATEGY_H_

#include <cstdint>
#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/ids.h"
#include "privacy/robust.h"
#include "privacy/unmask.h"
#include "proto/round_plan.h"
#include "proto/safetensors.h"

namespace hilum::aggregator {

// The largest model file that a server takes, makes or replays.
inline constexpr uint64_t kModelLimitBytes = uint64_t{4} << 30;

// What the ledger says of the rule (`rule` of a round-close, optimiser fields of cfg).
struct RuleIdentity {
  uint8_t optimiser = 0;  // 0: FedAvg's step, which FedProx shares; 1 FedAdagrad, 2 Adam, 3 Yogi
  std::string name;       // fedavg, fedadam, fedavg-krum, ...: the step, and the rule unless it is
                          // the mean
  Digest parameters{};    // SHA-256 of the canonical JSON of the plan's `strategy`
};
absl::StatusOr<RuleIdentity> IdentifyRule(const proto::StrategyPlan& strategy);

// What the step starts from.
using StepInput = std::variant<const privacy::MeanDelta*, const privacy::RobustDelta*>;

// The file of a new global model. Only ServerStep makes one.
class GlobalModel {
 public:
  ByteView file() const { return file_; }           // canonical safetensors
  const Digest& sha256() const { return sha256_; }  // of the file
  // The moments m, then v, [n_params] float32 each, little-endian; empty where the strategy keeps
  // none.
  ByteView state() const { return state_; }
  const Digest& state_sha256() const { return state_sha256_; }  // zeros where there is none

 private:
  friend absl::StatusOr<GlobalModel> ServerStep(const StepInput& input, proto::SafetensorsFile base,
                                                const struct StepContext& context);
  GlobalModel() = default;
  Bytes file_;
  Digest sha256_{};
  Bytes state_;
  Digest state_sha256_{};
};

struct StepContext {
  proto::StrategyPlan strategy;
  JobId job;
  RoundId round;
  std::string origin;  // of the ledger
  Bytes state{};  // GlobalModel::state() of the job's last round with a result; empty: none yet
};

// FedAvg: model'_j = float(double(model_j) + eta * mean_j) (secure_aggregation.md, section 6);
// kernels/server_step.h has the others. The file has the base's layout and metadata with `round`,
// `job` and `origin` replaced, so the same input on the same base gives the same bytes.
// InvalidArgument: lengths differ. DataLoss: a value left float32's range, or the state has another
// length than the model.
absl::StatusOr<GlobalModel> ServerStep(const StepInput& input, proto::SafetensorsFile base,
                                       const StepContext& context);

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_STRATEGY_H_

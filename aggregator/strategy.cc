#include "aggregator/strategy.h"

#include <utility>

#include "base/status_macros.h"
#include "crypto/hash.h"
#include "proto/canonical_json.h"

namespace hilum::aggregator {

absl::StatusOr<RuleIdentity> IdentifyRule(const proto::StrategyPlan& strategy) {
  HILUM_ASSIGN_OR_RETURN(const std::string rate,
                         proto::FormatDecimal(strategy.server_learning_rate));
  HILUM_ASSIGN_OR_RETURN(
      const std::string parameters,
      proto::Canonicalize({{"name", strategy.name}, {"server_learning_rate", rate}}));
  return RuleIdentity{
      .optimiser = 0, .name = strategy.name, .parameters = crypto::Sha256(parameters)};
}

absl::StatusOr<GlobalModel> ServerStep(const privacy::MeanDelta& mean, proto::SafetensorsFile base,
                                       const StepContext& context) {
  HILUM_RETURN_IF_ERROR(privacy::AddMean(mean, context.strategy.server_learning_rate, base.flat));
  GlobalModel model;
  HILUM_ASSIGN_OR_RETURN(model.file_,
                         proto::EncodeRoundModel(std::move(base), {.job = context.job.name,
                                                                   .round = context.round.number,
                                                                   .ledger = context.origin}));
  model.sha256_ = crypto::Sha256(model.file_);
  return model;
}

}  // namespace hilum::aggregator

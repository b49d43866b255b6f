#include "aggregator/strategy.h"

#include <utility>

#include "absl/strings/str_cat.h"
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
  base.metadata["round"] = absl::StrCat(context.round.number);
  base.metadata["job"] = context.job.name;
  base.metadata["origin"] = context.origin;
  GlobalModel model;
  HILUM_ASSIGN_OR_RETURN(model.file_,
                         proto::EncodeSafetensors(base.spec, base.flat, base.metadata));
  model.sha256_ = crypto::Sha256(model.file_);
  return model;
}

}  // namespace hilum::aggregator

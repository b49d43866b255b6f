#include "aggregator/strategy.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "kernels/server_step.h"
#include "kernels/weighted_mean.h"
#include "proto/canonical_json.h"

namespace hilum::aggregator {
namespace {

kernels::ServerRule RuleOf(const proto::StrategyPlan& strategy) {
  if (strategy.name == "fedadagrad") return kernels::ServerRule::kFedAdagrad;
  if (strategy.name == "fedadam") return kernels::ServerRule::kFedAdam;
  return kernels::ServerRule::kFedYogi;
}

kernels::ServerStepOptions OptionsOf(const proto::StrategyPlan& strategy) {
  return {.rule = RuleOf(strategy),
          .rate = static_cast<float>(strategy.server_learning_rate),
          .beta1 = static_cast<float>(strategy.beta1),
          .beta2 = static_cast<float>(strategy.beta2),
          .tau = static_cast<float>(strategy.tau)};
}

// m, then v, as they are after the rounds before. Before the first one m = 0, v = tau^2.
absl::StatusOr<std::vector<float>> Moments(const StepContext& context, size_t n_params) {
  const float tau = static_cast<float>(context.strategy.tau);
  std::vector<float> moments(2 * n_params, 0.0F);
  std::fill(moments.begin() + static_cast<std::ptrdiff_t>(n_params), moments.end(), tau * tau);
  if (context.state.empty()) return moments;
  if (context.state.size() != moments.size() * sizeof(float)) {
    return absl::DataLossError(absl::StrCat("the optimizer's state has ", context.state.size(),
                                            " bytes, the model has ", n_params, " parameters"));
  }
  std::memcpy(moments.data(), context.state.data(), context.state.size());
  return moments;
}

absl::Status Average(const StepInput& input, double rate, std::vector<float>& model) {
  if (const auto* mean = std::get_if<const privacy::MeanDelta*>(&input)) {
    return privacy::AddMean(**mean, rate, model);
  }
  const std::span<const float> delta = std::get<const privacy::RobustDelta*>(input)->values();
  const std::vector<std::span<const float>> parts = {model, delta};
  std::vector<float> next(model.size());
  HILUM_RETURN_IF_ERROR(
      kernels::WeightedSum(parts, std::vector<double>{1.0, rate}, next, kernels::Device::kCpu));
  model = std::move(next);
  return absl::OkStatus();
}

absl::Status Adapt(const StepInput& input, const proto::StrategyPlan& strategy,
                   std::vector<float>& model, std::vector<float>& moments) {
  const std::span<float> all(moments);
  const kernels::ServerState state{
      .model = model, .m = all.first(model.size()), .v = all.last(model.size())};
  if (const auto* mean = std::get_if<const privacy::MeanDelta*>(&input)) {
    return kernels::ServerStepFromRing((*mean)->words(), (*mean)->options(), OptionsOf(strategy),
                                       state, kernels::Device::kCpu);
  }
  return kernels::ServerStep(std::get<const privacy::RobustDelta*>(input)->values(),
                             OptionsOf(strategy), state, kernels::Device::kCpu);
}

uint8_t NumberOf(const proto::StrategyPlan& strategy) {
  if (strategy.name == "fedadagrad") return 1;
  if (strategy.name == "fedadam") return 2;
  return strategy.name == "fedyogi" ? 3 : 0;
}

}  // namespace

absl::StatusOr<RuleIdentity> IdentifyRule(const proto::StrategyPlan& strategy) {
  HILUM_ASSIGN_OR_RETURN(const std::string parameters, proto::EncodeStrategy(strategy));
  return RuleIdentity{.optimiser = NumberOf(strategy),
                      .name = proto::IsRobust(strategy)
                                  ? absl::StrCat(strategy.name, "-", strategy.rule)
                                  : strategy.name,
                      .parameters = crypto::Sha256(parameters)};
}

absl::StatusOr<GlobalModel> ServerStep(const StepInput& input, proto::SafetensorsFile base,
                                       const StepContext& context) {
  GlobalModel model;
  if (proto::IsAdaptive(context.strategy)) {
    HILUM_ASSIGN_OR_RETURN(std::vector<float> moments, Moments(context, base.flat.size()));
    HILUM_RETURN_IF_ERROR(Adapt(input, context.strategy, base.flat, moments));
    model.state_.resize(moments.size() * sizeof(float));
    std::memcpy(model.state_.data(), moments.data(), model.state_.size());
    model.state_sha256_ = crypto::Sha256(model.state_);
  } else {
    HILUM_RETURN_IF_ERROR(Average(input, context.strategy.server_learning_rate, base.flat));
  }
  HILUM_ASSIGN_OR_RETURN(model.file_,
                         proto::EncodeRoundModel(std::move(base), {.job = context.job.name,
                                                                   .round = context.round.number,
                                                                   .ledger = context.origin}));
  model.sha256_ = crypto::Sha256(model.file_);
  return model;
}

}  // namespace hilum::aggregator

#include "aggregator/outcome.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "privacy/accountant.h"
#include "privacy/policy.h"
#include "privacy/quantize.h"
#include "privacy/secagg/context.h"
#include "proto/canonical_json.h"
#include "proto/model_spec_codec.h"

namespace hilum::aggregator {
namespace {

// Ring and clip of a configuration; its roster, cohort and noise are there already.
absl::Status FillVector(const proto::AggregationPlan& plan, privacy::RoundConfig& config) {
  config.n_extras = privacy::kMinExtras;
  config.chunk_coords = privacy::kChunkCoords;
  config.ring_bits = static_cast<uint8_t>(plan.ring_bits);
  config.clip_l2 = plan.clip_l2;
  config.range = plan.range > 0 ? plan.range : plan.clip_l2;
  config.max_weight = plan.max_weight;
  if (plan.value_bits == 0) return privacy::FitValueBits(config);
  config.value_bits = static_cast<uint8_t>(plan.value_bits);
  config.scale = privacy::ScaleOf(config.range, config.value_bits);
  return privacy::CheckHeadroom(config);
}

// Unit, noise and accountant. Without a unit nothing is claimed.
void FillPrivacy(const proto::PrivacyPlan& plan, double epsilon_before,
                 privacy::RoundConfig& config) {
  config.unit = privacy::UnitOf(plan.unit);
  if (config.unit == privacy::PrivacyUnit::kNone) return;
  config.mechanism = privacy::NoiseMechanism::kDiscreteGaussian;
  config.sigma = plan.sigma;
  config.delta = plan.delta;
  config.accountant = privacy::kRdpAccountant;
  config.epsilon_before = epsilon_before;
}

// What a masked round has beside; an open one has none of it.
void FillMasked(const proto::RoundPlan& plan, privacy::RoundConfig& config) {
  const proto::AggregationPlan& aggregation = plan.aggregation;
  if (aggregation.mode != "masked") return;
  config.mode = privacy::RoundMode::kMaskedMean;
  config.suite =
      aggregation.suite == "chacha20" ? privacy::Suite::kChaCha20 : privacy::Suite::kAes256Ctr;
  config.share_proof = privacy::ShareProof::kFeldman;
  const privacy::CohortRule rule = privacy::RaiseCohort(
      config.roster.size(),
      {.c_max = static_cast<uint16_t>(aggregation.c_max),
       .drop_max = static_cast<uint16_t>(aggregation.drop_max),
       .quorum = static_cast<uint16_t>(aggregation.quorum),
       .u_min = static_cast<uint16_t>(std::max(aggregation.u_min, plan.cohort.minimum))});
  config.c_max = rule.c_max;
  config.drop_max = rule.drop_max;
  config.quorum = rule.quorum;
  config.u_min = rule.u_min;
  // A site's program answers a flight by itself: one that is silent for longer is as good as away.
  const uint32_t answer_ms = static_cast<uint32_t>(plan.cohort.grace_s) * 1000;
  privacy::Deadlines& deadlines = config.deadlines;
  deadlines.r0_1_ms = deadlines.r0_2_ms = deadlines.r1_1_ms = deadlines.r1_2_ms = answer_ms;
  deadlines.r3_ms = deadlines.r4_ms = answer_ms;
}

privacy::Transcript MakeTranscript(const OutcomeInputs& inputs, const Digest& sum_root) {
  privacy::Transcript transcript{.u1_hash = {},
                                 .u2_hash = {},
                                 .model_hash = inputs.config.model_hash,
                                 .members = {},
                                 .n_coords = inputs.config.n_coords(),
                                 .sum_root = sum_root};
  for (const CountedUpdate& update : inputs.counted) {
    transcript.members.push_back(
        {.index = update.site_index, .root = update.root, .signature = update.signature});
  }
  return transcript;
}

privacy::RobustOptions OptionsOf(const proto::StrategyPlan& strategy) {
  using privacy::RobustRule;
  const auto rule = [&] {
    if (strategy.rule == "median") return RobustRule::kMedian;
    if (strategy.rule == "trimmed-mean") return RobustRule::kTrimmedMean;
    if (strategy.rule == "krum") return RobustRule::kKrum;
    if (strategy.rule == "multi-krum") return RobustRule::kMultiKrum;
    if (strategy.rule == "bulyan") return RobustRule::kBulyan;
    if (strategy.rule == "geometric-median") return RobustRule::kGeometricMedian;
    return RobustRule::kCentredClipping;
  }();
  return {.rule = rule, .n_faulty = strategy.n_faulty, .clip_radius = strategy.clip_radius};
}

absl::StatusOr<privacy::RobustDelta> Combine(const OutcomeInputs& inputs,
                                             const proto::StrategyPlan& strategy) {
  if (inputs.read == nullptr) return absl::InternalError("a robust rule needs the updates");
  std::vector<privacy::OpenedUpdate> updates;
  for (const CountedUpdate& counted : inputs.counted) {
    HILUM_ASSIGN_OR_RETURN(const Bytes vector, inputs.read(counted));
    HILUM_ASSIGN_OR_RETURN(privacy::OpenedUpdate update,
                           privacy::OpenUpdate(vector, inputs.config));
    updates.push_back(std::move(update));
  }
  return privacy::CombineRobustly(updates, OptionsOf(strategy), kernels::Device::kCpu);
}

// With differential privacy no loss was sent, so none is published.
absl::StatusOr<ledger_anchor::List<ledger_anchor::Metric>> MakeMetrics(
    const privacy::MeanDelta& mean, const privacy::RoundConfig& config) {
  ledger_anchor::List<ledger_anchor::Metric> metrics;
  if (config.unit != privacy::PrivacyUnit::kNone) return metrics;
  HILUM_ASSIGN_OR_RETURN(const std::string loss, proto::FormatDecimal(mean.mean_loss()));
  metrics.items.push_back({.name = "train_loss", .value = loss, .n = mean.total_weight()});
  metrics.n = metrics.items.size();
  return metrics;
}

}  // namespace

absl::StatusOr<privacy::RoundConfig> MakeRoundConfig(const ConfigInputs& inputs) {
  const proto::RoundPlan& plan = inputs.plan;
  HILUM_ASSIGN_OR_RETURN(const std::string spec, proto::EncodeModelSpec(plan.spec));
  HILUM_ASSIGN_OR_RETURN(const RuleIdentity rule, IdentifyRule(plan.strategy));
  privacy::RoundConfig config;
  config.federation_id = inputs.federation_id;
  config.round = inputs.round.number;
  config.plan = crypto::Sha256(inputs.plan_bytes);
  config.ledger_head = inputs.ledger_head;
  config.architecture_digest = crypto::Sha256(spec);
  config.optimiser = rule.optimiser;
  config.optimiser_parameters = rule.parameters;
  config.optimiser_state = inputs.optimiser_state;
  config.n_params = static_cast<uint64_t>(plan.spec.n_params());
  config.model_hash = privacy::ModelHash({.architecture_digest = config.architecture_digest,
                                          .n_params = config.n_params,
                                          .base_model = inputs.base_model});
  for (size_t index = 0; index < inputs.roster.size(); ++index) {
    config.roster.push_back(
        {.index = static_cast<uint16_t>(index), .key = inputs.roster[index].entry_key});
  }
  config.deadlines.r2_ms = static_cast<uint32_t>(plan.cohort.deadline_s) * 1000;
  config.audit_days = inputs.audit_days;
  FillMasked(plan, config);
  FillPrivacy(plan.privacy, inputs.epsilon_before, config);
  HILUM_RETURN_IF_ERROR(FillVector(plan.aggregation, config));
  if (config.mode != privacy::RoundMode::kOpen) {
    HILUM_RETURN_IF_ERROR(privacy::secagg::Context::Create({.config = config}).status());
  }
  return config;
}

namespace {

// `robust`: what the step starts from instead of the mean, or null.
absl::StatusOr<RoundOutcome> OutcomeOf(const RingOutcomeInputs& inputs, privacy::RingTotal ring,
                                       proto::SafetensorsFile base, const StepContext& context,
                                       const privacy::RobustDelta* robust) {
  const privacy::RoundConfig& config = inputs.config;
  const Digest ring_root = privacy::RingRoot(ring.words(), config.chunk_coords);
  HILUM_ASSIGN_OR_RETURN(const privacy::MeanDelta mean,
                         privacy::Dequantize(std::move(ring), config));
  HILUM_ASSIGN_OR_RETURN(auto metrics, MakeMetrics(mean, config));
  const StepInput input = robust != nullptr ? StepInput(robust) : StepInput(&mean);
  HILUM_ASSIGN_OR_RETURN(GlobalModel model, ServerStep(input, std::move(base), context));
  return RoundOutcome{
      .transcript = inputs.transcript,
      .transcript_hash = privacy::HashTranscript(
          inputs.transcript, privacy::RidOf(config, inputs.attempt), privacy::HashConfig(config)),
      .ring_root = ring_root,
      .model = std::move(model),
      .total_weight = mean.total_weight(),
      .mean_loss = mean.mean_loss(),
      .metrics = std::move(metrics)};
}

}  // namespace

absl::StatusOr<RoundOutcome> OutcomeOfRing(const RingOutcomeInputs& inputs, privacy::RingTotal ring,
                                           proto::SafetensorsFile base,
                                           const StepContext& context) {
  if (proto::IsRobust(context.strategy)) {
    return absl::InternalError("a robust rule has no place in a masked round");
  }
  return OutcomeOf(inputs, std::move(ring), std::move(base), context, nullptr);
}

absl::StatusOr<RoundOutcome> ComputeOutcome(const OutcomeInputs& inputs, privacy::MaskedTotal total,
                                            proto::SafetensorsFile base,
                                            const StepContext& context) {
  const privacy::RoundConfig& config = inputs.config;
  if (total.n_members() != inputs.counted.size()) {
    return absl::DataLossError(absl::StrCat("the sum holds ", total.n_members(),
                                            " vectors, the round counts ", inputs.counted.size()));
  }
  const privacy::Transcript transcript =
      MakeTranscript(inputs, privacy::SumRoot(total.sums(), config));
  HILUM_ASSIGN_OR_RETURN(privacy::RingTotal ring, privacy::Unmask(total, config));
  std::optional<privacy::RobustDelta> robust;
  if (proto::IsRobust(context.strategy)) {
    HILUM_ASSIGN_OR_RETURN(robust, Combine(inputs, context.strategy));
  }
  return OutcomeOf({.config = config, .attempt = inputs.attempt, .transcript = transcript},
                   std::move(ring), std::move(base), context,
                   robust.has_value() ? &*robust : nullptr);
}

}  // namespace hilum::aggregator

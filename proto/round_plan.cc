#include "proto/round_plan.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "proto/canonical_json.h"
#include "proto/json_fields.h"
#include "proto/model_spec_codec.h"

namespace hilum::proto {
namespace {

using Json = nlohmann::json;

// A real number of the plan. Every such number passed CheckRoundPlan, so it is finite.
Json Decimal(double value) { return *FormatDecimal(value); }

Json TrainingToJson(const TrainingPlan& training) {
  Json json{{"optimizer", training.optimizer},
            {"learning_rate", Decimal(training.learning_rate)},
            {"weight_decay", Decimal(training.weight_decay)},
            {"momentum", Decimal(training.momentum)},
            {"schedule", training.schedule},
            {"schedule_rounds", static_cast<uint64_t>(training.schedule_rounds)},
            {"local_epochs", static_cast<uint64_t>(training.local_epochs)},
            {"batch_size", static_cast<uint64_t>(training.batch_size)},
            {"balance_classes", training.balance_classes},
            {"keep_optimizer", training.keep_optimizer},
            {"augment", Decimal(training.augment)},
            {"prox_mu", Decimal(training.prox_mu)},
            {"max_gradient_norm", Decimal(training.max_gradient_norm)}};
  if (training.local_steps != 0) json["local_steps"] = static_cast<uint64_t>(training.local_steps);
  if (training.time_limit_s != 0) {
    json["time_limit_s"] = static_cast<uint64_t>(training.time_limit_s);
  }
  if (training.label_smoothing != 0) json["label_smoothing"] = Decimal(training.label_smoothing);
  return json;
}

Json ModelToJson(const ModelPlan& model) {
  Json json{{"architecture", model.architecture},
            {"norm", model.norm},
            {"classes", model.classes},
            {"profile", model.profile},
            {"profile_digest", ToHex(model.profile_digest)},
            {"min_age_years", static_cast<uint64_t>(model.min_age_years)}};
  if (!model.local_layers.empty()) json["local_layers"] = model.local_layers;
  return json;
}

Json CohortToJson(const CohortPlan& cohort) {
  return {{"minimum", static_cast<uint64_t>(cohort.minimum)},
          {"target", static_cast<uint64_t>(cohort.target)},
          {"recruit_s", static_cast<uint64_t>(cohort.recruit_s)},
          {"return_wait_s", static_cast<uint64_t>(cohort.return_wait_s)},
          {"grace_s", static_cast<uint64_t>(cohort.grace_s)},
          {"deadline_s", static_cast<uint64_t>(cohort.deadline_s)}};
}

Json AggregationToJson(const AggregationPlan& aggregation) {
  Json json{{"mode", aggregation.mode},
            {"clip_l2", Decimal(aggregation.clip_l2)},
            {"range", Decimal(aggregation.range)},
            {"ring_bits", static_cast<uint64_t>(aggregation.ring_bits)},
            {"value_bits", static_cast<uint64_t>(aggregation.value_bits)},
            {"max_weight", static_cast<uint64_t>(aggregation.max_weight)}};
  if (aggregation.mode != "masked") return json;
  json["suite"] = aggregation.suite;
  json["c_max"] = static_cast<uint64_t>(aggregation.c_max);
  json["drop_max"] = static_cast<uint64_t>(aggregation.drop_max);
  json["quorum"] = static_cast<uint64_t>(aggregation.quorum);
  json["u_min"] = static_cast<uint64_t>(aggregation.u_min);
  return json;
}

Json PrivacyToJson(const PrivacyPlan& privacy) {
  Json json{
      {"unit", privacy.unit}, {"sigma", Decimal(privacy.sigma)}, {"delta", Decimal(privacy.delta)}};
  if (privacy.unit != "record") return json;
  json["sample_rate"] = Decimal(privacy.sample_rate);
  json["steps"] = static_cast<uint64_t>(privacy.steps);
  json["sample_clip"] = Decimal(privacy.sample_clip);
  return json;
}

// Numbers are read as they stand; CheckRoundPlan knows the ranges.
int Number(JsonFields& fields, absl::string_view key) {
  return static_cast<int>(fields.Integer(key, 0, std::numeric_limits<int>::max()));
}

// The same where a field is written only when it is not 0: one spelling.
int NumberUnlessZero(JsonFields& fields, absl::string_view key) {
  if (!fields.Has(key)) return 0;
  const int number = Number(fields, key);
  if (number == 0) fields.Fail(key, "is 0, which is not written");
  return number;
}

absl::StatusOr<ModelPlan> ModelFromJson(const Json& json) {
  JsonFields fields(json, "model");
  ModelPlan model{.architecture = fields.Text("architecture"),
                  .norm = fields.Text("norm"),
                  .classes = fields.Texts("classes", 16),
                  .profile = fields.Text("profile"),
                  .profile_digest = fields.Hash("profile_digest"),
                  .min_age_years = Number(fields, "min_age_years")};
  if (fields.Has("local_layers")) {
    model.local_layers = fields.Texts("local_layers", kLocalLayersLimit);
    if (model.local_layers.empty()) fields.Fail("local_layers", "is empty, which is not written");
  }
  HILUM_RETURN_IF_ERROR(fields.Finish());
  return model;
}

absl::StatusOr<TrainingPlan> TrainingFromJson(const Json& json) {
  JsonFields fields(json, "training");
  TrainingPlan training{.optimizer = fields.Text("optimizer"),
                        .learning_rate = fields.Decimal("learning_rate"),
                        .weight_decay = fields.Decimal("weight_decay"),
                        .momentum = fields.Decimal("momentum"),
                        .schedule = fields.Text("schedule"),
                        .schedule_rounds = Number(fields, "schedule_rounds"),
                        .local_epochs = Number(fields, "local_epochs"),
                        .batch_size = Number(fields, "batch_size"),
                        .balance_classes = fields.Flag("balance_classes"),
                        .keep_optimizer = fields.Flag("keep_optimizer"),
                        .augment = fields.Decimal("augment"),
                        .prox_mu = fields.Decimal("prox_mu"),
                        .max_gradient_norm = fields.Decimal("max_gradient_norm"),
                        .local_steps = NumberUnlessZero(fields, "local_steps"),
                        .time_limit_s = NumberUnlessZero(fields, "time_limit_s")};
  if (fields.Has("label_smoothing")) {
    training.label_smoothing = fields.Decimal("label_smoothing");
    if (training.label_smoothing == 0) fields.Fail("label_smoothing", "is 0, which is not written");
  }
  HILUM_RETURN_IF_ERROR(fields.Finish());
  return training;
}

Json StrategyToJson(const StrategyPlan& strategy) {
  Json json{{"name", strategy.name},
            {"server_learning_rate", Decimal(strategy.server_learning_rate)}};
  if (IsAdaptive(strategy)) {
    json["beta1"] = Decimal(strategy.beta1);
    json["beta2"] = Decimal(strategy.beta2);
    json["tau"] = Decimal(strategy.tau);
  }
  if (IsRobust(strategy)) {
    json["rule"] = strategy.rule;
    json["n_faulty"] = static_cast<uint64_t>(strategy.n_faulty);
    json["clip_radius"] = Decimal(strategy.clip_radius);
  }
  return json;
}

absl::StatusOr<StrategyPlan> StrategyFromJson(const Json& json) {
  JsonFields fields(json, "strategy");
  StrategyPlan strategy{.name = fields.Text("name"),
                        .server_learning_rate = fields.Decimal("server_learning_rate")};
  if (IsAdaptive(strategy)) {
    strategy.beta1 = fields.Decimal("beta1");
    strategy.beta2 = fields.Decimal("beta2");
    strategy.tau = fields.Decimal("tau");
  }
  if (fields.Has("rule")) {
    strategy.rule = fields.Text("rule");
    if (!IsRobust(strategy)) fields.Fail("rule", "is mean, which is not written");
    strategy.n_faulty = Number(fields, "n_faulty");
    strategy.clip_radius = fields.Decimal("clip_radius");
  }
  HILUM_RETURN_IF_ERROR(fields.Finish());
  return strategy;
}

absl::StatusOr<CohortPlan> CohortFromJson(const Json& json) {
  JsonFields fields(json, "cohort");
  CohortPlan cohort{.minimum = Number(fields, "minimum"),
                    .target = Number(fields, "target"),
                    .recruit_s = Number(fields, "recruit_s"),
                    .return_wait_s = Number(fields, "return_wait_s"),
                    .grace_s = Number(fields, "grace_s"),
                    .deadline_s = Number(fields, "deadline_s")};
  HILUM_RETURN_IF_ERROR(fields.Finish());
  return cohort;
}

absl::StatusOr<AggregationPlan> AggregationFromJson(const Json& json) {
  JsonFields fields(json, "aggregation");
  AggregationPlan aggregation{
      .mode = fields.Text("mode"),
      .clip_l2 = fields.Decimal("clip_l2"),
      .range = fields.Decimal("range"),
      .ring_bits = Number(fields, "ring_bits"),
      .value_bits = Number(fields, "value_bits"),
      .max_weight = static_cast<uint32_t>(fields.Integer("max_weight", 0, 0xffffffff))};
  if (aggregation.mode == "masked") {
    aggregation.suite = fields.Text("suite");
    aggregation.c_max = Number(fields, "c_max");
    aggregation.drop_max = Number(fields, "drop_max");
    aggregation.quorum = Number(fields, "quorum");
    aggregation.u_min = Number(fields, "u_min");
  }
  HILUM_RETURN_IF_ERROR(fields.Finish());
  return aggregation;
}

absl::StatusOr<PrivacyPlan> PrivacyFromJson(const Json& json) {
  JsonFields fields(json, "privacy");
  PrivacyPlan privacy{.unit = fields.Text("unit"),
                      .sigma = fields.Decimal("sigma"),
                      .delta = fields.Decimal("delta")};
  if (privacy.unit == "record") {
    privacy.sample_rate = fields.Decimal("sample_rate");
    privacy.steps = Number(fields, "steps");
    privacy.sample_clip = fields.Decimal("sample_clip");
  }
  HILUM_RETURN_IF_ERROR(fields.Finish());
  if (privacy.unit == "none") {  // one spelling: no privacy is no field
    return absl::InvalidArgumentError("round plan: privacy.unit is none, the field is then absent");
  }
  return privacy;
}

absl::StatusOr<RoundPlan> PlanFromJson(const Json& json) {
  JsonFields fields(json, "round plan");
  fields.Integer("v", 1, 1);
  RoundPlan plan;
  plan.job = fields.Text("job");
  plan.rounds = fields.Integer("rounds");
  if (fields.Has("seed")) plan.seed = fields.Integer("seed");
  const Json& model = fields.Value("model");
  const Json& training = fields.Value("training");
  const Json& strategy = fields.Value("strategy");
  const Json& cohort = fields.Value("cohort");
  const Json& aggregation = fields.Value("aggregation");
  const Json* privacy = fields.Has("privacy") ? &fields.Value("privacy") : nullptr;
  const Json& spec = fields.Value("spec");
  HILUM_RETURN_IF_ERROR(fields.Finish());
  HILUM_ASSIGN_OR_RETURN(plan.model, ModelFromJson(model));
  HILUM_ASSIGN_OR_RETURN(plan.training, TrainingFromJson(training));
  HILUM_ASSIGN_OR_RETURN(plan.strategy, StrategyFromJson(strategy));
  HILUM_ASSIGN_OR_RETURN(plan.cohort, CohortFromJson(cohort));
  HILUM_ASSIGN_OR_RETURN(plan.aggregation, AggregationFromJson(aggregation));
  if (privacy != nullptr) {
    HILUM_ASSIGN_OR_RETURN(plan.privacy, PrivacyFromJson(*privacy));
  }
  HILUM_ASSIGN_OR_RETURN(plan.spec, ModelSpecFromJson(spec));
  return plan;
}

}  // namespace

absl::StatusOr<std::string> EncodeStrategy(const StrategyPlan& strategy) {
  return Canonicalize(StrategyToJson(strategy));
}

absl::StatusOr<std::string> EncodeRoundPlan(const RoundPlan& plan) {
  HILUM_RETURN_IF_ERROR(CheckRoundPlan(plan));
  HILUM_ASSIGN_OR_RETURN(Json spec, ModelSpecToJson(plan.spec));
  Json json{{"v", 1U},
            {"job", plan.job},
            {"rounds", plan.rounds},
            {"model", ModelToJson(plan.model)},
            {"training", TrainingToJson(plan.training)},
            {"strategy", StrategyToJson(plan.strategy)},
            {"cohort", CohortToJson(plan.cohort)},
            {"aggregation", AggregationToJson(plan.aggregation)},
            {"spec", std::move(spec)}};
  if (plan.seed.has_value()) json["seed"] = *plan.seed;
  if (plan.privacy.unit != "none") json["privacy"] = PrivacyToJson(plan.privacy);
  HILUM_ASSIGN_OR_RETURN(std::string text, Canonicalize(json));
  if (text.size() > kRoundPlanLimitBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the round plan has ", text.size(),
                                                   " bytes, the limit is ", kRoundPlanLimitBytes));
  }
  return text;
}

absl::StatusOr<RoundPlan> ParseRoundPlan(absl::string_view canonical) {
  const absl::StatusOr<Json> json = ParseCanonical(canonical, kRoundPlanLimitBytes);
  if (!json.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("round plan: ", json.status().message()));
  }
  HILUM_ASSIGN_OR_RETURN(RoundPlan plan, PlanFromJson(*json));
  HILUM_RETURN_IF_ERROR(CheckRoundPlan(plan));
  return plan;
}

}  // namespace hilum::proto

#include "proto/round_plan.h"

#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/ids.h"
#include "base/status_macros.h"
#include "proto/canonical_json.h"
#include "proto/json_fields.h"
#include "proto/model_spec_codec.h"
#include "proto/safetensors.h"

namespace hilum::proto {
namespace {

using Json = nlohmann::json;

// Collects the first value that is out of its range.
class Ranges {
 public:
  void Integer(absl::string_view field, uint64_t value, uint64_t least, uint64_t most) {
    Test(value >= least && value <= most, field, absl::StrCat(value),
         absl::StrCat(least, " to ", most));
  }
  // Negative integers of the struct become huge here, and so out of range.
  void Count(absl::string_view field, int64_t value, uint64_t least, uint64_t most) {
    Test(
        value >= 0 && static_cast<uint64_t>(value) >= least && static_cast<uint64_t>(value) <= most,
        field, absl::StrCat(value), absl::StrCat(least, " to ", most));
  }
  void Positive(absl::string_view field, double value, double most) {
    Test(value > 0 && value <= most, field, absl::StrCat(value),
         absl::StrCat("above 0, at most ", most));
  }
  void NotNegative(absl::string_view field, double value, double most) {
    Test(value >= 0 && value <= most, field, absl::StrCat(value), absl::StrCat("0 to ", most));
  }
  void OneOf(absl::string_view field, const std::string& value,
             const std::vector<std::string>& allowed) {
    for (const std::string& word : allowed) {
      if (word == value) return;
    }
    Test(false, field, absl::StrCat("\"", value, "\""), absl::StrJoin(allowed, ", "));
  }
  void Test(bool good, absl::string_view field, const std::string& value,
            const std::string& range) {
    if (good || !status_.ok()) return;
    status_ = absl::InvalidArgumentError(
        absl::StrCat("round plan: ", field, " is ", value, ", allowed is ", range));
  }
  const absl::Status& status() const { return status_; }

 private:
  absl::Status status_;
};

constexpr uint64_t kDayS = 86'400;

void CheckModel(const ModelPlan& model, Ranges& ranges) {
  ranges.OneOf("model.norm", model.norm, {"group"});
  ranges.Integer("the number of model.classes", model.classes.size(), 2, 16);
  std::set<std::string> seen;
  for (const std::string& name : model.classes) {
    bool printable = !name.empty() && name.size() <= 63;
    for (const char c : name) printable = printable && c > 0x20 && c < 0x7f && c != ',';
    ranges.Test(printable && seen.insert(name).second, "a name in model.classes",
                absl::StrCat("\"", name, "\""),
                "1 to 63 printable ASCII characters without spaces and commas, each name once");
  }
  ranges.Count("model.min_age_years", model.min_age_years, 0, 150);
}

void CheckTraining(const RoundPlan& plan, Ranges& ranges) {
  const TrainingPlan& training = plan.training;
  ranges.OneOf("training.optimizer", training.optimizer, {"adamw", "sgd"});
  ranges.Positive("training.learning_rate", training.learning_rate, 10);
  ranges.NotNegative("training.weight_decay", training.weight_decay, 1);
  ranges.NotNegative("training.momentum", training.momentum, 0.9999);
  ranges.OneOf("training.schedule", training.schedule, {"constant", "cosine", "one-cycle"});
  ranges.Count("training.schedule_rounds", training.schedule_rounds, 0, 100'000);
  ranges.Count("training.local_epochs", training.local_epochs, 1, 100);
  ranges.Count("training.batch_size", training.batch_size, 1, 1024);
  ranges.NotNegative("training.augment", training.augment, 2);
  ranges.NotNegative("training.prox_mu", training.prox_mu,
                     plan.strategy.name == "fedprox" ? 10 : 0);
  ranges.NotNegative("training.max_gradient_norm", training.max_gradient_norm, 1e6);
}

void CheckStrategy(const RoundPlan& plan, Ranges& ranges) {
  const StrategyPlan& strategy = plan.strategy;
  ranges.OneOf("strategy.name", strategy.name,
               {"fedavg", "fedprox", "fedadagrad", "fedadam", "fedyogi"});
  ranges.Positive("strategy.server_learning_rate", strategy.server_learning_rate, 10);
  ranges.NotNegative("strategy.beta1", strategy.beta1, 0.9999);
  ranges.NotNegative("strategy.beta2", strategy.beta2, 0.99999);
  ranges.Positive("strategy.tau", strategy.tau, 1);
  ranges.OneOf("strategy.rule", strategy.rule,
               {"mean", "median", "trimmed-mean", "krum", "multi-krum", "bulyan",
                "geometric-median", "centred-clipping"});
  if (!IsRobust(strategy)) return;
  ranges.Test(plan.aggregation.mode == "open", "strategy.rule", strategy.rule,
              "mean unless aggregation.mode is open: the other rules look at each update");
  ranges.Count("strategy.n_faulty", strategy.n_faulty, FaultySitesCount(strategy) ? 1 : 0,
               FaultySitesCount(strategy) ? 500 : 0);
  ranges.Test(static_cast<uint64_t>(plan.cohort.minimum) >= FewestSites(strategy), "cohort.minimum",
              absl::StrCat(plan.cohort.minimum),
              absl::StrCat("at least ", FewestSites(strategy), ", which rule ", strategy.rule,
                           " needs with n_faulty = ", strategy.n_faulty));
  if (strategy.rule == "centred-clipping") {
    ranges.Positive("strategy.clip_radius", strategy.clip_radius, 1e6);
  }
}

void CheckCohort(const CohortPlan& cohort, Ranges& ranges) {
  ranges.Count("cohort.minimum", cohort.minimum, 2, 500);
  if (cohort.target != 0) {
    ranges.Count("cohort.target", cohort.target, static_cast<uint64_t>(cohort.minimum), 500);
  }
  ranges.Count("cohort.recruit_s", cohort.recruit_s, 1, 30 * kDayS);
  ranges.Count("cohort.return_wait_s", cohort.return_wait_s, 0, 30 * kDayS);
  ranges.Count("cohort.grace_s", cohort.grace_s, 1, kDayS);
  // cfg holds deadlines in u32 milliseconds.
  ranges.Count("cohort.deadline_s", cohort.deadline_s, 1, 30 * kDayS);
}

void CheckAggregation(const AggregationPlan& aggregation, Ranges& ranges) {
  ranges.OneOf("aggregation.mode", aggregation.mode, {"open", "masked"});
  ranges.Positive("aggregation.clip_l2", aggregation.clip_l2, 1e6);
  ranges.NotNegative("aggregation.range", aggregation.range, aggregation.clip_l2);
  ranges.Count("aggregation.ring_bits", aggregation.ring_bits, 16, 32);
  if (aggregation.value_bits != 0) {
    ranges.Count("aggregation.value_bits", aggregation.value_bits, 2,
                 static_cast<uint64_t>(aggregation.ring_bits) - 1);
  }
  ranges.Integer("aggregation.max_weight", aggregation.max_weight, 1, 1'000'000);
}

// A masked round has five sites or more: with fewer, two colluders would learn the others' updates.
void CheckMasked(const RoundPlan& plan, Ranges& ranges) {
  const AggregationPlan& aggregation = plan.aggregation;
  if (aggregation.mode != "masked") return;
  ranges.OneOf("aggregation.suite", aggregation.suite, {"aes256-ctr", "chacha20"});
  ranges.Count("aggregation.c_max", aggregation.c_max, 0, 500);
  ranges.Count("aggregation.drop_max", aggregation.drop_max, 0, 500);
  ranges.Count("aggregation.quorum", aggregation.quorum, 0, 500);
  ranges.Count("aggregation.u_min", aggregation.u_min, 0, 500);
  ranges.Count("cohort.minimum of a masked job", plan.cohort.minimum, 5, 500);
}

// What sampling, clip and weights must be for the accountant's numbers to hold.
void CheckPrivacy(const RoundPlan& plan, Ranges& ranges) {
  const PrivacyPlan& privacy = plan.privacy;
  ranges.OneOf("privacy.unit", privacy.unit, {"none", "silo", "record"});
  if (privacy.unit == "none") return;
  ranges.Test(privacy.sigma >= 0.3 && privacy.sigma <= 1000, "privacy.sigma",
              absl::StrCat(privacy.sigma), "0.3 to 1000");
  ranges.Test(privacy.delta >= 1e-12 && privacy.delta <= 0.01, "privacy.delta",
              absl::StrCat(privacy.delta), "1e-12 to 0.01");
  if (privacy.unit == "silo") {
    ranges.Test(plan.aggregation.mode == "masked", "aggregation.mode with privacy.unit silo",
                absl::StrCat("\"", plan.aggregation.mode, "\""),
                "\"masked\": the noise of one site alone is too little");
    return;
  }
  ranges.Positive("privacy.sample_rate", privacy.sample_rate, 1);
  ranges.Count("privacy.steps", privacy.steps, 1, 1'000'000);
  ranges.Positive("privacy.sample_clip", privacy.sample_clip, 1e6);
  ranges.Test(!plan.training.balance_classes, "training.balance_classes with privacy.unit record",
              "true", "false: each film is drawn by itself");
  // What a site kept of a round that it trained for and never sent would be in its next update, and
  // nobody has paid for that.
  ranges.Test(!plan.training.keep_optimizer, "training.keep_optimizer with privacy.unit record",
              "true", "false: a round that was not sent would leave its trace in the next one");
  ranges.NotNegative("training.max_gradient_norm with privacy.unit record",
                     plan.training.max_gradient_norm, 0);
}

// A real number of the plan. Every such number passed CheckRoundPlan, so it is finite.
Json Decimal(double value) { return *FormatDecimal(value); }

Json TrainingToJson(const TrainingPlan& training) {
  return {{"optimizer", training.optimizer},
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
}

Json ModelToJson(const ModelPlan& model) {
  return {{"architecture", model.architecture},
          {"norm", model.norm},
          {"classes", model.classes},
          {"profile", model.profile},
          {"profile_digest", ToHex(model.profile_digest)},
          {"min_age_years", static_cast<uint64_t>(model.min_age_years)}};
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

absl::StatusOr<ModelPlan> ModelFromJson(const Json& json) {
  JsonFields fields(json, "model");
  ModelPlan model{.architecture = fields.Text("architecture"),
                  .norm = fields.Text("norm"),
                  .classes = fields.Texts("classes", 16),
                  .profile = fields.Text("profile"),
                  .profile_digest = fields.Hash("profile_digest"),
                  .min_age_years = Number(fields, "min_age_years")};
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
                        .max_gradient_norm = fields.Decimal("max_gradient_norm")};
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

bool IsAdaptive(const StrategyPlan& strategy) {
  return strategy.name == "fedadagrad" || strategy.name == "fedadam" || strategy.name == "fedyogi";
}

bool IsRobust(const StrategyPlan& strategy) { return strategy.rule != "mean"; }

bool FaultySitesCount(const StrategyPlan& strategy) {
  return strategy.rule == "trimmed-mean" || strategy.rule == "krum" ||
         strategy.rule == "multi-krum" || strategy.rule == "bulyan";
}

uint64_t FewestSites(const StrategyPlan& strategy) {
  const uint64_t f = strategy.n_faulty < 0 ? 0 : static_cast<uint64_t>(strategy.n_faulty);
  if (strategy.rule == "trimmed-mean") return 2 * f + 1;
  if (strategy.rule == "krum" || strategy.rule == "multi-krum") return 2 * f + 3;
  if (strategy.rule == "bulyan") return 4 * f + 3;
  return 2;
}

absl::Status CheckRoundPlan(const RoundPlan& plan) {
  HILUM_RETURN_IF_ERROR(CheckName("job", plan.job));
  HILUM_RETURN_IF_ERROR(CheckName("model.architecture", plan.model.architecture));
  HILUM_RETURN_IF_ERROR(CheckName("model.profile", plan.model.profile));
  Ranges ranges;
  ranges.Integer("rounds", plan.rounds, 1, 100'000);
  if (plan.seed.has_value()) ranges.Integer("seed", *plan.seed, 0, kJsonIntegerLimit);
  CheckModel(plan.model, ranges);
  CheckStrategy(plan, ranges);
  CheckTraining(plan, ranges);
  CheckCohort(plan.cohort, ranges);
  CheckAggregation(plan.aggregation, ranges);
  CheckMasked(plan, ranges);
  CheckPrivacy(plan, ranges);
  HILUM_RETURN_IF_ERROR(ranges.status());
  HILUM_RETURN_IF_ERROR(CheckModelSpec(plan.spec));
  if (plan.spec.architecture != plan.model.architecture) {
    return absl::InvalidArgumentError(
        absl::StrCat("round plan: spec.architecture is ", plan.spec.architecture,
                     ", model.architecture is ", plan.model.architecture));
  }
  return absl::OkStatus();
}

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

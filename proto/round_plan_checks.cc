// The ranges of a round plan's values, for JOB.toml and wire alike, and what follows from them.
#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/ids.h"
#include "base/status_macros.h"
#include "proto/canonical_json.h"
#include "proto/round_plan.h"
#include "proto/safetensors.h"

namespace hilum::proto {
namespace {

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
  ranges.OneOf("model.norm", model.norm, {"group", "batch", "batch_local"});
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
  ranges.Integer("the number of model.local_layers", model.local_layers.size(), 0,
                 kLocalLayersLimit);
  for (const std::string& pattern : model.local_layers) {
    bool good = !pattern.empty() && pattern.size() <= 63;
    for (const char c : pattern) {
      good = good && (absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '*');
    }
    ranges.Test(good, "a pattern in model.local_layers", absl::StrCat("\"", pattern, "\""),
                "1 to 63 letters, digits, '.', '_' and '*'");
  }
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
  ranges.NotNegative("training.label_smoothing", training.label_smoothing, 0.5);
  ranges.Count("training.local_steps", training.local_steps,
               plan.strategy.name == "fednova" ? 1 : 0, 1'000'000);
  ranges.Test(training.local_steps == 0 || training.local_epochs == 1,
              "training.local_epochs with local_steps", absl::StrCat(training.local_epochs), "1");
  // What is trained has to be masked and sent before the round is over.
  ranges.Count("training.time_limit_s", training.time_limit_s, 0,
               static_cast<uint64_t>(std::max(plan.cohort.deadline_s, 1)) - 1);
}

void CheckStrategy(const RoundPlan& plan, Ranges& ranges) {
  const StrategyPlan& strategy = plan.strategy;
  ranges.OneOf("strategy.name", strategy.name,
               {"fedavg", "fedprox", "fednova", "fedadagrad", "fedadam", "fedyogi"});
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
  // BatchNorm mixes the films of a batch, and what stays at a site has no noise.
  ranges.Test(!KeepsLayers(plan.model), "model.norm and local_layers with privacy.unit record",
              plan.model.norm, "group, and no layers that stay at the site");
  // The noise of a round is for privacy.steps steps.
  ranges.Count("training.local_steps with privacy.unit record", plan.training.local_steps, 0, 0);
  ranges.Count("training.time_limit_s with privacy.unit record", plan.training.time_limit_s, 0, 0);
}

}  // namespace

bool KeepsLayers(const ModelPlan& model) {
  return model.norm != "group" || !model.local_layers.empty();
}

std::string RoundLength(const RoundPlan& plan) {
  const auto count = [](int64_t n, absl::string_view noun) {
    return absl::StrCat(n, " ", noun, n == 1 ? "" : "s");
  };
  const TrainingPlan& training = plan.training;
  if (plan.privacy.unit == "record") return count(plan.privacy.steps, "step");
  return absl::StrCat(
      training.local_steps == 0 ? count(training.local_epochs, "epoch")
                                : count(training.local_steps, "step"),
      training.time_limit_s == 0 ? "" : absl::StrCat(", at most ", training.time_limit_s, " s"));
}

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

}  // namespace hilum::proto

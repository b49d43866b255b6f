#include "cli/job_config.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/ids.h"
#include "base/status_macros.h"
#include "cli/toml_reader.h"
#include "crypto/hash.h"
#include "proto/canonical_json.h"
#include "proto/model_json.h"
#include "proto/safetensors.h"

namespace hilum::cli {
namespace {

constexpr int64_t kDayS = 86'400;
// The largest file that a federation can average: header, 4 bytes a parameter.
constexpr uint64_t kModelLimitBytes =
    proto::kSafetensorsHeaderLimitBytes + 4 * static_cast<uint64_t>(proto::kParametersLimit);

void ReadName(TomlReader& reader, absl::string_view key, std::string& value) {
  reader.Require(key);
  reader.Text(key, value);
  const absl::Status status = CheckName(key, value);
  if (!status.ok()) reader.Refuse(key, status.message());
}

void ReadModel(TomlReader& reader, JobFile& job, std::string& init) {
  proto::ModelPlan& model = job.plan.model;
  reader.Section("model");
  reader.Require("init");
  reader.Text("init", init);
  ReadName(reader, "architecture", model.architecture);
  reader.OneOf("norm", model.norm, {"group", "batch", "batch_local"});
  reader.Require("classes");
  reader.Texts("classes", model.classes);
  if (model.classes.size() < 2 || model.classes.size() > 16) {
    reader.Refuse("classes", absl::StrCat("has ", model.classes.size(),
                                          " names, but from 2 to 16 are needed."));
  }
  ReadName(reader, "profile", model.profile);
  reader.Integer("min_age_years", model.min_age_years, 0, 150);
  reader.Texts("local_layers", model.local_layers);
  if (model.local_layers.size() > proto::kLocalLayersLimit) {
    reader.Refuse("local_layers",
                  absl::StrCat("has ", model.local_layers.size(), " patterns, at most ",
                               proto::kLocalLayersLimit, " are possible."));
  }
  for (const char* key : {"init", "architecture", "classes", "profile"}) {
    job.places[key] = reader.Place(key);
  }
  const auto keep_optional = [&](const char* key, const std::string& value) {
    job.places[key] = reader.Has(key)
                          ? reader.Place(key)
                          : absl::StrCat(reader.Place(key), " is ", value, " by default");
  };
  keep_optional("norm", model.norm);
  keep_optional("min_age_years", absl::StrCat(model.min_age_years));
  keep_optional("local_layers", absl::StrJoin(model.local_layers, ","));
}

void ReadTraining(TomlReader& reader, proto::TrainingPlan& training) {
  reader.Section("training");
  reader.OneOf("optimizer", training.optimizer, {"adamw", "sgd"});
  reader.Real("learning_rate", training.learning_rate, {.min = 0, .max = 10, .above_min = true});
  reader.Real("weight_decay", training.weight_decay, {.min = 0, .max = 1});
  reader.Real("momentum", training.momentum, {.min = 0, .max = 0.9999});
  reader.OneOf("schedule", training.schedule, {"constant", "cosine", "one-cycle"});
  reader.Integer("schedule_rounds", training.schedule_rounds, 0, 100'000);
  reader.Integer("local_epochs", training.local_epochs, 1, 100);
  reader.Integer("local_steps", training.local_steps, 0, 1'000'000);
  reader.Integer("time_limit_s", training.time_limit_s, 0, 30 * kDayS);
  reader.Integer("batch_size", training.batch_size, 1, 1024);
  reader.Bool("balance_classes", training.balance_classes);
  reader.Bool("keep_optimizer", training.keep_optimizer);
  reader.Real("augment", training.augment, {.min = 0, .max = 2});
  reader.Real("prox_mu", training.prox_mu, {.min = 0, .max = 10});
  reader.Real("max_gradient_norm", training.max_gradient_norm, {.min = 0, .max = 1e6});
  reader.Real("label_smoothing", training.label_smoothing, {.min = 0, .max = 0.5});
  if (training.local_steps != 0 && reader.Has("local_epochs")) {
    reader.Refuse("local_epochs", "local_steps says how long a round is; remove one of the two.");
  }
  if (training.optimizer != "sgd" && reader.Has("momentum")) {
    reader.Refuse("momentum", absl::StrCat("only optimizer \"sgd\" has it, and this is \"",
                                           training.optimizer, "\"; remove the line."));
  }
  if (training.schedule == "constant" && training.schedule_rounds != 0) {
    reader.Refuse("schedule_rounds",
                  "only schedules \"cosine\" and \"one-cycle\" have a length, and this is "
                  "\"constant\"; remove the line.");
  }
}

void ReadServerOptimizer(TomlReader& reader, proto::StrategyPlan& strategy) {
  reader.Real("beta1", strategy.beta1, {.min = 0, .max = 0.9999});
  reader.Real("beta2", strategy.beta2, {.min = 0, .max = 0.99999});
  reader.Real("tau", strategy.tau, {.min = 0, .max = 1, .above_min = true});
  for (const char* key : {"beta1", "beta2", "tau"}) {
    if (!reader.Has(key)) continue;
    if (!proto::IsAdaptive(strategy)) {
      reader.Refuse(key, absl::StrCat("only \"fedadagrad\", \"fedadam\" and \"fedyogi\" have it, "
                                      "and name is \"",
                                      strategy.name, "\"; remove the line."));
    }
  }
  if (strategy.name == "fedadagrad" && reader.Has("beta2")) {
    reader.Refuse("beta2", "\"fedadagrad\" has none; remove the line.");
  }
}

void ReadRule(TomlReader& reader, proto::StrategyPlan& strategy) {
  reader.OneOf("rule", strategy.rule,
               {"mean", "median", "trimmed-mean", "krum", "multi-krum", "bulyan",
                "geometric-median", "centred-clipping"});
  reader.Integer("n_faulty", strategy.n_faulty, 0, 500);
  reader.Real("clip_radius", strategy.clip_radius, {.min = 0, .max = 1e6});
  const bool counts = proto::FaultySitesCount(strategy);
  if (counts != (strategy.n_faulty > 0)) {
    reader.Refuse("n_faulty",
                  counts ? absl::StrCat("must be 1 or more with rule \"", strategy.rule, "\".")
                         : absl::StrCat("must be 0 with rule \"", strategy.rule, "\"."));
  }
  const bool clips = strategy.rule == "centred-clipping";
  if (clips != (strategy.clip_radius > 0)) {
    reader.Refuse("clip_radius", clips ? "must be above 0 with rule \"centred-clipping\"."
                                       : "only rule \"centred-clipping\" has it; remove the line.");
  }
}

void ReadStrategy(TomlReader& reader, proto::RoundPlan& plan) {
  reader.Section("strategy");
  proto::StrategyPlan& strategy = plan.strategy;
  reader.OneOf("name", strategy.name,
               {"fedavg", "fedprox", "fednova", "fedadagrad", "fedadam", "fedyogi"});
  reader.Real("server_learning_rate", strategy.server_learning_rate,
              {.min = 0, .max = 10, .above_min = true});
  ReadServerOptimizer(reader, strategy);
  ReadRule(reader, strategy);
  if (plan.strategy.name != "fedprox" && plan.training.prox_mu != 0) {
    reader.Section("training");
    reader.Refuse("prox_mu", "must be 0 unless [strategy] name is \"fedprox\".");
  }
  if (plan.strategy.name == "fedprox" && plan.training.prox_mu == 0) {
    reader.Refuse("name", "needs [training] prox_mu above 0; without the pull it is \"fedavg\".");
  }
  if (plan.strategy.name == "fednova" && plan.training.local_steps == 0) {
    reader.Refuse("name", "needs [training] local_steps, which each update is brought to.");
  }
}

void ReadCohort(TomlReader& reader, proto::CohortPlan& cohort) {
  reader.Section("cohort");
  reader.Integer("minimum", cohort.minimum, 2, 500);
  reader.Integer("target", cohort.target, 0, 500);
  if (cohort.target != 0 && cohort.target < cohort.minimum) {
    reader.Refuse("target", absl::StrCat("must be 0 (every site) or at least minimum, ",
                                         cohort.minimum, "."));
  }
  reader.Integer("recruit_s", cohort.recruit_s, 1, 30 * kDayS);
  reader.Integer("return_wait_s", cohort.return_wait_s, 0, 30 * kDayS);
  reader.Integer("grace_s", cohort.grace_s, 1, kDayS);
  reader.Integer("deadline_s", cohort.deadline_s, 1, 30 * kDayS);
}

// What is trained has to be masked and sent before the round is over.
void CheckTimeLimit(TomlReader& reader, const proto::RoundPlan& plan) {
  if (plan.training.time_limit_s < plan.cohort.deadline_s) return;
  reader.Section("training");
  reader.Refuse("time_limit_s",
                absl::StrCat("must be below [cohort] deadline_s, ", plan.cohort.deadline_s, "."));
}

// With fewer sites than that, two of them could work out the others' updates from the sum.
constexpr int kFewestMasked = 5;

void ReadAggregation(TomlReader& reader, proto::RoundPlan& plan) {
  proto::AggregationPlan& aggregation = plan.aggregation;
  reader.Section("aggregation");
  // Who wants the server to see each update has to say so; a robust rule is such a wish.
  aggregation.mode = proto::IsRobust(plan.strategy) ? "open" : "masked";
  reader.OneOf("mode", aggregation.mode, {"open", "masked"});
  reader.Real("clip_l2", aggregation.clip_l2, {.min = 0, .max = 1e6, .above_min = true});
  reader.Real("range", aggregation.range, {.min = 0, .max = aggregation.clip_l2});
  reader.Integer("ring_bits", aggregation.ring_bits, 16, 32);
  reader.Integer("value_bits", aggregation.value_bits, 0, aggregation.ring_bits - 1);
  if (aggregation.value_bits == 1) {
    reader.Refuse("value_bits", absl::StrCat("must be 0 (as many as fit) or from 2 to ",
                                             aggregation.ring_bits - 1, "."));
  }
  reader.Integer("max_weight", aggregation.max_weight, 1, 1'000'000);
  if (proto::IsRobust(plan.strategy) && aggregation.mode != "open") {
    reader.Refuse("mode", absl::StrCat("must be \"open\" with [strategy] rule \"",
                                       plan.strategy.rule, "\", which looks at each update."));
  }
  const uint64_t fewest = proto::FewestSites(plan.strategy);
  if (static_cast<uint64_t>(plan.cohort.minimum) < fewest) {
    reader.Section("cohort");
    reader.Refuse("minimum", absl::StrCat("must be ", fewest, " or more with [strategy] rule \"",
                                          plan.strategy.rule,
                                          "\" and n_faulty = ", plan.strategy.n_faulty, "."));
  }
  if (aggregation.mode != "masked") return;
  reader.OneOf("suite", aggregation.suite, {"aes256-ctr", "chacha20"});
  reader.Integer("c_max", aggregation.c_max, 0, 500);
  reader.Integer("drop_max", aggregation.drop_max, 0, 500);
  reader.Integer("quorum", aggregation.quorum, 0, 500);
  reader.Integer("u_min", aggregation.u_min, 0, 500);
  reader.Section("cohort");
  if (!reader.Has("minimum")) {
    plan.cohort.minimum = kFewestMasked;
  } else if (plan.cohort.minimum < kFewestMasked) {
    reader.Refuse("minimum", absl::StrCat("must be ", kFewestMasked,
                                          " or more unless [aggregation] mode is \"open\"."));
  }
}

// What unit record leaves no room for, beside the keys that ReadPrivacy looks at itself.
void CheckRecordUnit(TomlReader& reader, const proto::RoundPlan& plan) {
  if (plan.strategy.name == "fednova") {
    reader.Section("strategy");
    reader.Refuse("name",
                  "with [privacy] unit \"record\" all sites take the same steps; use "
                  "\"fedavg\".");
  }
  reader.Section("training");
  for (const char* key : {"local_steps", "time_limit_s"}) {
    if (!reader.Has(key)) continue;
    reader.Refuse(key, "[privacy] unit \"record\" has steps of its own; remove the line.");
  }
  if (!proto::KeepsLayers(plan.model)) return;
  reader.Section("model");
  reader.Refuse(plan.model.norm != "group" ? "norm" : "local_layers",
                "[privacy] unit \"record\" needs norm \"group\" and shares every layer.");
}

// [privacy]: without a unit there is no noise, and then no other key of it means anything.
void ReadPrivacy(TomlReader& reader, proto::RoundPlan& plan) {
  proto::PrivacyPlan& privacy = plan.privacy;
  reader.Section("privacy");
  reader.OneOf("unit", privacy.unit, {"none", "silo", "record"});
  if (privacy.unit == "none") return;
  reader.Require("sigma");
  reader.Real("sigma", privacy.sigma, {.min = 0.3, .max = 1000});
  reader.Require("delta");
  reader.Real("delta", privacy.delta, {.min = 1e-12, .max = 0.01});
  if (privacy.unit == "silo") {
    if (plan.aggregation.mode != "masked") {
      reader.Refuse("unit",
                    "needs [aggregation] mode = \"masked\": each site adds a part of the noise, "
                    "which is too little for an update that the server sees by itself.");
    }
    return;
  }
  reader.Require("sample_rate");
  reader.Real("sample_rate", privacy.sample_rate, {.min = 0, .max = 1, .above_min = true});
  reader.Require("steps");
  reader.Integer("steps", privacy.steps, 1, 1'000'000);
  reader.Require("sample_clip");
  reader.Real("sample_clip", privacy.sample_clip, {.min = 0, .max = 1e6, .above_min = true});
  if (plan.training.balance_classes) {
    reader.Section("training");
    reader.Refuse("balance_classes",
                  "must be false with [privacy] unit \"record\": each film is drawn by itself.");
  }
  if (plan.training.keep_optimizer) {
    reader.Section("training");
    reader.Refuse("keep_optimizer",
                  "must be false with [privacy] unit \"record\": a round that a site trained for "
                  "and never sent would leave its trace in the next one, unpaid for.");
  }
  if (plan.training.max_gradient_norm != 0) {
    reader.Section("training");
    reader.Refuse("max_gradient_norm",
                  "must be 0 with [privacy] unit \"record\", which clips each film's gradient to "
                  "[privacy] sample_clip.");
  }
  CheckRecordUnit(reader, plan);
}

absl::Status About(const fs::path& file, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(file.string(), ": ", status.message()));
}

// The command that makes a version 0 for this job.
std::string HowToMake(const JobFile& job) {
  const proto::ModelPlan& model = job.plan.model;
  return absl::StrCat(
      "hilum model init ", model.architecture, " --seed N --out ", job.model_folder.string(),
      " --classes ", absl::StrJoin(model.classes, ","), " --profile ", model.profile, " --min-age ",
      model.min_age_years, model.norm == "group" ? "" : absl::StrCat(" --norm ", model.norm),
      model.local_layers.empty()
          ? ""
          : absl::StrCat(" --local '", absl::StrJoin(model.local_layers, ","), "'"));
}

// What the job file says of a key of [model] against what the folder of version 0 says.
struct Claim {
  const char* key;
  std::string job;
  std::string model;
};

absl::Status CheckAgrees(const JobFile& job, const proto::ModelDescription& model) {
  const proto::ModelPlan& plan = job.plan.model;
  const Claim claims[] = {
      {"architecture", plan.architecture, model.architecture},
      {"classes", absl::StrJoin(plan.classes, ","), absl::StrJoin(model.classes, ",")},
      {"profile", plan.profile, model.profile},
      {"norm", plan.norm, model.norm},
      {"local_layers", absl::StrJoin(plan.local_layers, ","),
       absl::StrJoin(model.local_layers, ",")},
      {"min_age_years", absl::StrCat(plan.min_age_years), absl::StrCat(model.min_age_years)}};
  const std::string file = (job.model_folder / "model.json").string();
  for (const Claim& claim : claims) {
    if (claim.job == claim.model) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(job.places.at(claim.key), ", but ", file, " says ", claim.model,
                     "; correct the line, or make another version 0 with `", HowToMake(job), "`."));
  }
  if (model.round != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(job.places.at("init"), ": ", file, " is the model of round ", model.round,
                     "; a job starts from version 0, which `", HowToMake(job), "` makes."));
  }
  return absl::OkStatus();
}

absl::StatusOr<Bytes> ReadModelFile(const JobFile& job, absl::string_view name,
                                    uint64_t limit_bytes) {
  absl::StatusOr<Bytes> file = ReadFile(job.model_folder / std::string(name), limit_bytes);
  if (absl::IsNotFound(file.status())) {
    return absl::NotFoundError(absl::StrCat(job.places.at("init"), ": ", job.model_folder.string(),
                                            " holds no ", name, "; make version 0 with `",
                                            HowToMake(job), "`."));
  }
  return file;
}

}  // namespace

absl::StatusOr<JobFile> ParseJobFile(const fs::path& file, absl::string_view text) {
  HILUM_ASSIGN_OR_RETURN(TomlReader reader, TomlReader::Parse(file.string(), text));
  JobFile job;
  std::string init;
  ReadName(reader, "job", job.plan.job);
  reader.Require("rounds");
  reader.Integer("rounds", job.plan.rounds, 1, 100'000);
  if (reader.Has("seed")) {
    job.plan.seed = 0;
    reader.Integer("seed", *job.plan.seed, 0, static_cast<int64_t>(proto::kJsonIntegerLimit));
  }
  ReadModel(reader, job, init);
  ReadTraining(reader, job.plan.training);
  ReadStrategy(reader, job.plan);
  ReadCohort(reader, job.plan.cohort);
  CheckTimeLimit(reader, job.plan);
  ReadAggregation(reader, job.plan);
  ReadPrivacy(reader, job.plan);
  HILUM_RETURN_IF_ERROR(reader.Finish());
  job.model_folder = file.parent_path() / init;
  return job;
}

absl::StatusOr<JobFile> ReadJobFile(const fs::path& path) {
  absl::StatusOr<std::string> text = ReadTextFile(path, kTomlLimitBytes);
  if (absl::IsNotFound(text.status())) return text.status();
  if (!text.ok()) return absl::InvalidArgumentError(text.status().message());
  return ParseJobFile(path, *text);
}

absl::StatusOr<LaunchableJob> LoadVersionZero(const JobFile& job) {
  LaunchableJob launchable{.plan = job.plan};
  HILUM_ASSIGN_OR_RETURN(const Bytes json,
                         ReadModelFile(job, "model.json", proto::kModelJsonLimitBytes));
  const absl::StatusOr<proto::ModelDescription> described =
      proto::ModelDescriptionFromJson(AsText(json));
  if (!described.ok()) return About(job.model_folder / "model.json", described.status());
  const proto::ModelDescription& model = *described;
  HILUM_RETURN_IF_ERROR(CheckAgrees(job, model));
  HILUM_ASSIGN_OR_RETURN(launchable.model,
                         ReadModelFile(job, "model.safetensors", kModelLimitBytes));
  launchable.model_sha256 = crypto::Sha256(launchable.model);
  if (launchable.model_sha256 != model.sha256) {
    return absl::DataLossError(absl::StrCat(
        "the SHA-256 of ", (job.model_folder / "model.safetensors").string(), " is ",
        ToHex(launchable.model_sha256), ", but model.json says ", ToHex(model.sha256), "."));
  }
  absl::StatusOr<proto::SafetensorsFile> file = proto::ParseSafetensors(launchable.model);
  if (!file.ok()) return About(job.model_folder / "model.safetensors", file.status());
  launchable.plan.spec = std::move(file->spec);
  launchable.plan.model.profile_digest = model.profile_digest;
  HILUM_ASSIGN_OR_RETURN(launchable.plan_bytes, proto::EncodeRoundPlan(launchable.plan));
  return launchable;
}

}  // namespace hilum::cli

#include "client/train.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/network.h"
#include "crypto/hash.h"
#include "crypto/mac.h"

namespace hilum::client {

int64_t StepsPerRound(const proto::RoundPlan& plan, int64_t n_samples) {
  if (plan.privacy.unit == "record") return plan.privacy.steps;
  if (plan.training.local_steps != 0) return plan.training.local_steps;
  return models::StepsPerEpoch(n_samples, plan.training.batch_size) * plan.training.local_epochs;
}

absl::StatusOr<models::TrainOptions> TrainOptionsOf(const proto::RoundPlan& plan,
                                                    const Slice& slice) {
  const proto::TrainingPlan& training = plan.training;
  models::TrainOptions options;
  HILUM_ASSIGN_OR_RETURN(options.optimizer, models::ParseOptimizer(training.optimizer));
  HILUM_ASSIGN_OR_RETURN(options.schedule, models::ParseSchedule(training.schedule));
  options.balance = training.balance_classes ? models::Balance::kClasses : models::Balance::kNone;
  options.learning_rate = static_cast<float>(training.learning_rate);
  options.momentum = static_cast<float>(training.momentum);
  options.weight_decay = static_cast<float>(training.weight_decay);
  options.batch = training.batch_size;
  options.augmentation = models::ScaledAugmentation(static_cast<float>(training.augment));
  options.fedprox_mu = static_cast<float>(training.prox_mu);
  options.max_gradient_norm = static_cast<float>(training.max_gradient_norm);
  options.label_smoothing = static_cast<float>(training.label_smoothing);
  const int64_t steps = StepsPerRound(plan, slice.n_samples);
  const uint64_t last_round = slice.first_round + slice.n_rounds - 1;
  const uint64_t scheduled =
      training.schedule_rounds > 0 ? static_cast<uint64_t>(training.schedule_rounds) : plan.rounds;
  options.first_step = static_cast<int64_t>(slice.first_round - 1) * steps;
  options.n_steps = static_cast<int64_t>(slice.n_rounds) * steps;
  // A job that was extended beyond its schedule stays at the schedule's end.
  options.total_steps = static_cast<int64_t>(std::max(scheduled, last_round)) * steps;
  options.seed = slice.seed;
  options.n_threads = slice.threads;
  return options;
}

uint64_t SeedOf(const proto::RoundPlan& plan, uint64_t round, absl::string_view site,
                const SiteSecret& secret) {
  // With unit record nobody else may know how a film is changed.
  const bool is_public = plan.seed.has_value() && plan.privacy.unit != "record";
  Bytes message;
  AppendText(message, "hilum/train/v1");
  AppendU64(message, plan.seed.value_or(0));
  AppendU64(message, round);
  AppendText(message, is_public ? site : absl::string_view(plan.job));
  const Digest digest =
      is_public ? crypto::Sha256(message) : crypto::HmacSha256(secret.bytes, message);
  uint64_t seed = 0;
  for (int i = 0; i < 8; ++i) seed = seed << 8 | digest[i];
  return seed;
}

models::TrainingSet SetOf(std::span<const Sample> samples, int height, int width) {
  models::TrainingSet set;
  set.channels = 1;
  set.height = height;
  set.width = width;
  for (const Sample& sample : samples) set.labels.push_back(sample.label());
  set.read = [samples](int64_t index, std::span<float> pixels) {
    const std::vector<float>& from = samples[static_cast<size_t>(index)].pixels();
    if (from.size() != pixels.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("a film has ", from.size(), " pixels, the others ", pixels.size()));
    }
    std::copy(from.begin(), from.end(), pixels.begin());
    return absl::OkStatus();
  };
  return set;
}

namespace {

// A film's augmentation goes by its own pixels: were it by its place in the list, a film more or
// less would change the gradients of all that come after it, which DP-SGD does not cover.
std::vector<uint64_t> NamesOf(std::span<const Sample> samples) {
  std::vector<uint64_t> names;
  for (const Sample& sample : samples) {
    const std::vector<float>& pixels = sample.pixels();
    const Digest digest = crypto::Sha256(
        ByteView(reinterpret_cast<const uint8_t*>(pixels.data()), pixels.size() * sizeof(float)));
    uint64_t name = 0;
    for (int i = 0; i < 8; ++i) name = name << 8 | digest[i];
    names.push_back(name);
  }
  return names;
}

// How much of a round's training is done, towards whichever end comes first. The server is told, so
// steps alone would tell it how many were taken when the time was over.
uint32_t PercentOf(const models::TrainProgress& progress, int limit_s) {
  double percent = static_cast<double>(100 * progress.step / progress.n_steps);
  if (limit_s > 0) percent = std::max(percent, std::min(100.0, 100 * progress.seconds / limit_s));
  return static_cast<uint32_t>(percent);
}

models::TrainHooks HooksOf(const proto::RoundPlan& plan, const LocalTraining& training) {
  models::TrainHooks hooks;
  hooks.cancel = training.cancel;
  const int limit_s = plan.training.time_limit_s;
  if (training.on_progress) {
    hooks.on_step = [&training, limit_s](const models::TrainProgress& progress) {
      training.on_progress(PercentOf(progress, limit_s));
    };
  }
  if (limit_s > 0) {
    hooks.is_enough = [limit_s](double seconds) { return seconds >= limit_s; };
  }
  hooks.on_checkpoint = training.on_checkpoint;
  hooks.checkpoint_steps = training.checkpoint_steps;
  hooks.resume = training.resume;
  return hooks;
}

// FedNova (arXiv:2007.07481, equation 8) with tau_eff fixed to the plan's steps: a site that took
// fewer has its update stretched to them, and nobody is told how many it took.
double ScaleOf(const proto::RoundPlan& plan, const models::TrainOptions& options, int64_t n_steps) {
  if (plan.strategy.name != "fednova") return 1.0;
  return models::LocalProgress(options, options.n_steps) / models::LocalProgress(options, n_steps);
}

}  // namespace

absl::StatusOr<LocalWeights> TrainLocally(const VerifiedModel& model, const proto::RoundPlan& plan,
                                          const LocalDataset& dataset,
                                          const LocalTraining& training) {
  HILUM_ASSIGN_OR_RETURN(models::Network network, LoadNetwork(model, training.layers));
  if ((plan.privacy.unit == "record") != training.privacy.has_value()) {
    return absl::PermissionDeniedError(
        absl::StrCat("job ", plan.job, " has privacy unit ", plan.privacy.unit, ", its training ",
                     training.privacy.has_value() ? "has" : "lacks", " the noise of DP-SGD"));
  }
  HILUM_ASSIGN_OR_RETURN(
      models::TrainOptions options,
      TrainOptionsOf(plan, {.first_round = training.round,
                            .n_samples = static_cast<int64_t>(dataset.samples.size()),
                            .seed = training.seed,
                            .threads = training.threads}));
  options.privacy = training.privacy;
  models::TrainingSet set = SetOf(dataset.samples, dataset.height, dataset.width);
  if (training.privacy.has_value()) set.names = NamesOf(dataset.samples);
  HILUM_ASSIGN_OR_RETURN(
      const models::TrainResult result,
      models::Train(network, set, options, HooksOf(plan, training), training.memory));
  LocalWeights local;
  local.flat_ = network.Flat();
  local.layers_ = network.Local();
  local.scale_ = ScaleOf(plan, options, result.n_steps);
  local.mean_loss_ = result.mean_loss;
  local.n_films_ = dataset.samples.size();
  return local;
}

absl::StatusOr<privacy::ModelDelta> Difference(const LocalWeights& local,
                                               const VerifiedModel& global) {
  if (local.flat_.size() != global.flat().size()) {
    return absl::InvalidArgumentError(absl::StrCat("the trained model has ", local.flat_.size(),
                                                   " values, the round's model has ",
                                                   global.flat().size()));
  }
  std::vector<float> delta(local.flat_.size());
  std::transform(local.flat_.begin(), local.flat_.end(), global.flat().begin(), delta.begin(),
                 [scale = static_cast<float>(local.scale_)](float trained, float start) {
                   return scale * (trained - start);
                 });
  return privacy::ModelDelta(std::move(delta));
}

}  // namespace hilum::client

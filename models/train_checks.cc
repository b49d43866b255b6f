#include "models/train_checks.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "models/record_privacy.h"
#include "models/volume.h"

namespace hilum::models {
namespace {

constexpr int kMaxBatch = 4096;
constexpr int64_t kMaxSteps = int64_t{1} << 40;

absl::Status OutOfRange(absl::string_view what, double value, absl::string_view range) {
  return absl::InvalidArgumentError(absl::StrCat(what, " is ", value, ", it must be ", range));
}

absl::Status CheckRates(const TrainOptions& o) {
  // Written so that NaN fails too.
  if (!(o.learning_rate > 0 && o.learning_rate <= 100)) {
    return OutOfRange("learning_rate", o.learning_rate, "above 0 and at most 100");
  }
  if (!(o.momentum >= 0 && o.momentum < 1)) {
    return OutOfRange("momentum", o.momentum, "at least 0 and below 1");
  }
  if (!(o.weight_decay >= 0 && o.weight_decay <= 1)) {
    return OutOfRange("weight_decay", o.weight_decay, "0 to 1");
  }
  if (!(o.fedprox_mu >= 0 && o.fedprox_mu <= 100)) {
    return OutOfRange("fedprox_mu", o.fedprox_mu, "0 to 100");
  }
  if (!(o.label_smoothing >= 0 && o.label_smoothing <= 0.5f)) {
    return OutOfRange("label_smoothing", o.label_smoothing, "0 to 0.5");
  }
  if (!(o.max_gradient_norm >= 0 && o.max_gradient_norm <= 1e6f)) {
    return OutOfRange("max_gradient_norm", o.max_gradient_norm, "0 to 1e6");
  }
  return absl::OkStatus();
}

absl::Status CheckAugmentation(const Augmentation& a) {
  const struct {
    const char* name;
    float value, limit;
  } limits[] = {{"aspect_probability", a.aspect_probability, 1},
                {"aspect_ratio", a.aspect_ratio, 0.5},
                {"rotation_degrees", a.rotation_degrees, 180},
                {"shift", a.shift, 0.5},
                {"zoom", a.zoom, 0.5},
                {"brightness", a.brightness, 0.5},
                {"flip_probability", a.flip_probability, 1}};
  for (const auto& limit : limits) {
    if (!(limit.value >= 0 && limit.value <= limit.limit)) {
      return OutOfRange(limit.name, limit.value, absl::StrCat("0 to ", limit.limit));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckOptions(const TrainOptions& o) {
  if (o.batch < 1 || o.batch > kMaxBatch) {
    return OutOfRange("batch", o.batch, absl::StrCat("1 to ", kMaxBatch));
  }
  if (o.first_step < 0 || o.n_steps < 1 || o.total_steps > kMaxSteps ||
      o.n_steps > o.total_steps - o.first_step) {
    return absl::InvalidArgumentError(absl::StrCat(
        "steps ", o.first_step, " to ", o.first_step + o.n_steps,
        " are asked for: at least one step inside the schedule of ", o.total_steps, " is needed"));
  }
  HILUM_RETURN_IF_ERROR(CheckRates(o));
  return CheckAugmentation(o.augmentation);
}

absl::Status CheckSet(const TrainingSet& set, const Network& network) {
  const int size = network.options().input_size;
  if (!set.names.empty() && set.names.size() != set.labels.size()) {
    return absl::InvalidArgumentError(absl::StrCat("the training set has ", set.names.size(),
                                                   " names for ", set.labels.size(), " samples"));
  }
  if (set.labels.empty() || !set.read) {
    return absl::InvalidArgumentError("the training set has no samples, at least one is needed");
  }
  HILUM_ASSIGN_OR_RETURN(const Architecture architecture, FindArchitecture(network.options().name));
  if (architecture.block == Block::kVolume) {
    HILUM_RETURN_IF_ERROR(
        CheckVolume(network.options(), set.channels, set.slices, set.height, set.width));
  } else if (set.slices != 0 || (set.channels != 1 && set.channels != 3) || set.height != size ||
             set.width != size) {
    return absl::InvalidArgumentError(
        absl::StrCat("the samples have ", set.channels, " channels of ", set.height, " x ",
                     set.width, " pixels, this network takes 1 or 3 of ", size, " x ", size));
  }
  for (size_t i = 0; i < set.labels.size(); ++i) {
    if (set.labels[i] < 0 || set.labels[i] >= network.options().n_classes) {
      return absl::InvalidArgumentError(absl::StrCat("sample ", i, " has the label ", set.labels[i],
                                                     ", the network has ",
                                                     network.options().n_classes, " classes"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckMemory(const OptimizerMemory& memory, const TrainOptions& options,
                         int64_t n_params) {
  const bool adamw = options.optimizer == Optimizer::kAdamW;
  const auto fits = [&](size_t size, bool used) {
    return size == 0 || (used && size == static_cast<size_t>(n_params));
  };
  if (memory.n_steps >= 0 && memory.n_steps <= kMaxSteps && fits(memory.first.size(), true) &&
      fits(memory.second.size(), adamw)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "the optimizer's memory is of ", memory.n_steps, " steps with ", memory.first.size(), " and ",
      memory.second.size(), " values; ", n_params, " and ", adamw ? n_params : 0, " are needed"));
}

// A lone sample has no variance where the last stage is one pixel, and little meaning elsewhere.
absl::Status CheckBatchNorm(const Network& network, const TrainingSet& set,
                            const TrainOptions& options) {
  if (network.options().norm == "group") return absl::OkStatus();
  const auto n = static_cast<int64_t>(set.labels.size());
  const int64_t smallest = n / StepsPerEpoch(n, options.batch);
  if (smallest >= 2) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(n, " samples in batches of ", options.batch, " give a step of ", smallest,
                   " sample, norm \"", network.options().norm, "\" needs at least 2 in each"));
}

absl::Status CheckPrivate(const Network& network, const TrainOptions& options,
                          const TrainHooks& hooks) {
  if (!options.privacy.has_value()) return absl::OkStatus();
  HILUM_RETURN_IF_ERROR(CheckRecordPrivacy(*options.privacy, network.spec().n_params()));
  if (options.balance != Balance::kNone || options.max_gradient_norm != 0) {
    return absl::InvalidArgumentError(
        "with DP-SGD samples are not balanced and the sum is not clipped again");
  }
  if (network.local_spec().n_params() != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("with DP-SGD all of the network is shared, this one keeps ",
                     network.local_spec().n_params(), " values at the site"));
  }
  if (hooks.checkpoint_steps != 0 || hooks.resume != nullptr || hooks.is_enough) {
    return absl::InvalidArgumentError(
        "DP-SGD takes all its steps in one go: its noise is drawn for one run only");
  }
  return absl::OkStatus();
}

absl::Status CheckResume(const Network& network, int64_t n_trained, const TrainOptions& options,
                         const TrainHooks& hooks) {
  if (hooks.checkpoint_steps < 0 || (hooks.checkpoint_steps > 0 && !hooks.on_checkpoint)) {
    return OutOfRange("checkpoint_steps", static_cast<double>(hooks.checkpoint_steps),
                      "0, or more where somebody takes the checkpoints");
  }
  if (hooks.resume == nullptr) return absl::OkStatus();
  const TrainCheckpoint& from = *hooks.resume;
  const int64_t n_values = network.spec().n_params() + network.local_spec().n_params();
  if (from.n_steps < 1 || from.n_steps >= options.n_steps || from.n_samples_seen < 1 ||
      static_cast<int64_t>(from.weights.size()) != n_values) {
    return absl::InvalidArgumentError(
        absl::StrCat("the checkpoint is of ", from.n_steps, " of ", options.n_steps, " steps with ",
                     from.weights.size(), " values; the network has ", n_values));
  }
  return CheckMemory(from.memory, options, n_trained);
}

}  // namespace

absl::Status CheckTraining(const Network& network, int64_t n_trained, const TrainingSet& set,
                           const TrainOptions& options, const TrainHooks& hooks,
                           const OptimizerMemory* memory) {
  HILUM_RETURN_IF_ERROR(CheckOptions(options));
  HILUM_RETURN_IF_ERROR(CheckSet(set, network));
  HILUM_RETURN_IF_ERROR(CheckBatchNorm(network, set, options));
  if (memory != nullptr) HILUM_RETURN_IF_ERROR(CheckMemory(*memory, options, n_trained));
  HILUM_RETURN_IF_ERROR(CheckPrivate(network, options, hooks));
  return CheckResume(network, n_trained, options, hooks);
}

}  // namespace hilum::models

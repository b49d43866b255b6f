#include "models/train.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "models/augment.h"
#include "models/optimizer.h"
#include "models/record_privacy.h"
#include "models/sampler.h"
#include "models/torch_network.h"
#include "models/torch_status.h"

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
  if ((set.channels != 1 && set.channels != 3) || set.height != size || set.width != size) {
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

// Reads and changes the samples of one step.
class BatchReader {
 public:
  BatchReader(const TrainingSet& set, const TrainOptions& options)
      : set_(set),
        options_(options),
        sampler_(set.labels, options.balance, options.batch, options.seed),
        size_(int64_t{1} * set.channels * set.height * set.width) {}

  absl::Status Read(int64_t step) { return ReadDraws(sampler_.Batch(step)); }

  // One sample by itself, changed as in pass `pass`.
  absl::Status ReadOne(int64_t index, int64_t pass) { return ReadDraws({{index, pass}}); }

  int64_t n() const { return static_cast<int64_t>(labels_.size()); }
  at::Tensor pixels() {
    return at::from_blob(pixels_.data(), {n(), set_.channels, set_.height, set_.width}, at::kFloat);
  }
  at::Tensor labels() { return at::from_blob(labels_.data(), {n()}, at::kLong); }

 private:
  absl::Status ReadDraws(const std::vector<Draw>& draws) {
    pixels_.resize(draws.size() * size_);
    labels_.clear();
    for (size_t i = 0; i < draws.size(); ++i) {
      const std::span<float> sample(pixels_.data() + i * size_, size_);
      HILUM_RETURN_IF_ERROR(set_.read(draws[i].index, sample));
      const int64_t at = draws[i].index;
      const uint64_t name = set_.names.empty() ? static_cast<uint64_t>(at) : set_.names[at];
      const Warp warp = DrawWarp(options_.augmentation, options_.seed, draws[i].pass, name);
      ApplyWarp(warp, set_.channels, set_.height, set_.width, sample, scratch_);
      labels_.push_back(set_.labels[draws[i].index]);
    }
    return absl::OkStatus();
  }

  const TrainingSet& set_;
  const TrainOptions& options_;
  Sampler sampler_;
  int64_t size_;  // values of a sample
  std::vector<float> pixels_;
  std::vector<int64_t> labels_;
  std::vector<float> scratch_;
};

std::span<float> Values(const at::Tensor& tensor) {
  return {tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

// While it lives, the network's tensors collect their gradients in one flat vector. Unless the
// training was kept, the weights are put back.
class Session {
 public:
  explicit Session(Network::Impl& network)
      : network_(network), start_(network.flat.clone()), gradient_(at::zeros_like(network.flat)) {
    for (size_t i = 0; i < network.tensors.size(); ++i) {
      const TensorSpec& spec = network.spec.tensors[i];
      network.tensors[i].requires_grad_(true);
      network.tensors[i].mutable_grad() =
          gradient_.narrow(0, spec.offset, spec.size).view(spec.shape);
    }
  }
  ~Session() {
    for (at::Tensor& tensor : network_.tensors) {
      tensor.mutable_grad() = at::Tensor();
      tensor.requires_grad_(false);
    }
    if (!kept_) std::ranges::copy(start(), weights().begin());
  }
  Session(const Session&) = delete;

  // The mean loss of the batch; afterwards gradient() holds its gradient.
  double Backward(BatchReader& batch) {
    std::ranges::fill(gradient(), 0.0f);
    const at::Tensor logits = network_.Head(network_.Features(batch.pixels()));
    const at::Tensor loss = at::cross_entropy_loss(logits, batch.labels());
    const double value = loss.item<float>();
    loss.backward();
    return value;
  }

  std::span<float> weights() { return Values(network_.flat); }
  std::span<float> gradient() { return Values(gradient_); }
  std::span<const float> start() { return Values(start_); }
  void Keep() { kept_ = true; }

 private:
  Network::Impl& network_;
  at::Tensor start_;
  at::Tensor gradient_;
  bool kept_ = false;
};

absl::Status NotFinite(absl::string_view what, int64_t step, const TrainOptions& options) {
  return absl::DataLossError(absl::StrCat(what, " is not finite after step ", step + 1, " of ",
                                          options.n_steps, ": use a learning rate below ",
                                          options.learning_rate));
}

// What one step saw.
struct StepLoss {
  double sum = 0.0;
  int64_t n_samples = 0;
};

// Leaves the gradient of the batch in the session.
absl::StatusOr<StepLoss> PlainGradient(Session& session, BatchReader& batch, int64_t step) {
  HILUM_RETURN_IF_ERROR(batch.Read(step));
  const double loss = session.Backward(batch);
  return StepLoss{.sum = loss * static_cast<double>(batch.n()), .n_samples = batch.n()};
}

// The same by DP-SGD: one sample after the other, so that each has a gradient of its own.
absl::StatusOr<StepLoss> PrivateGradient(Session& session, BatchReader& batch, int64_t step,
                                         const TrainOptions& options, int64_t n_samples,
                                         ClippedSum& sum) {
  StepLoss seen;
  sum.Clear();
  for (const int64_t index :
       PoissonSample(n_samples, options.privacy->sample_rate, options.privacy->draw)) {
    HILUM_RETURN_IF_ERROR(batch.ReadOne(index, step));
    const double loss = session.Backward(batch);
    if (std::isfinite(loss)) seen.sum += loss;  // as with its gradient: it ends nothing
    ++seen.n_samples;
    sum.Add(session.gradient());
  }
  HILUM_RETURN_IF_ERROR(sum.Release(options.batch, session.gradient()));
  return seen;
}

absl::StatusOr<TrainResult> Run(Session& session, BatchReader& batch, const TrainOptions& options,
                                const TrainHooks& hooks, OptimizerMemory* memory,
                                int64_t n_samples) {
  OptimizerState optimizer(options, static_cast<int64_t>(session.weights().size()),
                           memory != nullptr ? *memory : OptimizerMemory{});
  std::optional<ClippedSum> sum;
  if (options.privacy.has_value()) {
    sum.emplace(*options.privacy, static_cast<int64_t>(session.weights().size()));
  }
  TrainResult result;
  double loss_sum = 0;
  for (int64_t step = 0; step < options.n_steps; ++step) {
    if (hooks.cancel != nullptr && hooks.cancel->load()) {
      return absl::CancelledError(
          absl::StrCat("training was stopped after ", step, " of ", options.n_steps, " steps"));
    }
    const int64_t global_step = options.first_step + step;
    HILUM_ASSIGN_OR_RETURN(
        const StepLoss seen,
        sum.has_value() ? PrivateGradient(session, batch, global_step, options, n_samples, *sum)
                        : PlainGradient(session, batch, global_step));
    if (!std::isfinite(seen.sum)) return NotFinite("the loss", step, options);
    if (options.fedprox_mu > 0) {
      AddProximalTerm(options.fedprox_mu, session.weights(), session.start(), session.gradient());
    }
    if (options.max_gradient_norm > 0) CutToNorm(options.max_gradient_norm, session.gradient());
    optimizer.Step(LearningRateAt(options, global_step), session.gradient(), session.weights());
    loss_sum += seen.sum;
    result.n_samples_seen += seen.n_samples;
    result.n_steps = step + 1;
    if (hooks.on_step) {
      const double n = static_cast<double>(std::max<int64_t>(seen.n_samples, 1));
      hooks.on_step({result.n_steps, options.n_steps, seen.sum / n});
    }
  }
  for (float weight : session.weights()) {
    if (!std::isfinite(weight)) return NotFinite("a weight", options.n_steps - 1, options);
  }
  if (result.n_samples_seen > 0) {
    result.mean_loss = loss_sum / static_cast<double>(result.n_samples_seen);
  }
  session.Keep();
  if (memory != nullptr) *memory = std::move(optimizer).TakeMemory();
  return result;
}

template <class Value>
absl::StatusOr<Value> Parse(absl::string_view what, absl::string_view name,
                            std::initializer_list<std::pair<absl::string_view, Value>> values) {
  std::string names;
  for (const auto& [known, value] : values) {
    if (known == name) return value;
    absl::StrAppend(&names, names.empty() ? "" : ", ", known);
  }
  return absl::InvalidArgumentError(
      absl::StrCat(what, " \"", name, "\" is not known; there are ", names));
}

}  // namespace

absl::StatusOr<Optimizer> ParseOptimizer(absl::string_view name) {
  return Parse<Optimizer>("optimizer", name,
                          {{"adamw", Optimizer::kAdamW}, {"sgd", Optimizer::kSgd}});
}

absl::StatusOr<Schedule> ParseSchedule(absl::string_view name) {
  return Parse<Schedule>("schedule", name,
                         {{"constant", Schedule::kConstant},
                          {"cosine", Schedule::kCosine},
                          {"one-cycle", Schedule::kOneCycle}});
}

absl::StatusOr<Balance> ParseBalance(absl::string_view name) {
  return Parse<Balance>("balance", name,
                        {{"none", Balance::kNone}, {"classes", Balance::kClasses}});
}

absl::StatusOr<TrainingSet> InMemory(int channels, int height, int width, std::vector<float> pixels,
                                     std::vector<int32_t> labels) {
  if (channels < 1 || height < 1 || width < 1) {
    return absl::InvalidArgumentError(absl::StrCat("samples of ", channels, " x ", height, " x ",
                                                   width, " values, each must be at least 1"));
  }
  const size_t size = size_t{1} * channels * height * width;
  if (pixels.size() != size * labels.size()) {
    return absl::InvalidArgumentError(absl::StrCat(pixels.size(), " values for ", labels.size(),
                                                   " labels, ", size, " a label are needed"));
  }
  auto shared = std::make_shared<const std::vector<float>>(std::move(pixels));
  return TrainingSet{channels, height, width, std::move(labels),
                     [shared, size](int64_t index, std::span<float> to) {
                       std::copy_n(shared->begin() + index * size, size, to.begin());
                       return absl::OkStatus();
                     }};
}

absl::StatusOr<TrainResult> Train(Network& network, const TrainingSet& set,
                                  const TrainOptions& options, const TrainHooks& hooks,
                                  OptimizerMemory* memory) {
  HILUM_RETURN_IF_ERROR(CheckOptions(options));
  HILUM_RETURN_IF_ERROR(CheckSet(set, network));
  if (memory != nullptr) {
    HILUM_RETURN_IF_ERROR(CheckMemory(*memory, options, network.spec().n_params()));
  }
  if (options.privacy.has_value()) {
    HILUM_RETURN_IF_ERROR(CheckRecordPrivacy(*options.privacy, network.spec().n_params()));
    if (options.balance != Balance::kNone || options.max_gradient_norm != 0) {
      return absl::InvalidArgumentError(
          "with DP-SGD samples are not balanced and the sum is not clipped again");
    }
  }
  HILUM_RETURN_IF_ERROR(UseThreads(options.n_threads));
  const auto begin = std::chrono::steady_clock::now();
  return CatchTorch([&]() -> absl::StatusOr<TrainResult> {
    Session session(network.impl());
    BatchReader batch(set, options);
    HILUM_ASSIGN_OR_RETURN(TrainResult result, Run(session, batch, options, hooks, memory,
                                                   static_cast<int64_t>(set.labels.size())));
    const auto taken = std::chrono::steady_clock::now() - begin;
    result.seconds = std::chrono::duration<double>(taken).count();
    return result;
  });
}

}  // namespace hilum::models

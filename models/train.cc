#include "models/train.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "models/batch_reader.h"
#include "models/optimizer.h"
#include "models/record_privacy.h"
#include "models/torch_network.h"
#include "models/torch_session.h"
#include "models/torch_status.h"
#include "models/train_checks.h"

namespace hilum::models {
namespace {

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

// One call of Train: its steps, from the first or from a checkpoint.
class Training {
 public:
  Training(Session& session, BatchReader& batch, const TrainOptions& options,
           const TrainHooks& hooks, OptimizerMemory memory)
      : session_(session),
        batch_(batch),
        options_(options),
        hooks_(hooks),
        optimizer_(options, static_cast<int64_t>(session.weights().size()),
                   hooks.resume != nullptr ? hooks.resume->memory : std::move(memory)),
        begin_(std::chrono::steady_clock::now()),
        n_at_once_(options.batch) {
    if (options.privacy.has_value()) {
      sum_.emplace(*options.privacy, static_cast<int64_t>(session.weights().size()));
    }
    if (hooks.resume == nullptr) return;
    session.SetAll(hooks.resume->weights);
    loss_sum_ = hooks.resume->loss_sum;
    n_samples_seen_ = hooks.resume->n_samples_seen;
  }

  absl::StatusOr<TrainResult> Run();
  OptimizerMemory TakeMemory() && { return std::move(optimizer_).TakeMemory(); }

 private:
  absl::StatusOr<StepLoss> Gradient(int64_t step) {
    return sum_.has_value() ? PrivateGradient(step) : PlainGradient(step);
  }
  absl::StatusOr<StepLoss> PlainGradient(int64_t step);
  absl::StatusOr<StepLoss> PrivateGradient(int64_t step);
  absl::Status Step(int64_t step);
  absl::Status GiveCheckpoint(int64_t n_steps);
  absl::StatusOr<TrainResult> Result(int64_t n_steps);
  double Seconds() const {
    const auto taken = std::chrono::steady_clock::now() - begin_;
    return std::chrono::duration<double>(taken).count() +
           (hooks_.resume != nullptr ? hooks_.resume->seconds : 0);
  }

  Session& session_;
  BatchReader& batch_;
  const TrainOptions& options_;
  const TrainHooks& hooks_;
  OptimizerState optimizer_;
  std::optional<ClippedSum> sum_;  // with DP-SGD
  std::chrono::steady_clock::time_point begin_;
  int64_t n_at_once_;
  double loss_sum_ = 0;
  int64_t n_samples_seen_ = 0;
};

// Leaves the gradient of the batch in the session. Where memory is short, the batch is taken in
// parts of half the size, and so again.
absl::StatusOr<StepLoss> Training::PlainGradient(int64_t step) {
  HILUM_RETURN_IF_ERROR(batch_.Read(step));
  const std::vector<float> statistics = session_.Statistics();
  while (true) {
    const absl::StatusOr<double> loss =
        CatchTorch([&] { return session_.Backward(batch_, options_.label_smoothing, n_at_once_); });
    if (loss.ok()) return StepLoss{.sum = *loss, .n_samples = batch_.n()};
    const int64_t n = std::min(n_at_once_, batch_.n());
    if (!absl::IsResourceExhausted(loss.status()) || n <= session_.smallest_part()) {
      return loss.status();
    }
    session_.SetStatistics(statistics);
    n_at_once_ = (n + 1) / 2;
    Log(LogLevel::kWarning, "memory is short, a batch is taken in parts",
        {{"samples_at_once", n_at_once_}, {"reason", loss.status()}});
  }
}

// The same by DP-SGD: one sample after the other, so that each has a gradient of its own.
absl::StatusOr<StepLoss> Training::PrivateGradient(int64_t step) {
  StepLoss seen;
  sum_->Clear();
  const auto n_samples = static_cast<int64_t>(batch_.set().labels.size());
  for (const int64_t index :
       PoissonSample(n_samples, options_.privacy->sample_rate, options_.privacy->draw)) {
    HILUM_RETURN_IF_ERROR(batch_.ReadOne(index, step));
    const double loss = session_.Backward(batch_, options_.label_smoothing, 1);
    if (std::isfinite(loss)) seen.sum += loss;  // as with its gradient: it ends nothing
    ++seen.n_samples;
    sum_->Add(session_.gradient());
  }
  HILUM_RETURN_IF_ERROR(sum_->Release(options_.batch, session_.gradient()));
  return seen;
}

absl::Status Training::Step(int64_t step) {
  const int64_t global_step = options_.first_step + step;
  HILUM_ASSIGN_OR_RETURN(const StepLoss seen, Gradient(global_step));
  if (!std::isfinite(seen.sum)) return NotFinite("the loss", step, options_);
  if (options_.fedprox_mu > 0) {
    const auto n = static_cast<size_t>(session_.n_shared());
    AddProximalTerm(options_.fedprox_mu, session_.weights().first(n), session_.start().first(n),
                    session_.gradient().first(n));
  }
  if (options_.max_gradient_norm > 0) CutToNorm(options_.max_gradient_norm, session_.gradient());
  optimizer_.Step(LearningRateAt(options_, global_step), session_.gradient(), session_.weights());
  loss_sum_ += seen.sum;
  n_samples_seen_ += seen.n_samples;
  if (hooks_.on_step) {
    const double n = static_cast<double>(std::max<int64_t>(seen.n_samples, 1));
    hooks_.on_step({step + 1, options_.n_steps, seen.sum / n, Seconds()});
  }
  return absl::OkStatus();
}

absl::Status Training::GiveCheckpoint(int64_t n_steps) {
  return hooks_.on_checkpoint({.n_steps = n_steps,
                               .n_samples_seen = n_samples_seen_,
                               .loss_sum = loss_sum_,
                               .seconds = Seconds(),
                               .weights = session_.All(),
                               .memory = optimizer_.memory()});
}

absl::StatusOr<TrainResult> Training::Run() {
  int64_t step = hooks_.resume != nullptr ? hooks_.resume->n_steps : 0;
  while (step < options_.n_steps) {
    if (hooks_.cancel != nullptr && hooks_.cancel->load()) {
      return absl::CancelledError(
          absl::StrCat("training was stopped after ", step, " of ", options_.n_steps, " steps"));
    }
    HILUM_RETURN_IF_ERROR(Step(step));
    ++step;
    if (step == options_.n_steps) break;
    if (hooks_.is_enough && hooks_.is_enough(Seconds())) break;
    if (hooks_.checkpoint_steps > 0 && step % hooks_.checkpoint_steps == 0) {
      HILUM_RETURN_IF_ERROR(GiveCheckpoint(step));
    }
  }
  return Result(step);
}

absl::StatusOr<TrainResult> Training::Result(int64_t n_steps) {
  for (const float value : session_.All()) {
    if (!std::isfinite(value)) return NotFinite("a weight", n_steps - 1, options_);
  }
  TrainResult result;
  result.n_steps = n_steps;
  result.n_samples_seen = n_samples_seen_;
  if (n_samples_seen_ > 0) result.mean_loss = loss_sum_ / static_cast<double>(n_samples_seen_);
  result.n_at_once = static_cast<int>(n_at_once_);
  result.seconds = Seconds();
  return result;
}

}  // namespace

absl::StatusOr<TrainResult> Train(Network& network, const TrainingSet& set,
                                  const TrainOptions& options, const TrainHooks& hooks,
                                  OptimizerMemory* memory) {
  HILUM_RETURN_IF_ERROR(
      CheckTraining(network, network.impl().layout.n_trained, set, options, hooks, memory));
  HILUM_RETURN_IF_ERROR(UseThreads(options.n_threads));
  return CatchTorch([&]() -> absl::StatusOr<TrainResult> {
    Session session(network.impl());
    BatchReader batch(set, options);
    Training training(session, batch, options, hooks,
                      memory != nullptr ? *memory : OptimizerMemory{});
    HILUM_ASSIGN_OR_RETURN(const TrainResult result, training.Run());
    session.Keep();
    if (memory != nullptr) *memory = std::move(training).TakeMemory();
    return result;
  });
}

}  // namespace hilum::models

// Local training: a slice of a job's schedule on one site's samples.
#ifndef HILUM_MODELS_TRAIN_H_
#define HILUM_MODELS_TRAIN_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/network.h"

namespace hilum::models {

// Samples as Train reads them, so that a large site need not hold all images in memory.
struct TrainingSet {
  int channels = 1;  // 1 (seen as three equal channels) or 3
  int height = 0;    // pixels
  int width = 0;
  std::vector<int32_t> labels;  // one a sample, in [0, n_classes)
  // Fills `pixels` [channels, height, width], grey values in [0, 1], with sample `index`.
  std::function<absl::Status(int64_t index, std::span<float> pixels)> read;
  // What each sample's augmentation goes by, one a sample; empty: its place in the set. With names
  // of their own samples change in the same way whatever else is in the set.
  std::vector<uint64_t> names{};
  // Of volumes: then samples are [channels, slices, height, width], and all slices of one are
  // changed alike. 0: images.
  int64_t slices = 0;
};

// A TrainingSet over `pixels` [n, channels, height, width] in memory.
// InvalidArgument: the lengths of pixels and labels do not fit the sizes.
absl::StatusOr<TrainingSet> InMemory(int channels, int height, int width, std::vector<float> pixels,
                                     std::vector<int32_t> labels);

enum class Optimizer { kAdamW, kSgd };  // arXiv:1711.05101; momentum as in PyTorch
enum class Schedule { kConstant, kCosine, kOneCycle };
enum class Balance { kNone, kClasses };  // kClasses: each class equally often

// Names as in JOB.toml: adamw, sgd; constant, cosine, one-cycle; none, classes.
// InvalidArgument: another name; the sentence lists the names.
absl::StatusOr<Optimizer> ParseOptimizer(absl::string_view name);
absl::StatusOr<Schedule> ParseSchedule(absl::string_view name);
absl::StatusOr<Balance> ParseBalance(absl::string_view name);

// Random changes of each image (docs/models.md). Each follows from (seed, epoch, sample) alone.
struct Augmentation {
  float aspect_probability = 0.3f;  // then width / height changes by up to +-aspect_ratio
  float aspect_ratio = 0.1f;
  float rotation_degrees = 10.0f;  // +-
  float shift = 0.1f;              // +- of the side, in x and y
  float zoom = 0.15f;              // 1 +-
  float brightness = 0.1f;         // 1 +-
  float flip_probability = 0.0f;   // left-right; breaks situs and side, so off unless asked for
};
Augmentation NoAugmentation();
// The ranges above times `strength`; 0 is no augmentation.
Augmentation ScaledAugmentation(float strength);

// Fills the span with uniform words that nobody else can know. Never of a job's seed.
using DrawWords = std::function<void(std::span<uint32_t> words)>;

// DP-SGD (Abadi et al. 2016, arXiv:1607.00133, algorithm 1): each step draws each sample with
// probability `sample_rate`, clips the gradient of each to `clip_l2`, adds noise to their sum and
// divides by TrainOptions::batch, whatever number was drawn. models/ knows no noise: the caller
// adds it, to integers.
struct RecordPrivacy {
  double sample_rate = 0.0;  // q in (0, 1]
  double clip_l2 = 0.0;      // of one sample's gradient, > 0
  // The most that one sample changes the sum, L2, in integer units: what the noise is for.
  double sensitivity = 0.0;
  DrawWords draw;  // for the sampling
  // Adds noise to [n_params] sums. Its error ends the training.
  std::function<absl::Status(std::span<int64_t> sums)> add_noise;
};

struct TrainOptions {
  Optimizer optimizer = Optimizer::kAdamW;
  Schedule schedule = Schedule::kOneCycle;
  float learning_rate = 1e-3f;  // the schedule's largest, > 0
  float momentum = 0.9f;        // SGD
  float weight_decay = 0.01f;   // decoupled for AdamW; L2 for SGD
  int batch = 8;                // samples
  // The slice of the schedule: steps first_step ... first_step + n_steps - 1 of total_steps. A
  // round r of R with s local steps is {(r - 1) * s, s, R * s}.
  int64_t first_step = 0;
  int64_t n_steps = 0;
  int64_t total_steps = 0;
  Balance balance = Balance::kClasses;
  Augmentation augmentation{};
  // Adds mu * (w - w_start) to the gradient of what is shared; arXiv:1812.06127.
  float fedprox_mu = 0.0f;
  float label_smoothing = 0.0f;  // 0...0.5 of each label is spread over all classes
  float max_gradient_norm = 0;   // L2 of the whole gradient is cut to this; 0: not cut
  uint64_t seed = 0;             // order of the samples and augmentation
  // Set: DP-SGD. Then balance is kNone and max_gradient_norm 0; total_steps counts its steps, and
  // `batch` is the fixed denominator.
  std::optional<RecordPrivacy> privacy{};
  int n_threads = 1;  // holds for the whole process from this call on
};

// What an optimizer remembers beyond the weights: its moments. Empty: nothing yet.
struct OptimizerMemory {
  int64_t n_steps = 0;        // taken so far
  std::vector<float> first;   // AdamW's first moment, SGD's momentum; [n_trained] or empty
  std::vector<float> second;  // AdamW's second moment; [n_trained] or empty
};

// A training between two steps: with the same network, set and options it ends in the same bits as
// if it had never stopped.
struct TrainCheckpoint {
  int64_t n_steps = 0;  // done of the call's
  int64_t n_samples_seen = 0;
  double loss_sum = 0;         // over the samples seen
  double seconds = 0;          // spent so far
  std::vector<float> weights;  // Network::Flat, then Network::Local
  OptimizerMemory memory;
};

struct TrainProgress {
  int64_t step = 0;  // steps done in this call
  int64_t n_steps = 0;
  double loss = 0;     // mean cross-entropy of the last batch
  double seconds = 0;  // of training so far, with those before a kill
};

// What the caller may do between two steps. Functions may be empty.
struct TrainHooks {
  std::function<void(const TrainProgress&)> on_step{};
  const std::atomic<bool>* cancel = nullptr;  // true: stop before the next step
  // Asked after each step but the last, with the seconds of training so far: true ends the call,
  // and what was trained counts.
  std::function<bool(double seconds)> is_enough{};
  // Given a checkpoint after every `checkpoint_steps` steps but the last. Its error ends the call.
  std::function<absl::Status(const TrainCheckpoint&)> on_checkpoint{};
  int64_t checkpoint_steps = 0;  // 0: none
  // Where the call goes on; must outlive it. Null: at its first step.
  const TrainCheckpoint* resume = nullptr;
};

struct TrainResult {
  // Over the samples seen, before each step; 0 when none was. With DP-SGD neither it nor
  // n_samples_seen is private: they must not leave the site.
  double mean_loss = 0;
  int64_t n_samples_seen = 0;
  int64_t n_steps = 0;
  double seconds = 0;
  // Samples that the memory held at once: smaller than the batch where it was short. A batch is
  // then taken in parts and its gradient is their sum, so a step stays the same up to rounding
  // (BatchNorm sees the parts, of two samples or more).
  int n_at_once = 0;
};

// ceil(n_samples / batch): the steps in which every sample could be seen once.
int64_t StepsPerEpoch(int64_t n_samples, int batch);

// The learning rate of step `step` of `options.total_steps`.
double LearningRateAt(const TrainOptions& options, int64_t step);

// FedNova's |a_i|_1 for the first `n_steps` of the slice, in units of the learning rate: how much
// of its gradients they put into the weights. Wang et al. 2020, arXiv:2007.07481, section 4;
// with momentum from rest. AdamW counts as SGD without momentum.
double LocalProgress(const TrainOptions& options, int64_t n_steps);

// Trains `network` in place. The optimizer starts with `memory` and leaves its own there; without
// one it starts afresh and forgets. When the call fails, network and `memory` stay as they were. On
// the CPU the same network, set, options and memory give the same bits, whatever ran before, while
// the memory suffices. InvalidArgument: options, set, memory or checkpoint out of range or of
// another size; with BatchNorm, a step of fewer than two samples. DataLoss: the loss or a weight
// became NaN or infinite. Cancelled: the flag was set. ResourceExhausted: no memory even for one
// sample at once (BatchNorm: two). Errors of `set.read` and `on_checkpoint` are passed on.
absl::StatusOr<TrainResult> Train(Network& network, const TrainingSet& set,
                                  const TrainOptions& options, const TrainHooks& hooks = {},
                                  OptimizerMemory* memory = nullptr);

}  // namespace hilum::models

#endif  // HILUM_MODELS_TRAIN_H_

// A training that stops between two steps: killed and gone on, or ended early.
#include <atomic>
#include <cmath>
#include <optional>

#include "models/train.h"
#include "tests/models/small_set.h"
#include "tests/status_matchers.h"

namespace hilum::models {
namespace {

using absl::StatusCode;

// The last checkpoint of a training of `options` that ends after step `n_steps`.
std::optional<TrainCheckpoint> KilledAfter(int64_t n_steps, const TrainingSet& set, Network network,
                                           const TrainOptions& options) {
  std::optional<TrainCheckpoint> last;
  std::atomic<bool> cancel = false;
  TrainHooks hooks;
  hooks.on_step = [&](const TrainProgress& progress) { cancel = progress.step == n_steps; };
  hooks.cancel = &cancel;
  hooks.checkpoint_steps = 2;
  hooks.on_checkpoint = [&](const TrainCheckpoint& checkpoint) {
    last = checkpoint;
    return absl::OkStatus();
  };
  EXPECT_THAT(Train(network, set, options, hooks), StatusIs(StatusCode::kCancelled, ""));
  return last;
}

TEST(Checkpoint, GoesOnWithTheSameBits) {
  const TrainingSet set = Separable(10, 1);
  for (const Optimizer optimizer : {Optimizer::kAdamW, Optimizer::kSgd}) {
    for (const char* norm : {"group", "batch_local"}) {
      const ArchitectureOptions architecture{"covidnet-nano", 2, norm, kSide};
      TrainOptions options = Steps(7);
      options.optimizer = optimizer;
      options.fedprox_mu = 0.1f;
      Network whole = MakeNetwork(architecture, 1), rest = MakeNetwork(architecture, 1);
      OptimizerMemory whole_memory, rest_memory;
      HILUM_ASSERT_OK_AND_ASSIGN(const TrainResult in_one_go,
                                 Train(whole, set, options, {}, &whole_memory));
      const std::optional<TrainCheckpoint> last =
          KilledAfter(5, set, MakeNetwork(architecture, 1), options);
      ASSERT_TRUE(last.has_value());
      EXPECT_EQ(last->n_steps, 4);
      int64_t first_step = 0;
      TrainHooks hooks;
      hooks.resume = &*last;
      hooks.on_step = [&](const TrainProgress& progress) {
        if (first_step == 0) first_step = progress.step;
      };
      HILUM_ASSERT_OK_AND_ASSIGN(const TrainResult result,
                                 Train(rest, set, options, hooks, &rest_memory));
      EXPECT_EQ(first_step, 5) << "it does not begin again";
      EXPECT_EQ(rest.Flat(), whole.Flat()) << norm;
      EXPECT_EQ(rest.Local(), whole.Local()) << norm;
      EXPECT_EQ(rest_memory.first, whole_memory.first);
      EXPECT_EQ(rest_memory.second, whole_memory.second);
      EXPECT_EQ(rest_memory.n_steps, whole_memory.n_steps);
      EXPECT_EQ(result.mean_loss, in_one_go.mean_loss);
      EXPECT_EQ(result.n_samples_seen, in_one_go.n_samples_seen);
      EXPECT_EQ(result.n_steps, 7);
    }
  }
}

TEST(Checkpoint, ThatCannotBeKeptEndsTheCall) {
  Network network = SmallNetwork(1);
  const std::vector<float> start = network.Flat();
  TrainHooks hooks;
  hooks.checkpoint_steps = 1;
  hooks.on_checkpoint = [](const TrainCheckpoint&) {
    return absl::ResourceExhaustedError("the disk is full");
  };
  EXPECT_THAT(Train(network, Separable(8, 1), Steps(3), hooks),
              StatusIs(StatusCode::kResourceExhausted, "the disk is full"));
  EXPECT_EQ(network.Flat(), start);
}

TEST(Checkpoint, ThatDoesNotFitIsRefused) {
  const TrainingSet set = Separable(8, 1);
  const std::optional<TrainCheckpoint> good = KilledAfter(3, set, SmallNetwork(1), Steps(4));
  ASSERT_TRUE(good.has_value());
  Network network = SmallNetwork(1);
  const auto refused = [&](void (*spoil)(TrainCheckpoint&)) {
    TrainCheckpoint checkpoint = *good;
    spoil(checkpoint);
    TrainHooks hooks;
    hooks.resume = &checkpoint;
    return Train(network, set, Steps(4), hooks).status();
  };
  HILUM_EXPECT_OK(refused([](TrainCheckpoint&) {}));
  EXPECT_THAT(refused([](TrainCheckpoint& c) { c.n_steps = 4; }),
              StatusIs(StatusCode::kInvalidArgument, "the checkpoint is of 4 of 4 steps"));
  EXPECT_THAT(refused([](TrainCheckpoint& c) { c.n_steps = 0; }),
              StatusIs(StatusCode::kInvalidArgument, "is of 0 of 4 steps"));
  EXPECT_THAT(refused([](TrainCheckpoint& c) { c.weights.pop_back(); }),
              StatusIs(StatusCode::kInvalidArgument, "807089 values; the network has 807090"));
  EXPECT_THAT(refused([](TrainCheckpoint& c) { c.memory.first.pop_back(); }),
              StatusIs(StatusCode::kInvalidArgument, "the optimizer's memory is of"));
  TrainHooks nobody;
  nobody.checkpoint_steps = 1;
  EXPECT_THAT(Train(network, set, Steps(4), nobody),
              StatusIs(StatusCode::kInvalidArgument, "checkpoint_steps is 1"));
}

TEST(Train, EndsEarlyAndWhatWasTrainedCounts) {
  const TrainingSet set = Separable(10, 1);
  TrainOptions options = Steps(8);
  Network early = SmallNetwork(1), slice = SmallNetwork(1);
  int n_asked = 0;
  TrainHooks hooks;
  hooks.is_enough = [&](double seconds) {
    EXPECT_GE(seconds, 0);
    return ++n_asked == 3;
  };
  HILUM_ASSERT_OK_AND_ASSIGN(const TrainResult result, Train(early, set, options, hooks));
  EXPECT_EQ(result.n_steps, 3);
  options.n_steps = 3;  // of the same schedule
  HILUM_ASSERT_OK(Train(slice, set, options));
  EXPECT_EQ(early.Flat(), slice.Flat());
}

TEST(Train, TheTimeBeforeAKillCounts) {
  const TrainingSet set = Separable(8, 1);
  std::optional<TrainCheckpoint> last = KilledAfter(3, set, SmallNetwork(1), Steps(6));
  ASSERT_TRUE(last.has_value());
  last->seconds = 1e6;
  Network network = SmallNetwork(1);
  TrainHooks hooks;
  hooks.resume = &*last;
  hooks.is_enough = [](double seconds) { return seconds >= 1e6; };
  HILUM_ASSERT_OK_AND_ASSIGN(const TrainResult result, Train(network, set, Steps(6), hooks));
  EXPECT_EQ(result.n_steps, 3) << "one step beyond the checkpoint of step 2";
}

// Wang et al. 2020, arXiv:2007.07481, section 4.1: |a|_1 of plain SGD is tau, of SGD with momentum
// (tau - rho (1 - rho^tau) / (1 - rho)) / (1 - rho).
TEST(LocalProgress, IsFedNovasNormOfTheSteps) {
  TrainOptions options = Steps(100);
  options.schedule = Schedule::kConstant;
  EXPECT_DOUBLE_EQ(LocalProgress(options, 7), 7);
  options.optimizer = Optimizer::kSgd;
  options.momentum = 0;
  EXPECT_DOUBLE_EQ(LocalProgress(options, 7), 7);
  options.momentum = 0.9f;
  const double rho = 0.9f;
  EXPECT_NEAR(LocalProgress(options, 7), (7 - rho * (1 - std::pow(rho, 7)) / (1 - rho)) / (1 - rho),
              1e-9);
  options.schedule = Schedule::kCosine;
  EXPECT_LT(LocalProgress(options, 100) - LocalProgress(options, 50), LocalProgress(options, 50));
}

// Szegedy et al. 2016, arXiv:1512.00567, section 7: (1 - e) of the loss of the label and e of the
// mean loss over all classes.
TEST(Train, SmoothsLabels) {
  const TrainingSet set = Separable(4, 1);
  std::vector<float> pixels(4 * kSide * kSide);
  for (int64_t i = 0; i < 4; ++i) {
    HILUM_ASSERT_OK(set.read(i, std::span(pixels).subspan(i * kSide * kSide, kSide * kSide)));
  }
  Network network = SmallNetwork(1);
  const Prediction p = *network.Predict({4, 1, kSide, kSide, pixels});
  double expected = 0;
  for (int i = 0; i < 4; ++i) {
    const double of_label = -std::log(p.probabilities[2 * i + i % 2]);
    const double of_other = -std::log(p.probabilities[2 * i + (i + 1) % 2]);
    expected += (0.8 * of_label + 0.2 * (of_label + of_other) / 2) / 4;
  }
  TrainOptions options = Steps(1);
  options.augmentation = NoAugmentation();
  options.balance = Balance::kNone;
  options.label_smoothing = 0.2f;
  HILUM_ASSERT_OK_AND_ASSIGN(const TrainResult result, Train(network, set, options));
  EXPECT_NEAR(result.mean_loss, expected, 1e-5);
}

}  // namespace
}  // namespace hilum::models

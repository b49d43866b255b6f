#include "models/train.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "tests/models/small_set.h"
#include "tests/status_matchers.h"

namespace hilum::models {
namespace {

double LossOf(const Network& network, const TrainingSet& set) {
  const int64_t n = static_cast<int64_t>(set.labels.size());
  std::vector<float> pixels(n * kSide * kSide);
  for (int64_t i = 0; i < n; ++i) {
    HILUM_CHECK(set.read(i, std::span(pixels).subspan(i * kSide * kSide, kSide * kSide)).ok());
  }
  const Prediction p = *network.Predict({n, 1, kSide, kSide, pixels});
  double loss = 0;
  for (int64_t i = 0; i < n; ++i) loss -= std::log(p.probabilities[2 * i + set.labels[i]]);
  return loss / static_cast<double>(n);
}

TEST(Train, LearnsWhatCanBeLearned) {
  Network network = SmallNetwork(1);
  const TrainingSet set = Separable(16, 1), others = Separable(16, 2);
  // Far more steps than it takes: how fast it learns depends on the processor's convolutions.
  TrainOptions options = Steps(120);
  options.learning_rate = 2e-3f;
  HILUM_ASSERT_OK_AND_ASSIGN(const TrainResult result, Train(network, set, options));
  EXPECT_EQ(result.n_steps, 120);
  EXPECT_EQ(result.n_samples_seen, 480);
  EXPECT_GT(result.mean_loss, 0);
  EXPECT_LT(LossOf(network, set), 0.2);
  EXPECT_LT(LossOf(network, others), 0.3);
}

// The CT networks are in the published form, with one norm a block: do they learn at all?
TEST(Train, CtNetworksAndTheBaselineLearnWhatCanBeLearned) {
  const TrainingSet set = Separable(16, 1), others = Separable(16, 2);
  for (const char* name : {"covidnet-ct-s", "resnet18"}) {
    const ArchitectureOptions options{name, 2, "group", kSide};
    HILUM_ASSERT_OK_AND_ASSIGN(Network network,
                               Load(options, *SpecOf(options), *InitialWeights(options, 1)));
    TrainOptions steps = Steps(60);
    HILUM_ASSERT_OK(Train(network, set, steps));
    EXPECT_LT(LossOf(network, set), 0.3) << name;
    EXPECT_LT(LossOf(network, others), 0.5) << name;
  }
}

TEST(Train, TheSameSeedGivesTheSameBits) {
  const TrainingSet set = Separable(12, 1);
  Network one = SmallNetwork(1), two = SmallNetwork(1), other = SmallNetwork(1);
  HILUM_ASSERT_OK_AND_ASSIGN(const TrainResult first, Train(one, set, Steps(6)));
  HILUM_ASSERT_OK(SmallNetwork(5).Predict({3, 1, kSide, kSide, RandomPixels(3, 4)}));
  HILUM_ASSERT_OK_AND_ASSIGN(const TrainResult second, Train(two, set, Steps(6)));
  EXPECT_EQ(one.Flat(), two.Flat());
  EXPECT_EQ(first.mean_loss, second.mean_loss);
  TrainOptions options = Steps(6);
  options.seed = 12;
  HILUM_ASSERT_OK(Train(other, set, options));
  EXPECT_NE(one.Flat(), other.Flat());
}

// SGD without momentum remembers nothing, so two rounds are exactly one long run.
TEST(Train, ARoundIsASliceOfTheSchedule) {
  const TrainingSet set = Separable(10, 1);
  TrainOptions options = Steps(8);
  options.optimizer = Optimizer::kSgd;
  options.momentum = 0;
  options.learning_rate = 0.05f;
  Network whole = SmallNetwork(1), slices = SmallNetwork(1);
  HILUM_ASSERT_OK(Train(whole, set, options));
  for (int64_t first : {0, 3}) {
    options.first_step = first;
    options.n_steps = first == 0 ? 3 : 5;
    HILUM_ASSERT_OK(Train(slices, set, options));
  }
  EXPECT_EQ(whole.Flat(), slices.Flat());
}

// With the moments kept, this is so for AdamW and for momentum too.
TEST(Train, AnOptimizerThatIsKeptGoesOnAsIfNothingHadCome) {
  const TrainingSet set = Separable(10, 1);
  for (const Optimizer optimizer : {Optimizer::kAdamW, Optimizer::kSgd}) {
    TrainOptions options = Steps(8);
    options.optimizer = optimizer;
    Network whole = SmallNetwork(1), kept = SmallNetwork(1), forgot = SmallNetwork(1);
    HILUM_ASSERT_OK(Train(whole, set, options));
    OptimizerMemory memory;
    for (int64_t first : {0, 3}) {
      options.first_step = first;
      options.n_steps = first == 0 ? 3 : 5;
      HILUM_ASSERT_OK(Train(kept, set, options, {}, &memory));
      HILUM_ASSERT_OK(Train(forgot, set, options));
    }
    EXPECT_EQ(memory.n_steps, 8);
    EXPECT_EQ(whole.Flat(), kept.Flat());
    EXPECT_NE(whole.Flat(), forgot.Flat());
  }
}

TEST(Train, AMemoryThatDoesNotFitIsRefused) {
  const TrainingSet set = Separable(4, 1);
  Network network = SmallNetwork(1);
  const auto n = static_cast<size_t>(network.spec().n_params());
  const auto refused = [&](OptimizerMemory memory, Optimizer optimizer = Optimizer::kAdamW) {
    TrainOptions options = Steps(1);
    options.optimizer = optimizer;
    return Train(network, set, options, {}, &memory).status();
  };
  HILUM_EXPECT_OK(refused({.n_steps = 1, .first = std::vector<float>(n, 0.0f), .second = {}}));
  EXPECT_THAT(
      refused({.n_steps = 1, .first = std::vector<float>(n - 1), .second = {}}),
      StatusIs(absl::StatusCode::kInvalidArgument, "the optimizer's memory is of 1 steps with"));
  EXPECT_THAT(refused({.n_steps = 1, .first = {}, .second = std::vector<float>(n + 1)}),
              StatusIs(absl::StatusCode::kInvalidArgument, "are needed"));
  EXPECT_THAT(
      refused({.n_steps = 1, .first = {}, .second = std::vector<float>(n)}, Optimizer::kSgd),
      StatusIs(absl::StatusCode::kInvalidArgument, "and 0 are needed"));
  EXPECT_THAT(refused({.n_steps = -1, .first = {}, .second = {}}),
              StatusIs(absl::StatusCode::kInvalidArgument, "is of -1 steps"));
}

// One small step of plain SGD lowers the loss by rate * |gradient|^2, where the step itself gives
// the gradient: the whole backward pass against the forward pass.
TEST(Train, TheGradientIsTheSlopeOfTheLoss) {
  const TrainingSet set = Separable(8, 1);
  TrainOptions options = Steps(4);
  HILUM_ASSERT_OK_AND_ASSIGN(Network network, [&]() -> absl::StatusOr<Network> {
    Network warm = SmallNetwork(1);  // away from the zero scales of the start
    HILUM_RETURN_IF_ERROR(Train(warm, set, options));
    return warm;
  }());
  options = Steps(1);
  options.batch = 8;
  options.optimizer = Optimizer::kSgd;
  options.schedule = Schedule::kConstant;
  options.momentum = options.weight_decay = 0;
  options.augmentation = NoAugmentation();
  options.balance = Balance::kNone;
  options.learning_rate = 1e-5f;
  const double before = LossOf(network, set);
  const std::vector<float> start = network.Flat();
  HILUM_ASSERT_OK_AND_ASSIGN(const TrainResult result, Train(network, set, options));
  EXPECT_NEAR(result.mean_loss, before, 1e-5);
  const std::vector<float> end = network.Flat();
  double squares = 0;
  for (size_t i = 0; i < start.size(); ++i) squares += std::pow((start[i] - end[i]) / 1e-5, 2);
  EXPECT_GT(squares, 1e-3);
  EXPECT_NEAR((before - LossOf(network, set)) / (1e-5 * squares), 1, 0.1) << squares;
}

TEST(Train, FedProxStaysNearTheStart) {
  const TrainingSet set = Separable(12, 1);
  double distance[2];
  for (int i = 0; i < 2; ++i) {
    Network network = SmallNetwork(1);
    const std::vector<float> start = network.Flat();
    TrainOptions options = Steps(12);
    options.optimizer = Optimizer::kSgd;
    options.schedule = Schedule::kConstant;
    options.learning_rate = 0.02f;
    options.fedprox_mu = i == 0 ? 0.0f : 10.0f;
    HILUM_ASSERT_OK(Train(network, set, options));
    const std::vector<float> end = network.Flat();
    distance[i] = 0;
    for (size_t k = 0; k < start.size(); ++k) distance[i] += std::pow(end[k] - start[k], 2);
  }
  EXPECT_LT(distance[1], 0.5 * distance[0]);
}

TEST(Train, ACutGradientMovesNoFurtherThanItsNorm) {
  Network network = SmallNetwork(1);
  const std::vector<float> start = network.Flat();
  TrainOptions options = Steps(1);
  options.optimizer = Optimizer::kSgd;
  options.schedule = Schedule::kConstant;
  options.weight_decay = 0;
  options.learning_rate = 1;
  options.max_gradient_norm = 0.01f;
  HILUM_ASSERT_OK(Train(network, Separable(8, 1), options));
  const std::vector<float> end = network.Flat();
  double squares = 0;
  for (size_t i = 0; i < start.size(); ++i) squares += std::pow(end[i] - start[i], 2);
  EXPECT_NEAR(std::sqrt(squares), 0.01, 1e-4);
}

TEST(Train, AMemoryStaysAsItWasWhenTheCallFails) {
  const TrainingSet set = Separable(4, 1);
  Network network = SmallNetwork(1);
  OptimizerMemory memory;
  HILUM_ASSERT_OK(Train(network, set, Steps(2), {}, &memory));
  const OptimizerMemory before = memory;
  std::atomic<bool> cancel = false;
  const TrainHooks hooks{.on_step = [&](const TrainProgress& p) { cancel = p.step == 2; },
                         .cancel = &cancel};
  EXPECT_THAT(Train(network, set, Steps(4), hooks, &memory).status(),
              StatusIs(absl::StatusCode::kCancelled, ""));
  EXPECT_EQ(memory.n_steps, before.n_steps);
  EXPECT_EQ(memory.first, before.first);
  EXPECT_EQ(memory.second, before.second);
}

TEST(Train, CancelStopsBetweenStepsAndPutsTheWeightsBack) {
  Network network = SmallNetwork(1);
  const std::vector<float> start = network.Flat();
  std::atomic<bool> cancel = false;
  TrainHooks hooks;
  hooks.cancel = &cancel;
  int64_t n_steps = 0;
  hooks.on_step = [&](const TrainProgress& progress) {
    n_steps = progress.step;
    EXPECT_EQ(progress.n_steps, 10);
    EXPECT_TRUE(std::isfinite(progress.loss));
    cancel = progress.step == 3;
  };
  EXPECT_THAT(Train(network, Separable(8, 1), Steps(10), hooks),
              StatusIs(absl::StatusCode::kCancelled, "after 3 of 10 steps"));
  EXPECT_EQ(n_steps, 3);
  EXPECT_EQ(network.Flat(), start);
  // The network can still be used and trained.
  HILUM_EXPECT_OK(network.Predict({1, 1, kSide, kSide, RandomPixels(1, 1)}));
  HILUM_EXPECT_OK(Train(network, Separable(8, 1), Steps(2)));
}

TEST(Train, ALossThatIsNoNumberIsAnErrorAndPutsTheWeightsBack) {
  Network network = SmallNetwork(1);
  const std::vector<float> start = network.Flat();
  TrainingSet set = Separable(8, 1);
  const auto good = set.read;
  set.read = [good](int64_t index, std::span<float> pixels) {
    HILUM_RETURN_IF_ERROR(good(index, pixels));
    if (index == 3) pixels[5] = std::nanf("");
    return absl::OkStatus();
  };
  TrainOptions options = Steps(4);
  options.augmentation = NoAugmentation();
  EXPECT_THAT(Train(network, set, options),
              StatusIs(absl::StatusCode::kDataLoss, "the loss is not finite after step"));
  EXPECT_EQ(network.Flat(), start);
}

TEST(Train, PassesOnWhatTheSetSays) {
  Network network = SmallNetwork(1);
  TrainingSet set = Separable(8, 1);
  set.read = [](int64_t, std::span<float>) { return absl::NotFoundError("the film is gone"); };
  EXPECT_THAT(Train(network, set, Steps(2)), StatusIs(absl::StatusCode::kNotFound, "film is gone"));
}

TEST(Train, RefusesASetThatDoesNotFit) {
  Network network = SmallNetwork(1);
  TrainingSet set = Separable(8, 1);
  set.labels[5] = 2;
  EXPECT_THAT(Train(network, set, Steps(1)),
              StatusIs(absl::StatusCode::kInvalidArgument, "sample 5 has the label 2"));
  set = Separable(8, 1);
  set.height = 64;
  EXPECT_THAT(Train(network, set, Steps(1)),
              StatusIs(absl::StatusCode::kInvalidArgument, "64 x 32"));
  EXPECT_THAT(Train(network, TrainingSet{}, Steps(1)),
              StatusIs(absl::StatusCode::kInvalidArgument, "no samples"));
  EXPECT_THAT(InMemory(1, 2, 2, {1, 2, 3}, {0}),
              StatusIs(absl::StatusCode::kInvalidArgument, "3 values for 1 labels, 4"));
  EXPECT_THAT(InMemory(0, 2, 2, {}, {}), StatusIs(absl::StatusCode::kInvalidArgument, "0 x 2 x 2"));
}

TEST(Train, RefusesOptionsOutOfRange) {
  const float nan = std::nanf("");
  const struct {
    const char* sentence;
    void (*spoil)(TrainOptions&, float nan);
  } rows[] = {
      {"learning_rate is 0", [](TrainOptions& o, float) { o.learning_rate = 0; }},
      {"learning_rate is nan", [](TrainOptions& o, float nan) { o.learning_rate = nan; }},
      {"momentum is 1", [](TrainOptions& o, float) { o.momentum = 1; }},
      {"weight_decay is -1", [](TrainOptions& o, float) { o.weight_decay = -1; }},
      {"fedprox_mu is 101", [](TrainOptions& o, float) { o.fedprox_mu = 101; }},
      {"label_smoothing is 0.6", [](TrainOptions& o, float) { o.label_smoothing = 0.6f; }},
      {"max_gradient_norm is -1", [](TrainOptions& o, float) { o.max_gradient_norm = -1; }},
      {"batch is 0", [](TrainOptions& o, float) { o.batch = 0; }},
      {"steps 0 to 0", [](TrainOptions& o, float) { o.n_steps = 0; }},
      {"steps 1 to 3", [](TrainOptions& o, float) { o.first_step = 1; }},
      {"steps -1 to 1", [](TrainOptions& o, float) { o.first_step = -1; }},
      {"zoom is 0.6", [](TrainOptions& o, float) { o.augmentation.zoom = 0.6f; }},
      {"shift is nan", [](TrainOptions& o, float nan) { o.augmentation.shift = nan; }},
      {"n_threads is 0", [](TrainOptions& o, float) { o.n_threads = 0; }},
  };
  Network network = SmallNetwork(1);
  const TrainingSet set = Separable(8, 1);
  for (const auto& row : rows) {
    TrainOptions options = Steps(2);
    row.spoil(options, nan);
    EXPECT_THAT(Train(network, set, options),
                StatusIs(absl::StatusCode::kInvalidArgument, row.sentence));
  }
}

}  // namespace
}  // namespace hilum::models

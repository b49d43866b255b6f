// The pieces of training that need no network: augmentation, batches, optimizers, schedules.
#include <algorithm>
#include <cmath>
#include <map>

#include "models/augment.h"
#include "models/optimizer.h"
#include "models/sampler.h"
#include "tests/status_matchers.h"

namespace hilum::models {
namespace {

using ::testing::ElementsAre;

std::vector<float> Ramp(int n) {
  std::vector<float> pixels(n);
  for (int i = 0; i < n; ++i) pixels[i] = static_cast<float>(i % 97) / 97;
  return pixels;
}

TEST(Warp, TheIdentityKeepsEveryPixel) {
  const std::vector<float> before = Ramp(2 * 9 * 7);
  std::vector<float> pixels = before, scratch;
  ApplyWarp({}, 2, 9, 7, pixels, scratch);
  for (size_t i = 0; i < before.size(); ++i) EXPECT_NEAR(pixels[i], before[i], 1e-5) << i;
  EXPECT_EQ(DrawWarp(NoAugmentation(), 1, 2, 3).xx, 1);
  EXPECT_EQ(DrawWarp(NoAugmentation(), 1, 2, 3).brightness, 1);
}

TEST(Warp, ShiftsByWholePixelsAndFillsWithZero) {
  const std::vector<float> before = Ramp(8 * 8);
  std::vector<float> pixels = before, scratch;
  Warp warp;
  warp.x0 = 2.0f * 2 / 8;  // reads two pixels further right
  ApplyWarp(warp, 1, 8, 8, pixels, scratch);
  for (int y = 0; y < 8; ++y) {
    for (int x = 0; x < 8; ++x) {
      EXPECT_NEAR(pixels[8 * y + x], x < 6 ? before[8 * y + x + 2] : 0, 1e-5) << y << " " << x;
    }
  }
}

TEST(Warp, FlipsAndBrightens) {
  std::vector<float> pixels{0.1f, 0.2f, 0.3f, 0.95f}, scratch;
  Warp warp;
  warp.xx = -1;
  warp.brightness = 1.1f;
  ApplyWarp(warp, 1, 1, 4, pixels, scratch);
  EXPECT_NEAR(pixels[0], 1, 1e-5);  // cut
  EXPECT_NEAR(pixels[1], 0.33, 1e-5);
  EXPECT_NEAR(pixels[3], 0.11, 1e-5);
}

TEST(Warp, RotatesByNinetyDegreesExactly) {
  Augmentation only_rotation = NoAugmentation();
  only_rotation.rotation_degrees = 90;
  Warp warp = DrawWarp(only_rotation, 0, 0, 0);
  // A rotation: both rows have length 1 and are perpendicular.
  EXPECT_NEAR(warp.xx * warp.xx + warp.xy * warp.xy, 1, 1e-6);
  EXPECT_NEAR(warp.xx * warp.yx + warp.xy * warp.yy, 0, 1e-6);
  warp = {0, -1, 0, 1, 0, 0, 1};
  std::vector<float> pixels{0.1f, 0.2f, 0.3f, 0.4f}, scratch;
  ApplyWarp(warp, 1, 2, 2, pixels, scratch);
  EXPECT_NEAR(pixels[0], 0.2, 1e-6);
  EXPECT_NEAR(pixels[1], 0.4, 1e-6);
  EXPECT_NEAR(pixels[2], 0.1, 1e-6);
  EXPECT_NEAR(pixels[3], 0.3, 1e-6);
}

TEST(Warp, DrawsFollowFromSeedPassAndSampleAndStayInTheirRanges) {
  const Augmentation augmentation;
  const Warp one = DrawWarp(augmentation, 1, 2, 3), again = DrawWarp(augmentation, 1, 2, 3);
  EXPECT_EQ(one.xx, again.xx);
  EXPECT_EQ(one.brightness, again.brightness);
  EXPECT_NE(one.brightness, DrawWarp(augmentation, 1, 2, 4).brightness);
  EXPECT_NE(one.brightness, DrawWarp(augmentation, 1, 3, 3).brightness);
  EXPECT_NE(one.brightness, DrawWarp(augmentation, 2, 2, 3).brightness);
  int n_stretched = 0;
  for (uint64_t i = 0; i < 2000; ++i) {
    const Warp warp = DrawWarp(augmentation, 9, 0, i);
    EXPECT_LE(std::abs(warp.x0), 0.2f);
    EXPECT_LE(std::abs(warp.y0), 0.2f);
    EXPECT_NEAR(warp.brightness, 1, 0.1001);
    const double scale_x = std::hypot(warp.xx, warp.xy), scale_y = std::hypot(warp.yx, warp.yy);
    EXPECT_GT(warp.xx, 0) << "flipped";
    EXPECT_GE(scale_x * scale_y, 1 / (1.1501 * 1.1501));
    EXPECT_LE(scale_x * scale_y, 1 / (0.8499 * 0.8499));
    n_stretched += std::abs(scale_x / scale_y - 1) > 1e-6;
  }
  EXPECT_NEAR(n_stretched, 600, 100);  // 5 deviations of a share of 0.3
}

TEST(Sampler, AnEpochSeesEverySampleOnce) {
  const std::vector<int32_t> labels(13, 0);
  Sampler sampler(labels, Balance::kNone, 4, 5);
  for (int epoch = 0; epoch < 3; ++epoch) {
    std::map<int64_t, int> seen;
    for (int64_t step = 0; step < 4; ++step) {
      const std::vector<Draw> draws = sampler.Batch(4 * epoch + step);
      EXPECT_GE(draws.size(), 3u);
      EXPECT_LE(draws.size(), 4u);
      for (const Draw& draw : draws) {
        ++seen[draw.index];
        EXPECT_EQ(draw.pass, epoch);
      }
    }
    EXPECT_EQ(seen.size(), 13u);
  }
}

TEST(Sampler, ClassesTakeTurnsHoweverRareOneIs) {
  std::vector<int32_t> labels(30, 0);
  labels[7] = labels[21] = 1;
  Sampler sampler(labels, Balance::kClasses, 6, 5);
  std::map<int64_t, int> seen;
  for (int64_t step = 0; step < 10; ++step) {  // two epochs
    int n_rare = 0;
    for (const Draw& draw : sampler.Batch(step)) {
      n_rare += labels[draw.index];
      ++seen[draw.index];
    }
    EXPECT_EQ(n_rare, 3);
  }
  EXPECT_EQ(seen[7], 15);
  EXPECT_EQ(seen[21], 15);
  EXPECT_GE(seen.size(), 30u - 0u);  // 30 draws of the common class reach each of its 28
}

TEST(Sampler, OneClassAloneIsNoTrouble) {
  const std::vector<int32_t> labels(5, 1);
  Sampler sampler(labels, Balance::kClasses, 8, 5);
  EXPECT_EQ(sampler.Batch(0).size(), 5u);
}

TEST(Sampler, ABatchFollowsFromItsNumberAlone) {
  const std::vector<int32_t> labels{0, 1, 0, 1, 1, 0, 0};
  Sampler forward(labels, Balance::kClasses, 2, 5), later(labels, Balance::kClasses, 2, 5);
  std::vector<std::vector<int64_t>> batches;
  for (int64_t step = 0; step < 12; ++step) {
    batches.emplace_back();
    for (const Draw& draw : forward.Batch(step)) batches.back().push_back(draw.index);
  }
  for (int64_t step : {11, 3, 7, 0}) {
    std::vector<int64_t> batch;
    for (const Draw& draw : later.Batch(step)) batch.push_back(draw.index);
    EXPECT_EQ(batch, batches[step]) << step;
  }
}

const std::vector<std::vector<float>> kGradients{
    {0.1f, -0.2f, 0}, {-0.3f, 0.1f, 1e-3f}, {0.2f, 0.2f, -5}};

std::vector<float> ThreeSteps(const TrainOptions& options) {
  OptimizerState state(options, 3);
  std::vector<float> weights{1, -2, 0.5f};
  for (const auto& gradient : kGradients) state.Step(options.learning_rate, gradient, weights);
  return weights;
}

// Expected values: the update rules of PyTorch's documentation in numpy float64.
TEST(Optimizer, AdamWAgreesWithPyTorchsRule) {
  TrainOptions options;
  options.learning_rate = 0.1f;
  options.weight_decay = 0.01f;
  const std::vector<float> weights = ThreeSteps(options);
  EXPECT_NEAR(weights[0], 0.9446937, 1e-5);
  EXPECT_NEAR(weights[1], -1.89486851, 1e-5);
  EXPECT_NEAR(weights[2], 0.48803314, 1e-5);
}

TEST(Optimizer, SgdAgreesWithPyTorchsRule) {
  TrainOptions options;
  options.optimizer = Optimizer::kSgd;
  options.learning_rate = 0.1f;
  options.momentum = 0.9f;
  options.weight_decay = 0.01f;
  const std::vector<float> weights = ThreeSteps(options);
  EXPECT_NEAR(weights[0], 1.00430279, 1e-5);
  EXPECT_NEAR(weights[1], -1.97365558, 1e-5);
  EXPECT_NEAR(weights[2], 0.9970075, 1e-5);
}

TEST(Schedule, OneCycleAgreesWithPyTorch) {
  TrainOptions options;
  options.learning_rate = 0.1f;
  options.total_steps = 20;
  const struct {
    int64_t step;
    double rate;
  } rows[] = {{0, 0.004},      {1, 0.013167184270002533},
              {5, 0.1},        {6, 0.09874640062350874},
              {12, 0.0500002}, {19, 4e-7}};
  for (const auto& row : rows) {
    EXPECT_NEAR(LearningRateAt(options, row.step), row.rate, 1e-8) << row.step;
  }
}

TEST(Schedule, CosineFallsToOnePercentAndConstantStays) {
  TrainOptions options;
  options.learning_rate = 1;
  options.total_steps = 100;
  options.schedule = Schedule::kCosine;
  EXPECT_NEAR(LearningRateAt(options, 0), 1, 1e-12);
  EXPECT_NEAR(LearningRateAt(options, 50), 0.505, 1e-12);
  EXPECT_NEAR(LearningRateAt(options, 100), 0.01, 1e-12);
  options.schedule = Schedule::kConstant;
  EXPECT_EQ(LearningRateAt(options, 99), 1);
}

TEST(Schedule, AOneCycleOfOneStepIsFinite) {
  TrainOptions options;
  for (int64_t total : {1, 2, 3, 4}) {
    options.total_steps = total;
    for (int64_t step = 0; step < total; ++step) {
      EXPECT_TRUE(std::isfinite(LearningRateAt(options, step))) << step << " of " << total;
    }
  }
}

TEST(Gradient, IsCutToItsNormOnlyWhenLonger) {
  std::vector<float> gradient{3, 4};
  CutToNorm(10, gradient);
  EXPECT_THAT(gradient, ElementsAre(3, 4));
  CutToNorm(1, gradient);
  EXPECT_NEAR(gradient[0], 0.6, 1e-6);
  EXPECT_NEAR(gradient[1], 0.8, 1e-6);
}

TEST(Gradient, TheProximalTermPullsBack) {
  std::vector<float> gradient{1, 1};
  AddProximalTerm(0.5f, std::vector<float>{3, 1}, std::vector<float>{1, 1}, gradient);
  EXPECT_THAT(gradient, ElementsAre(2, 1));
}

TEST(Names, AreThoseOfTheJobFile) {
  EXPECT_EQ(*ParseOptimizer("adamw"), Optimizer::kAdamW);
  EXPECT_EQ(*ParseOptimizer("sgd"), Optimizer::kSgd);
  EXPECT_EQ(*ParseSchedule("one-cycle"), Schedule::kOneCycle);
  EXPECT_EQ(*ParseSchedule("cosine"), Schedule::kCosine);
  EXPECT_EQ(*ParseSchedule("constant"), Schedule::kConstant);
  EXPECT_EQ(*ParseBalance("classes"), Balance::kClasses);
  EXPECT_EQ(*ParseBalance("none"), Balance::kNone);
  EXPECT_THAT(ParseOptimizer("adam"), StatusIs(absl::StatusCode::kInvalidArgument,
                                               "\"adam\" is not known; there are adamw, sgd"));
}

}  // namespace
}  // namespace hilum::models

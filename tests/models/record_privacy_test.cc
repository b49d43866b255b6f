#include "models/record_privacy.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "base/seeded_random.h"
#include "tests/models/small_network.h"
#include "tests/status_matchers.h"

namespace hilum::models {
namespace {

using absl::StatusCode;

DrawWords Words(uint64_t seed) {
  auto random = std::make_shared<SeededRandom>(seed);
  return [random](std::span<uint32_t> words) {
    for (uint32_t& word : words) word = static_cast<uint32_t>(random->Uniform() * 0x1p32);
  };
}

// DP-SGD without noise, so that a test sees the sum.
RecordPrivacy Quiet(double rate, double clip_l2) {
  return {.sample_rate = rate,
          .clip_l2 = clip_l2,
          .sensitivity = 0x1p26,
          .draw = Words(3),
          .add_noise = [](std::span<int64_t>) { return absl::OkStatus(); }};
}

double LengthOf(std::span<const int64_t> values) {
  double square = 0;
  for (const int64_t value : values) square += static_cast<double>(value) * value;
  return std::sqrt(square);
}

TEST(PoissonSample, DrawsEachSampleByItself) {
  constexpr int64_t kN = 10'000;
  const DrawWords draw = Words(5);
  int64_t total = 0, joint = 0;
  for (int i = 0; i < 20; ++i) {
    const std::vector<int64_t> drawn = PoissonSample(kN, 0.1, draw);
    EXPECT_TRUE(std::is_sorted(drawn.begin(), drawn.end()));
    total += static_cast<int64_t>(drawn.size());
    joint += std::count_if(drawn.begin(), drawn.end(), [&](int64_t at) {
      return at % 2 == 0 && std::binary_search(drawn.begin(), drawn.end(), at + 1);
    });
  }
  // Binomial: 6 standard deviations. Neighbours are drawn together as often as chance has it.
  EXPECT_NEAR(total, 20'000, 6 * std::sqrt(200'000 * 0.1 * 0.9));
  EXPECT_NEAR(joint, 1000, 6 * std::sqrt(100'000 * 0.01 * 0.99));
  EXPECT_EQ(PoissonSample(kN, 1.0, draw).size(), static_cast<size_t>(kN));
}

TEST(PoissonSample, RoundsTheRateDown) {
  // The word of a sample is all ones: below floor(rate 2^64) for no rate below 1.
  const DrawWords ones = [](std::span<uint32_t> words) { std::ranges::fill(words, ~0U); };
  EXPECT_TRUE(PoissonSample(5, std::nextafter(1.0, 0.0), ones).empty());
  const DrawWords zeros = [](std::span<uint32_t> words) { std::ranges::fill(words, 0U); };
  EXPECT_EQ(PoissonSample(5, 1e-12, zeros).size(), 5u);
  EXPECT_TRUE(PoissonSample(5, 1e-20, zeros).empty()) << "a rate below 2^-64 is none";
}

TEST(ClippedSum, OneSampleNeverChangesTheSumByMoreThanTheSensitivity) {
  constexpr int64_t kParams = 501;
  const RecordPrivacy privacy = Quiet(1, 0.5);
  for (const double scale : {1e-6, 0.01, 1.0, 1e6, 1e18}) {
    ClippedSum sum(privacy, kParams);
    std::vector<float> gradient(kParams);
    SeededRandom random(1);
    for (float& value : gradient) value = static_cast<float>(scale * (random.Uniform() - 0.5));
    sum.Add(gradient);
    EXPECT_LE(LengthOf(sum.sum()), privacy.sensitivity) << scale;
    double square = 0;
    for (const float value : gradient) square += static_cast<double>(value) * value;
    // As long as the gradient, or as the clip, but for the rounding of each coordinate.
    const double expected = sum.grid() * std::min(0.5, std::sqrt(square));
    EXPECT_NEAR(LengthOf(sum.sum()), expected, std::sqrt(kParams) / 2 + 1e-6 * expected) << scale;
  }
}

TEST(ClippedSum, DividesByTheFixedNumberWhateverWasDrawn) {
  const RecordPrivacy privacy = Quiet(1, 10.0);
  ClippedSum sum(privacy, 2);
  const std::vector<float> gradient = {1.0f, -2.0f};
  sum.Add(gradient);
  sum.Add(gradient);
  std::vector<float> mean(2);
  HILUM_ASSERT_OK(sum.Release(8, mean));
  EXPECT_NEAR(mean[0], 0.25f, 1e-6);
  EXPECT_NEAR(mean[1], -0.5f, 1e-6);
  sum.Clear();
  HILUM_ASSERT_OK(sum.Release(8, mean));
  EXPECT_EQ(mean, (std::vector<float>{0.0f, 0.0f}));
}

TEST(ClippedSum, NaNAddsNothingAndEndsNothing) {
  const RecordPrivacy privacy = Quiet(1, 1.0);
  ClippedSum sum(privacy, 2);
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    sum.Add(std::vector<float>{0.5f, bad});
  }
  EXPECT_EQ(LengthOf(sum.sum()), 0.0);
}

TrainingSet SmallSet(int n) {
  std::vector<int32_t> labels(static_cast<size_t>(n));
  for (int i = 0; i < n; ++i) labels[static_cast<size_t>(i)] = i % 2;
  return *InMemory(1, kSide, kSide, RandomPixels(n, 4), std::move(labels));
}

TrainOptions PrivateSteps(int64_t n_steps, RecordPrivacy privacy) {
  TrainOptions options;
  options.optimizer = Optimizer::kSgd;
  options.schedule = Schedule::kConstant;
  options.momentum = 0;
  options.weight_decay = 0;
  options.learning_rate = 0.1f;
  options.n_steps = options.total_steps = n_steps;
  options.batch = 4;
  options.balance = Balance::kNone;
  options.augmentation = NoAugmentation();
  options.privacy = std::move(privacy);
  return options;
}

// With all samples, a clip that never acts and no noise, DP-SGD is SGD on the whole set.
TEST(Train, WithoutNoiseAndClipDpSgdIsSgd) {
  const TrainingSet set = SmallSet(4);
  Network by_sample = SmallNetwork(1), whole = SmallNetwork(1);
  HILUM_ASSERT_OK(Train(by_sample, set, PrivateSteps(2, Quiet(1, 1e3))));
  TrainOptions plain = PrivateSteps(2, Quiet(1, 1e3));
  plain.privacy.reset();
  HILUM_ASSERT_OK(Train(whole, set, plain));
  const std::vector<float> start = SmallNetwork(1).Flat(), a = by_sample.Flat(), b = whole.Flat();
  double moved = 0, apart = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    moved = std::max<double>(moved, std::abs(b[i] - start[i]));
    apart = std::max<double>(apart, std::abs(a[i] - b[i]));
  }
  EXPECT_GT(moved, 1e-4);
  EXPECT_LT(apart, 1e-3 * moved + 1e-5);
}

TEST(Train, DpSgdCountsItsStepsAndMayDrawNobody) {
  Network network = SmallNetwork(1);
  const std::vector<float> start = network.Flat();
  HILUM_ASSERT_OK_AND_ASSIGN(const TrainResult result,
                             Train(network, SmallSet(4), PrivateSteps(3, Quiet(1e-18, 1))));
  EXPECT_EQ(result.n_steps, 3);
  EXPECT_EQ(result.n_samples_seen, 0);
  EXPECT_EQ(result.mean_loss, 0);
  EXPECT_EQ(network.Flat(), start);
}

// Else a server could make a model that breaks on one film, and see who has it.
TEST(Train, AFilmThatDivergesDoesNotEndDpSgd) {
  std::vector<float> pixels = RandomPixels(2, 4);
  pixels[0] = std::numeric_limits<float>::infinity();
  const TrainingSet set = *InMemory(1, kSide, kSide, std::move(pixels), {0, 1});
  Network network = SmallNetwork(1);
  HILUM_ASSERT_OK_AND_ASSIGN(const TrainResult result,
                             Train(network, set, PrivateSteps(2, Quiet(1, 1))));
  EXPECT_EQ(result.n_samples_seen, 4);
  EXPECT_TRUE(std::isfinite(result.mean_loss));
}

// One film more or less changes the sum by its own gradient alone: the others are augmented as
// before, wherever they stand in the list now.
TEST(Train, TheAugmentationOfAFilmGoesByItsName) {
  constexpr int kN = 4;
  const std::vector<float> pixels = RandomPixels(kN, 4);
  const size_t one = pixels.size() / kN;
  const auto train = [&](const std::vector<int>& order, bool named) {
    std::vector<float> placed;
    std::vector<int32_t> labels;
    std::vector<uint64_t> names;
    for (const int i : order) {
      const auto from = pixels.begin() + static_cast<std::ptrdiff_t>(i * one);
      placed.insert(placed.end(), from, from + static_cast<std::ptrdiff_t>(one));
      labels.push_back(i % 2);
      names.push_back(100 + static_cast<uint64_t>(i));
    }
    TrainingSet set = *InMemory(1, kSide, kSide, std::move(placed), std::move(labels));
    if (named) set.names = std::move(names);
    TrainOptions options = PrivateSteps(1, Quiet(1, 1));
    options.augmentation = Augmentation{};
    Network network = SmallNetwork(1);
    HILUM_EXPECT_OK(Train(network, set, options));
    return network.Flat();
  };
  // Their clipped gradients are integers, so their order does not matter either.
  EXPECT_EQ(train({0, 1, 2, 3}, true), train({3, 1, 0, 2}, true));
  EXPECT_NE(train({0, 1, 2, 3}, false), train({3, 1, 0, 2}, false));
  TrainingSet set = SmallSet(2);
  set.names = {7};
  Network network = SmallNetwork(1);
  EXPECT_THAT(Train(network, set, PrivateSteps(1, Quiet(1, 1))),
              StatusIs(StatusCode::kInvalidArgument, "has 1 names for 2 samples"));
}

TEST(Train, AnErrorOfTheNoiseEndsDpSgd) {
  Network network = SmallNetwork(1);
  const std::vector<float> start = network.Flat();
  RecordPrivacy privacy = Quiet(1, 1);
  privacy.add_noise = [](std::span<int64_t>) { return absl::InternalError("no noise"); };
  EXPECT_THAT(Train(network, SmallSet(2), PrivateSteps(1, privacy)),
              StatusIs(StatusCode::kInternal, "no noise"));
  EXPECT_EQ(network.Flat(), start);
}

TEST(Train, DpSgdThatWouldNotHoldIsRefused) {
  Network network = SmallNetwork(1);
  const auto refused = [&](auto change, const char* sentence) {
    TrainOptions options = PrivateSteps(1, Quiet(0.5, 1));
    change(options);
    EXPECT_THAT(Train(network, SmallSet(2), options),
                StatusIs(StatusCode::kInvalidArgument, sentence));
  };
  refused([](auto& o) { o.privacy->sample_rate = 0; }, "sampling rate is 0");
  refused([](auto& o) { o.privacy->sample_rate = std::nan(""); }, "sampling rate is nan");
  refused([](auto& o) { o.privacy->clip_l2 = 0; }, "gradient is 0");
  refused([](auto& o) { o.privacy->sensitivity = 8; }, "the sensitivity is 8");
  refused([](auto& o) { o.privacy->add_noise = nullptr; }, "has no noise");
  refused([](auto& o) { o.privacy->draw = nullptr; }, "has no noise");
  refused([](auto& o) { o.balance = Balance::kClasses; }, "samples are not balanced");
  refused([](auto& o) { o.max_gradient_norm = 1; }, "the sum is not clipped again");
}

}  // namespace
}  // namespace hilum::models

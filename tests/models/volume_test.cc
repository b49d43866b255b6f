// covidnet-vol: volumes with a lung mask, and without.
#include <algorithm>
#include <cmath>
#include <string>

#include "models/initial_weights.h"
#include "models/load.h"
#include "models/train.h"
#include "tests/models/small_network.h"
#include "tests/status_matchers.h"

namespace hilum::models {
namespace {

using absl::StatusCode;

constexpr int kRows = 192, kColumns = 288;
constexpr int64_t kSlices = 4;

ArchitectureOptions Volumes(int channels = 2) {
  return {.name = "covidnet-vol", .n_classes = 2, .channels = channels};
}

// Class 1 has stripes across, class 0 stripes along; the mask, where there is one, is all ones.
std::vector<float> Volume(int channels, int label) {
  std::vector<float> pixels;
  for (int channel = 0; channel < channels; ++channel) {
    for (int64_t i = 0; i < kSlices * kRows * kColumns; ++i) {
      const int64_t row = i / kColumns % kRows, column = i % kColumns;
      const bool stripe = (label == 1 ? row : column) / 4 % 2 == 0;
      pixels.push_back(channel == 1 || stripe ? 1.0f : 0.0f);
    }
  }
  return pixels;
}

TrainingSet Set(int channels) {
  TrainingSet set{.channels = channels, .height = kRows, .width = kColumns, .labels = {0, 1}};
  set.slices = kSlices;
  set.read = [channels](int64_t index, std::span<float> pixels) {
    std::ranges::copy(Volume(channels, static_cast<int>(index)), pixels.begin());
    return absl::OkStatus();
  };
  return set;
}

ImageBatch BatchOf(int channels, std::span<const float> pixels) {
  ImageBatch batch{1, channels, kRows, kColumns, pixels};
  batch.slices = kSlices;
  return batch;
}

// docs/models.md: one channel less is a stem of 16 x 5 x 7 x 7 weights less.
TEST(Volume, CountsEqualTheDocumentedOnes) {
  EXPECT_EQ(Describe(Volumes(1))->n_params, 343058);
  HILUM_ASSERT_OK_AND_ASSIGN(const Description network, Describe(Volumes()));
  EXPECT_EQ(network.macs, 12449729600);
  const Layer& last = network.layers[network.layers.size() - 3];
  EXPECT_EQ(last.name, "head.conv3");
  EXPECT_EQ(last.slices, 1);
  EXPECT_EQ(last.output, (std::array<int64_t, 3>{32, 6, 9}));
}

TEST(Volume, TensorsHaveTheDocumentedNamesAndShapes) {
  HILUM_ASSERT_OK_AND_ASSIGN(const ModelSpec spec, SpecOf(Volumes()));
  const auto shape = [&](const std::string& name) {
    for (const TensorSpec& tensor : spec.tensors) {
      if (tensor.name == name) return tensor.shape;
    }
    return std::vector<int64_t>{};
  };
  using Shape = std::vector<int64_t>;
  EXPECT_EQ(shape("stem.conv.weight"), (Shape{16, 2, 5, 7, 7}));
  EXPECT_EQ(shape("stages.0.0.a.weight"), (Shape{16, 16, 3, 1, 1}));
  EXPECT_EQ(shape("stages.1.0.b.weight"), (Shape{32, 32, 1, 3, 3}));
  EXPECT_EQ(shape("stages.1.0.shortcut_norm.bias"), (Shape{128}));
  EXPECT_EQ(shape("head.conv1.weight"), (Shape{64, 128, 3, 3, 3}));
  EXPECT_EQ(shape("head.conv3.bias"), (Shape{32}));
  EXPECT_EQ(shape("head.fc2.weight"), (Shape{2, 32}));
}

TEST(Volume, IsTrainedAndSeesEachOfItsParts) {
  for (const int channels : {1, 2}) {
    for (const char* norm : {"group", "batch"}) {
      ArchitectureOptions architecture = Volumes(channels);
      architecture.norm = norm;
      Network network = MakeNetwork(architecture, 1);
      const std::vector<float> before = network.Flat();
      TrainOptions options;
      options.n_steps = options.total_steps = 2;
      options.batch = 2;
      options.weight_decay = 0;  // only gradients move anything
      options.augmentation = NoAugmentation();
      HILUM_ASSERT_OK_AND_ASSIGN(const TrainResult result, Train(network, Set(channels), options));
      EXPECT_TRUE(std::isfinite(result.mean_loss));
      const std::vector<float> after = network.Flat();
      for (const TensorSpec& tensor : network.spec().tensors) {
        const bool moved =
            !std::equal(after.begin() + tensor.offset, after.begin() + tensor.offset + tensor.size,
                        before.begin() + tensor.offset);
        EXPECT_TRUE(moved) << tensor.name << " " << norm;
      }
      HILUM_ASSERT_OK_AND_ASSIGN(const Prediction zero,
                                 network.Predict(BatchOf(channels, Volume(channels, 0))));
      HILUM_ASSERT_OK_AND_ASSIGN(const Prediction one,
                                 network.Predict(BatchOf(channels, Volume(channels, 1))));
      EXPECT_NE(zero.logits, one.logits);
    }
  }
}

TEST(Volume, RefusesWhatItDoesNotTake) {
  Network network = MakeNetwork(Volumes(), 1);
  const std::vector<float> pixels = Volume(2, 0);
  ImageBatch batch = BatchOf(2, pixels);
  batch.slices = 1;
  EXPECT_THAT(network.Predict(batch),
              StatusIs(StatusCode::kInvalidArgument, "2 channels and 1 slices of 192 x 288"));
  EXPECT_THAT(network.Predict(BatchOf(1, pixels)),
              StatusIs(StatusCode::kInvalidArgument, "covidnet-vol takes 2 channels"));
  EXPECT_THAT(network.Explain(BatchOf(2, pixels), 0),
              StatusIs(StatusCode::kInvalidArgument, "has no heat map"));
  batch = BatchOf(2, pixels);
  batch.slices = 5;
  EXPECT_THAT(network.Predict(batch), StatusIs(StatusCode::kInvalidArgument, "sizes ask for"));
  TrainingSet set = Set(2);
  set.height = 96;
  TrainOptions options;
  options.n_steps = options.total_steps = 1;
  EXPECT_THAT(Train(network, set, options),
              StatusIs(StatusCode::kInvalidArgument, "4 slices of 96 x 288 pixels"));
  EXPECT_THAT(SpecOf(Volumes(3)), StatusIs(StatusCode::kInvalidArgument, "takes 1 or 2 channels"));
  ArchitectureOptions flat = SmallOptions();
  flat.channels = 1;
  EXPECT_THAT(SpecOf(flat), StatusIs(StatusCode::kInvalidArgument, "takes 3 channels, not 1"));
  Network images = SmallNetwork(1);
  ImageBatch volume{1, 1, kSide, kSide, pixels};
  volume.slices = 2;
  EXPECT_THAT(images.Predict(volume),
              StatusIs(StatusCode::kInvalidArgument, "takes images, not volumes of 2 slices"));
}

}  // namespace
}  // namespace hilum::models

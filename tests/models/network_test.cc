#include "models/network.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <utility>

#include "base/seeded_random.h"
#include "models/initial_weights.h"
#include "models/load.h"
#include "tests/models/small_network.h"
#include "tests/status_matchers.h"

namespace hilum::models {
namespace {

using ::testing::Each;
using ::testing::Ge;
using ::testing::Le;

// Weights and images of tests/vectors/models/forward_reference.py.
std::vector<float> ReferenceWeights(const ModelSpec& spec) {
  std::vector<float> flat(spec.n_params());
  for (const TensorSpec& tensor : spec.tensors) {
    double fan_in = 1;
    for (size_t i = 1; i < tensor.shape.size(); ++i) fan_in *= static_cast<double>(tensor.shape[i]);
    for (int64_t i = tensor.offset; i < tensor.offset + tensor.size; ++i) {
      const double u =
          static_cast<double>(static_cast<uint64_t>(i) * 2654435761 % (1ull << 32)) / 4294967296.0 -
          0.5;
      const bool scale = tensor.name.ends_with("norm.weight");
      const double value = tensor.shape.size() > 1 ? u * 2.5 / std::sqrt(fan_in)
                           : scale                 ? 1 + u
                                                   : u;
      flat[i] = static_cast<float>(value);
    }
  }
  return flat;
}

std::vector<double> ReferenceLogits(const std::string& name) {
  std::ifstream file(HILUM_SOURCE_DIR "/tests/vectors/models/" + name + "_logits.txt");
  std::string comment;
  std::getline(file, comment);
  std::vector<double> values(4);
  for (double& value : values) file >> value;
  EXPECT_TRUE(file.good());
  return values;
}

// Two images: stripes, and a ramp.
std::vector<float> ReferencePixels() {
  std::vector<float> pixels;
  for (int i = 0; i < kSide * kSide; ++i) {
    pixels.push_back(static_cast<float>(std::fmod(i * 0.618034, 1)));
  }
  for (int i = 0; i < kSide * kSide; ++i) {
    pixels.push_back(static_cast<float>(i / kSide * (i % kSide)) / 1024);
  }
  return pixels;
}

// One network of each kind of block.
TEST(Predict, EachKindOfBlockAgreesWithTheNumpyReference) {
  const std::pair<const char*, const char*> networks[] = {
      {"covidnet-nano", "nano32"}, {"covidnet-ct-s", "ct32"}, {"resnet18", "resnet32"}};
  const std::vector<float> pixels = ReferencePixels();
  for (const auto& [name, vectors] : networks) {
    const ArchitectureOptions options{name, 2, "group", kSide};
    const ModelSpec spec = *SpecOf(options);
    HILUM_ASSERT_OK_AND_ASSIGN(const Network network, Load(options, spec, ReferenceWeights(spec)));
    HILUM_ASSERT_OK_AND_ASSIGN(const Prediction prediction,
                               network.Predict({2, 1, kSide, kSide, pixels}));
    const std::vector<double> expected = ReferenceLogits(vectors);
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(prediction.logits[i], expected[i], 2e-5) << name << " " << i;
    }
  }
}

// Names, order, layout and the whole forward pass against a second program.
TEST(Predict, AgreesWithTheNumpyReference) {
  const ModelSpec spec = *SpecOf(SmallOptions());
  HILUM_ASSERT_OK_AND_ASSIGN(const Network network,
                             Load(SmallOptions(), spec, ReferenceWeights(spec)));
  const std::vector<float> pixels = ReferencePixels();
  HILUM_ASSERT_OK_AND_ASSIGN(const Prediction prediction,
                             network.Predict({2, 1, kSide, kSide, pixels}));
  const std::vector<double> expected = ReferenceLogits("nano32");
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(prediction.logits[i], expected[i], 1e-5) << i;
  }
  // The same images with three equal channels, and one at a time.
  std::vector<float> three;
  for (int image = 0; image < 2; ++image) {
    for (int channel = 0; channel < 3; ++channel) {
      const auto begin = pixels.begin() + image * kSide * kSide;
      three.insert(three.end(), begin, begin + kSide * kSide);
    }
  }
  HILUM_ASSERT_OK_AND_ASSIGN(const Prediction of_three,
                             network.Predict({2, 3, kSide, kSide, three}));
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(of_three.logits[i], expected[i], 1e-5) << i;
  const std::span<const float> second(pixels.data() + kSide * kSide, kSide * kSide);
  HILUM_ASSERT_OK_AND_ASSIGN(const Prediction alone, network.Predict({1, 1, kSide, kSide, second}));
  EXPECT_NEAR(alone.logits[1], expected[3], 1e-5);
}

TEST(Predict, GivesProbabilitiesAndTheSameBitsTwice) {
  const Network network = SmallNetwork(1);
  const std::vector<float> pixels = RandomPixels(5, 1);
  HILUM_ASSERT_OK_AND_ASSIGN(const Prediction one, network.Predict({5, 1, kSide, kSide, pixels}));
  HILUM_ASSERT_OK_AND_ASSIGN(const Prediction two, network.Predict({5, 1, kSide, kSide, pixels}));
  EXPECT_EQ(one.logits, two.logits);
  for (int i = 0; i < 5; ++i) {
    EXPECT_NEAR(one.probabilities[2 * i] + one.probabilities[2 * i + 1], 1, 1e-6);
    const double odds = std::exp(one.logits[2 * i + 1] - one.logits[2 * i]);
    EXPECT_NEAR(one.probabilities[2 * i + 1], odds / (1 + odds), 1e-6);
  }
}

TEST(Predict, TwoThreadsGiveTheSameAnswer) {
  const Network network = SmallNetwork(1);
  const std::vector<float> pixels = RandomPixels(4, 1);
  HILUM_ASSERT_OK_AND_ASSIGN(const Prediction one, network.Predict({4, 1, kSide, kSide, pixels}));
  HILUM_ASSERT_OK_AND_ASSIGN(const Prediction two,
                             network.Predict({4, 1, kSide, kSide, pixels}, 2));
  for (size_t i = 0; i < 8; ++i) EXPECT_NEAR(one.logits[i], two.logits[i], 1e-5);
}

TEST(Predict, RefusesWrongImages) {
  const Network network = SmallNetwork(1);
  std::vector<float> pixels = RandomPixels(1, 1);
  EXPECT_THAT(network.Predict({1, 2, kSide, kSide, pixels}),
              StatusIs(absl::StatusCode::kInvalidArgument, "2 channels"));
  EXPECT_THAT(network.Predict({0, 1, kSide, kSide, {}}),
              StatusIs(absl::StatusCode::kInvalidArgument, "0 images"));
  EXPECT_THAT(network.Predict({1, 1, kSide, 2 * kSide, pixels}),
              StatusIs(absl::StatusCode::kInvalidArgument, "32 x 64"));
  EXPECT_THAT(network.Predict({2, 1, kSide, kSide, pixels}),
              StatusIs(absl::StatusCode::kInvalidArgument, "sizes ask for 2048"));
  EXPECT_THAT(network.Predict({1, 1, kSide, kSide, pixels}, 0),
              StatusIs(absl::StatusCode::kInvalidArgument, "n_threads is 0"));
  pixels[17] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(network.Predict({1, 1, kSide, kSide, pixels}),
              StatusIs(absl::StatusCode::kDataLoss, "an image holds NaN or an infinite"));
}

TEST(Predict, AnAnswerThatIsNoNumberIsAnError) {
  const ModelSpec spec = *SpecOf(SmallOptions());
  std::vector<float> flat = *InitialWeights(SmallOptions(), 1);
  for (int64_t i = spec.tensors.back().offset; i < spec.n_params(); ++i) flat[i] = 3e38f;
  const TensorSpec& head = spec.tensors[spec.tensors.size() - 2];
  for (int64_t i = 0; i < head.size; ++i) flat[head.offset + i] = 3e38f;
  HILUM_ASSERT_OK_AND_ASSIGN(const Network network, Load(SmallOptions(), spec, flat));
  EXPECT_THAT(network.Predict({1, 1, kSide, kSide, RandomPixels(1, 1)}),
              StatusIs(absl::StatusCode::kDataLoss, "the network's answer"));
}

TEST(Load, ReturnsTheWeightsItWasGiven) {
  const std::vector<float> flat = *InitialWeights(SmallOptions(), 3);
  HILUM_ASSERT_OK_AND_ASSIGN(const Network network,
                             Load(SmallOptions(), *SpecOf(SmallOptions()), flat));
  EXPECT_EQ(network.Flat(), flat);
  EXPECT_EQ(network.spec(), *SpecOf(SmallOptions()));
  EXPECT_EQ(network.options().input_size, kSide);
}

TEST(Load, RefusesAnotherLayout) {
  const ModelSpec spec = *SpecOf(SmallOptions());
  const std::vector<float> flat = *InitialWeights(SmallOptions(), 1);
  ModelSpec renamed = spec;
  renamed.tensors[4].name = "stages.0.0.project1.conv.weights";
  EXPECT_THAT(
      Load(SmallOptions(), renamed, flat),
      StatusIs(absl::StatusCode::kInvalidArgument, "tensor 4 of the weights is stages.0.0"));
  ModelSpec reshaped = spec;
  reshaped.tensors[0].shape = {32, 49, 3};
  EXPECT_THAT(Load(SmallOptions(), reshaped, flat),
              StatusIs(absl::StatusCode::kInvalidArgument, "[32, 49, 3]"));
  ModelSpec swapped = spec;
  std::swap(swapped.tensors[1], swapped.tensors[2]);
  EXPECT_THAT(Load(SmallOptions(), swapped, flat),
              StatusIs(absl::StatusCode::kInvalidArgument, "tensor 1"));
  ModelSpec shorter = spec;
  shorter.tensors.pop_back();
  EXPECT_THAT(Load(SmallOptions(), shorter, flat),
              StatusIs(absl::StatusCode::kInvalidArgument, "have 244 tensors"));
  // Weights of three classes in a network of two.
  const ModelSpec three = *SpecOf({"covidnet-nano", 3, "group", kSide});
  EXPECT_THAT(Load(SmallOptions(), three, std::vector<float>(three.n_params())),
              StatusIs(absl::StatusCode::kInvalidArgument, "head.fc1.weight [3, 512]"));
}

TEST(Load, RefusesWrongLengthsAndValuesThatAreNoNumbers) {
  const ModelSpec spec = *SpecOf(SmallOptions());
  std::vector<float> flat = *InitialWeights(SmallOptions(), 1);
  EXPECT_THAT(Load(SmallOptions(), spec, std::span<const float>(flat).first(812)),
              StatusIs(absl::StatusCode::kInvalidArgument, "812 values, covidnet-nano has 807090"));
  for (float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    std::vector<float> spoiled = flat;
    spoiled[spec.tensors[7].offset] = bad;
    EXPECT_THAT(Load(SmallOptions(), spec, spoiled),
                StatusIs(absl::StatusCode::kDataLoss, spec.tensors[7].name));
  }
}

TEST(Load, RefusesAnUnknownNetwork) {
  EXPECT_THAT(Load({"resnet-50"}, {}, {}), StatusIs(absl::StatusCode::kNotFound, "resnet-50"));
}

TEST(Explain, GivesAMapOfTheImagesSize) {
  const Network network = SmallNetwork(1);
  const std::vector<float> pixels = RandomPixels(1, 2);
  HILUM_ASSERT_OK_AND_ASSIGN(const HeatMap map, network.Explain({1, 1, kSide, kSide, pixels}, 1));
  EXPECT_EQ(map.height, kSide);
  EXPECT_EQ(map.width, kSide);
  EXPECT_EQ(map.values.size(), static_cast<size_t>(kSide) * kSide);
  EXPECT_THAT(map.values, Each(Ge(0)));
  EXPECT_THAT(map.values, Each(Le(1)));
  EXPECT_THAT(network.Explain({1, 1, kSide, kSide, pixels}, 2),
              StatusIs(absl::StatusCode::kInvalidArgument, "class 2"));
  EXPECT_THAT(network.Explain({2, 1, kSide, kSide, RandomPixels(2, 2)}, 0),
              StatusIs(absl::StatusCode::kInvalidArgument, "2 images"));
}

// Saporta et al.: an overlay that does not depend on the weights explains nothing.
TEST(Explain, AnotherNetworkGivesAnotherMap) {
  const ArchitectureOptions options{"covidnet-nano", 2, "group", 128};
  const ModelSpec spec = *SpecOf(options);
  SeededRandom random(3);
  std::vector<float> pixels(128 * 128);
  for (float& pixel : pixels) pixel = static_cast<float>(random.Uniform());
  std::vector<HeatMap> maps;
  for (uint64_t seed : {1, 2}) {
    HILUM_ASSERT_OK_AND_ASSIGN(const Network network,
                               Load(options, spec, *InitialWeights(options, seed)));
    HILUM_ASSERT_OK_AND_ASSIGN(HeatMap map, network.Explain({1, 1, 128, 128, pixels}, 1));
    EXPECT_EQ(*std::ranges::max_element(map.values), 1);
    maps.push_back(std::move(map));
  }
  EXPECT_NE(maps[0].values, maps[1].values);
}

// The largest network, so the plain form: biases, one norm a block, a flat head.
TEST(Predict, RunsThePaperForm) {
  const ArchitectureOptions options{"covidnet-paper224", 2};
  const std::vector<float> flat = *InitialWeights(options, 1);
  HILUM_ASSERT_OK_AND_ASSIGN(const Network network, Load(options, *SpecOf(options), flat));
  const std::vector<float> pixels(224 * 224, 0.5f);
  HILUM_ASSERT_OK_AND_ASSIGN(const Prediction prediction,
                             network.Predict({1, 1, 224, 224, pixels}));
  EXPECT_NEAR(prediction.probabilities[0] + prediction.probabilities[1], 1, 1e-6);
}

}  // namespace
}  // namespace hilum::models

#include "models/architecture.h"

#include <array>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "models/initial_weights.h"
#include "tests/status_matchers.h"

namespace hilum::models {
namespace {

// docs/models.md, the tables of X-ray networks and of tensors.
TEST(Architecture, CountsEqualTheDocumentedTables) {
  const struct {
    const char* name;
    int n_classes, input_size;
    int64_t n_params, n_tensors;
    double gmacs;
  } rows[] = {{"covidnet-nano", 3, 0, 807603, 245, 0.193},
              {"covidnet-nano", 3, 128, 807603, 245, 0.063},
              {"covidnet-tiny", 3, 0, 4202851, 247, 2.951},
              {"covidnet-s", 3, 0, 8600195, 247, 5.865},
              {"covidnet-paper224", 3, 0, 116241859, 201, 2.265},
              {"covidnet-paper224", 2, 0, 116240834, 201, 2.265},
              {"covidnet-ct-s", 3, 0, 450027, 171, 0.994},
              {"covidnet-ct-l", 3, 0, 1400587, 173, 1.993},
              {"covidnet-vol", 2, 0, 346978, 37, 12.450},
              // torchvision's ResNet-18 has 11,689,512 parameters and 1.814 GMACs.
              {"resnet18", 1000, 0, 11689512, 62, 1.814},
              {"resnet18", 3, 0, 11178051, 62, 1.814}};
  for (const auto& row : rows) {
    HILUM_ASSERT_OK_AND_ASSIGN(const Description network,
                               Describe({row.name, row.n_classes, "group", row.input_size}));
    EXPECT_EQ(network.n_params, row.n_params) << row.name;
    EXPECT_EQ(network.n_tensors, row.n_tensors) << row.name;
    EXPECT_NEAR(static_cast<double>(network.macs) * 1e-9, row.gmacs, 5e-4) << row.name;
  }
}

// The parameters of each part of covidnet-paper224.
TEST(Architecture, PartsOfThePaperFormEqualTheDocumentedTable) {
  HILUM_ASSERT_OK_AND_ASSIGN(const Description network, Describe({"covidnet-paper224"}));
  std::map<std::string, int64_t> n_params;
  std::map<std::string, std::array<int64_t, 3>> output;
  for (const Layer& layer : network.layers) {
    const size_t dot = layer.name.find('.', layer.name.rfind("stages.", 0) == 0 ? 7 : 0);
    const std::string part = layer.name.substr(0, dot);
    n_params[part] += layer.n_params;
    output[part] = layer.output;
  }
  EXPECT_EQ(n_params, (std::map<std::string, int64_t>{{"stem", 9536},
                                                      {"stages.0", 110208},
                                                      {"stages.1", 672256},
                                                      {"stages.2", 4246528},
                                                      {"stages.3", 7389184},
                                                      {"head", 103814147}}));
  EXPECT_EQ(output["stem"], (std::array<int64_t, 3>{64, 112, 112}));
  EXPECT_EQ(output["stages.0"], (std::array<int64_t, 3>{256, 56, 56}));
  EXPECT_EQ(output["stages.3"], (std::array<int64_t, 3>{2048, 7, 7}));
}

TEST(SpecOf, HasTheDocumentedNamesShapesAndNoGaps) {
  HILUM_ASSERT_OK_AND_ASSIGN(const ModelSpec spec, SpecOf({"covidnet-nano", 2}));
  EXPECT_EQ(spec.architecture, "covidnet-nano");
  std::map<std::string, std::vector<int64_t>> shapes;
  int64_t offset = 0;
  for (const TensorSpec& tensor : spec.tensors) {
    EXPECT_EQ(tensor.offset, offset) << tensor.name;
    int64_t size = 1;
    for (int64_t extent : tensor.shape) size *= extent;
    EXPECT_EQ(tensor.size, size) << tensor.name;
    offset += size;
    EXPECT_TRUE(shapes.emplace(tensor.name, tensor.shape).second) << tensor.name;
  }
  EXPECT_EQ(offset, spec.n_params());
  EXPECT_EQ(spec.tensors.front().name, "stem.conv.weight");
  EXPECT_EQ(spec.tensors.back().name, "head.fc1.bias");
  using Shape = std::vector<int64_t>;
  EXPECT_EQ(shapes["stem.conv.weight"], (Shape{32, 3, 7, 7}));
  EXPECT_EQ(shapes["stages.0.0.project1.conv.weight"], (Shape{8, 32, 1, 1}));
  EXPECT_EQ(shapes["stages.0.1.project1.norm.weight"], (Shape{16}));
  EXPECT_EQ(shapes["stages.2.5.depthwise.conv.weight"], (Shape{128, 1, 3, 3}));
  EXPECT_EQ(shapes["stages.3.2.extend.conv.weight"], (Shape{512, 128, 1, 1}));
  EXPECT_EQ(shapes["head.fc1.weight"], (Shape{2, 512}));
}

TEST(SpecOf, ThePlainFormHasBiasesAndOneNormABlock) {
  HILUM_ASSERT_OK_AND_ASSIGN(const ModelSpec spec, SpecOf({"covidnet-paper224"}));
  std::set<std::string> names;
  for (const TensorSpec& tensor : spec.tensors) names.insert(tensor.name);
  for (const char* name : {"stages.0.0.project1.bias", "stages.3.2.norm.weight", "head.fc3.bias"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
  EXPECT_FALSE(names.contains("stem.conv.bias"));
}

TEST(SpecOf, BlocksWithShortcutsHaveThemWhereWidthOrSizeChanges) {
  const auto shortcuts = [](const char* name) {
    std::vector<std::string> names;
    const Description network = *Describe({name, 2});
    for (const Layer& layer : network.layers) {
      if (layer.name.find("shortcut") == std::string::npos) continue;
      if (layer.kind == LayerKind::kConvolution) names.push_back(layer.name);
    }
    return names;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(shortcuts("covidnet-ct-l"), (Names{"stages.0.0.shortcut", "stages.1.0.shortcut",
                                               "stages.2.0.shortcut", "stages.3.0.shortcut"}));
  EXPECT_EQ(shortcuts("covidnet-ct-s"),
            (Names{"stages.1.0.shortcut", "stages.2.0.shortcut", "stages.3.0.shortcut"}));
  EXPECT_EQ(shortcuts("resnet18").size(), 3u);
  // The last stage of covidnet-ct is 16 x 16 at 512, that of resnet18 7 x 7 at 224.
  const auto last = [](const char* name) {
    const Description network = *Describe({name, 2});
    return network.layers[network.layers.size() - 2].output;
  };
  EXPECT_EQ(last("covidnet-ct-l"), (std::array<int64_t, 3>{512, 16, 16}));
  EXPECT_EQ(last("resnet18"), (std::array<int64_t, 3>{512, 7, 7}));
}

TEST(SpecOf, RefusesWhatTheNetworkDoesNotTake) {
  EXPECT_THAT(SpecOf({"covidnet-xl"}),
              StatusIs(absl::StatusCode::kNotFound, "covidnet-nano, covidnet-tiny"));
  EXPECT_THAT(SpecOf({"covidnet-nano", 1}),
              StatusIs(absl::StatusCode::kInvalidArgument, "2 to 1000 classes, 1 were"));
  EXPECT_THAT(SpecOf({"covidnet-nano", 3, "layer"}),
              StatusIs(absl::StatusCode::kInvalidArgument, "norm \"layer\""));
  EXPECT_THAT(SpecOf({"covidnet-nano", 3, "group", 31}),
              StatusIs(absl::StatusCode::kInvalidArgument, "32 to 2048 pixels, not 31"));
  EXPECT_THAT(SpecOf({"covidnet-paper224", 3, "group", 480}),
              StatusIs(absl::StatusCode::kInvalidArgument, "of 224 pixels, not 480"));
}

TEST(InitialWeights, FollowFromTheSeedAlone) {
  const ArchitectureOptions options{"covidnet-nano", 2};
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<float> one, InitialWeights(options, 1));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<float> again, InitialWeights(options, 1));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<float> two, InitialWeights(options, 2));
  EXPECT_EQ(one, again);
  EXPECT_NE(one, two);
  // A second program (Python integers and numpy.float32): the same bits on every computer.
  EXPECT_EQ(one[0], 0.17913987f);
  EXPECT_EQ(one[1], -0.013148276f);
  EXPECT_EQ(one[3], 0.19556119f);
  EXPECT_EQ(static_cast<int64_t>(one.size()), SpecOf(options)->n_params());
}

TEST(InitialWeights, EveryTensorStartsAsDocumented) {
  const ArchitectureOptions options{"covidnet-nano", 2};
  const std::vector<float> weights = *InitialWeights(options, 7);
  const ModelSpec spec = *SpecOf(options);
  int n_zero_scales = 0;
  for (const TensorSpec& tensor : spec.tensors) {
    const auto begin = weights.begin() + tensor.offset;
    const std::vector<float> values(begin, begin + tensor.size);
    if (tensor.shape.size() > 1) {
      double fan_in = 1, squares = 0;
      for (size_t i = 1; i < tensor.shape.size(); ++i)
        fan_in *= static_cast<double>(tensor.shape[i]);
      for (float value : values) {
        EXPECT_LE(std::abs(value), std::sqrt(6 / fan_in) + 1e-6) << tensor.name;
        squares += static_cast<double>(value) * value;
      }
      // The variance of the uniform distribution is 2 / fan_in; 5 deviations of its estimate.
      const double n = static_cast<double>(tensor.size);
      EXPECT_NEAR(squares / n * fan_in / 2, 1, 5 * std::sqrt(0.8 / n)) << tensor.name;
      continue;
    }
    const bool is_scale = tensor.name.ends_with("norm.weight");
    const bool zero = tensor.name.ends_with("extend.norm.weight") &&
                      tensor.name.find(".0.extend") == std::string::npos;
    n_zero_scales += zero;
    EXPECT_EQ(values, std::vector<float>(tensor.size, is_scale && !zero ? 1.0f : 0.0f))
        << tensor.name;
  }
  EXPECT_EQ(n_zero_scales, 2 + 3 + 5 + 2);
}

}  // namespace
}  // namespace hilum::models

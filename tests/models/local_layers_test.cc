// Layers that stay at the site: what SpecOf leaves out, BatchNorm, and what training does to both.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <string>
#include <utility>

#include "models/train.h"
#include "tests/models/small_set.h"
#include "tests/status_matchers.h"

namespace hilum::models {
namespace {

using absl::StatusCode;

ArchitectureOptions With(const std::string& norm, std::vector<std::string> local = {}) {
  return {"covidnet-nano", 2, norm, kSide, std::move(local)};
}

bool Has(const ModelSpec& spec, const char* part) {
  return std::ranges::any_of(spec.tensors, [&](const TensorSpec& tensor) {
    return tensor.name.find(part) != std::string::npos;
  });
}

TEST(LocalSpecOf, FedBnKeepsTheNormsAndTheirStatistics) {
  HILUM_ASSERT_OK_AND_ASSIGN(const ModelSpec shared, SpecOf(With("batch_local")));
  HILUM_ASSERT_OK_AND_ASSIGN(const ModelSpec local, LocalSpecOf(With("batch_local")));
  HILUM_ASSERT_OK_AND_ASSIGN(const Description all, Describe(With("batch_local")));
  EXPECT_FALSE(Has(shared, ".norm."));
  EXPECT_TRUE(Has(local, "stages.3.2.extend.norm.weight"));
  EXPECT_EQ(local.tensors.size() % 4, 0u);
  const size_t n_norms = local.tensors.size() / 4;
  EXPECT_EQ(shared.tensors.size() + 2 * n_norms, static_cast<size_t>(all.n_tensors));
  EXPECT_EQ(all.n_params, Describe(SmallOptions())->n_params) << "the count is the same";
  // Weights first, then statistics: half of the values each.
  EXPECT_EQ(shared.n_params() + local.n_params() / 2, all.n_params);
  EXPECT_EQ(local.tensors[2 * n_norms].name, "stem.norm.running_mean");
  EXPECT_EQ(local.tensors.back().name, "stages.3.2.extend.norm.running_var");
}

TEST(LocalSpecOf, BatchSharesWeightsAndNoStatistics) {
  HILUM_ASSERT_OK_AND_ASSIGN(const ModelSpec shared, SpecOf(With("batch")));
  HILUM_ASSERT_OK_AND_ASSIGN(const ModelSpec local, LocalSpecOf(With("batch")));
  EXPECT_EQ(shared, *SpecOf(SmallOptions())) << "the same layout as with GroupNorm";
  EXPECT_FALSE(Has(shared, "running"));
  EXPECT_TRUE(std::ranges::all_of(local.tensors, [](const TensorSpec& tensor) {
    return tensor.name.find(".running_") != std::string::npos;
  }));
}

TEST(LocalSpecOf, PatternsNameTensors) {
  const auto names = [](std::vector<std::string> patterns) {
    std::vector<std::string> found;
    const ModelSpec local = *LocalSpecOf(With("group", std::move(patterns)));
    for (const TensorSpec& tensor : local.tensors) found.push_back(tensor.name);
    return found;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names({}), Names{});
  EXPECT_EQ(names({"head.*"}), (Names{"head.fc1.weight", "head.fc1.bias"}));
  EXPECT_EQ(names({"stem*bias", "head.fc1.bias"}), (Names{"stem.norm.bias", "head.fc1.bias"}));
  EXPECT_EQ(names({"*.0.0.*1.conv.weight"}), (Names{"stages.0.0.project1.conv.weight"}));
  const auto refused = [](const std::string& pattern) {
    return SpecOf(With("group", {pattern})).status();
  };
  EXPECT_THAT(refused("head"), StatusIs(StatusCode::kInvalidArgument, "\"head\" fits no tensor"));
  EXPECT_THAT(refused("*"),
              StatusIs(StatusCode::kInvalidArgument, "no tensor of covidnet-nano to"));
  std::string hostile;
  for (int i = 0; i < 31; ++i) hostile += "*.";
  EXPECT_THAT(refused(hostile + "x"), StatusIs(StatusCode::kInvalidArgument, "fits no tensor"));
}

TEST(InitialLocal, IsTheSameAtEverySite) {
  const ArchitectureOptions head = With("group", {"head.*"});
  const std::vector<float> whole = *InitialWeights(SmallOptions(), 0);
  std::vector<float> joined = *InitialWeights(head, 0);
  const std::vector<float> local = *InitialLocal(head);
  joined.insert(joined.end(), local.begin(), local.end());
  EXPECT_EQ(joined, whole);
  const ModelSpec spec = *LocalSpecOf(With("batch"));
  const std::vector<float> statistics = *InitialLocal(With("batch"));
  ASSERT_EQ(static_cast<int64_t>(statistics.size()), spec.n_params());
  EXPECT_EQ(statistics[spec.tensors[0].offset], 0.0f);
  EXPECT_EQ(statistics[spec.tensors[1].offset], 1.0f);
}

TEST(Load, RefusesLocalLayersThatDoNotFit) {
  const ArchitectureOptions options = With("batch_local");
  const ModelSpec spec = *SpecOf(options), kept = *LocalSpecOf(options);
  const std::vector<float> flat = *InitialWeights(options, 1), local = *InitialLocal(options);
  HILUM_EXPECT_OK(Load(options, spec, flat, local));
  EXPECT_THAT(Load(options, spec, flat),
              StatusIs(StatusCode::kInvalidArgument, "what stays at the site has 0 values"));
  std::vector<float> spoiled = local;
  spoiled[kept.tensors.back().offset] = -1.0f;
  EXPECT_THAT(Load(options, spec, flat, spoiled),
              StatusIs(StatusCode::kDataLoss, "running_var holds a variance below 0"));
  spoiled[kept.tensors.back().offset] = std::nanf("");
  EXPECT_THAT(Load(options, spec, flat, spoiled), StatusIs(StatusCode::kDataLoss, "NaN"));
  EXPECT_THAT(Load(SmallOptions(), *SpecOf(SmallOptions()), *InitialWeights(SmallOptions(), 1),
                   std::vector<float>(3)),
              StatusIs(StatusCode::kInvalidArgument, "has 3 values"));
}

TEST(BatchNorm, PredictsByItsStatisticsAndNotByTheBatch) {
  Network network = MakeNetwork(With("batch"), 1);
  HILUM_ASSERT_OK(Train(network, Separable(8, 1), Steps(4)));
  const std::vector<float> pixels = RandomPixels(3, 5);
  HILUM_ASSERT_OK_AND_ASSIGN(const Prediction all, network.Predict({3, 1, kSide, kSide, pixels}));
  HILUM_ASSERT_OK_AND_ASSIGN(
      const Prediction one,
      network.Predict({1, 1, kSide, kSide, std::span(pixels).first(kSide * kSide)}));
  for (int k : {0, 1}) {
    EXPECT_NEAR(one.logits[k], all.logits[k], 1e-3 * (1 + std::abs(all.logits[k])));
  }
}

TEST(BatchNorm, KeepsWhatItLearnedAtTheSite) {
  const ArchitectureOptions options = With("batch_local");
  Network network = MakeNetwork(options, 1);
  const std::vector<float> before = network.Local();
  HILUM_ASSERT_OK(Train(network, Separable(16, 1), Steps(6)));
  const std::vector<float> after = network.Local();
  const ModelSpec kept = network.local_spec();
  const auto moved = [&](const TensorSpec& tensor) {
    return !std::equal(after.begin() + tensor.offset, after.begin() + tensor.offset + tensor.size,
                       before.begin() + tensor.offset);
  };
  for (const TensorSpec& tensor : kept.tensors) {
    if (!tensor.name.starts_with("stem.")) continue;
    EXPECT_TRUE(moved(tensor)) << tensor.name;
  }
  HILUM_ASSERT_OK_AND_ASSIGN(const Network again,
                             Load(options, network.spec(), network.Flat(), after));
  const std::vector<float> pixels = RandomPixels(2, 9);
  EXPECT_EQ(again.Predict({2, 1, kSide, kSide, pixels})->logits,
            network.Predict({2, 1, kSide, kSide, pixels})->logits);
}

TEST(BatchNorm, PutsItsStatisticsBackWhenTheCallFails) {
  Network network = MakeNetwork(With("batch_local"), 1);
  const std::vector<float> flat = network.Flat(), local = network.Local();
  std::atomic<bool> cancel = false;
  const TrainHooks hooks{.on_step = [&](const TrainProgress& p) { cancel = p.step == 2; },
                         .cancel = &cancel};
  EXPECT_THAT(Train(network, Separable(8, 1), Steps(4), hooks),
              StatusIs(StatusCode::kCancelled, ""));
  EXPECT_EQ(network.Flat(), flat);
  EXPECT_EQ(network.Local(), local);
}

TEST(BatchNorm, RefusesAStepOfALoneSample) {
  Network network = MakeNetwork(With("batch"), 1);
  EXPECT_THAT(Train(network, Separable(1, 1), Steps(1)),
              StatusIs(StatusCode::kInvalidArgument, "norm \"batch\" needs at least 2 in each"));
  TrainOptions options = Steps(1);
  options.batch = 2;
  EXPECT_THAT(Train(network, Separable(3, 1), options),
              StatusIs(StatusCode::kInvalidArgument, "3 samples in batches of 2"));
}

TEST(Train, WithDpSgdNothingStaysAtTheSite) {
  Network network = MakeNetwork(With("batch"), 1);
  TrainOptions options = Steps(1);
  options.balance = Balance::kNone;
  options.privacy =
      RecordPrivacy{.sample_rate = 0.5,
                    .clip_l2 = 1,
                    .sensitivity = 1e6,
                    .draw = [](std::span<uint32_t> words) { std::ranges::fill(words, 0u); },
                    .add_noise = [](std::span<int64_t>) { return absl::OkStatus(); }};
  EXPECT_THAT(Train(network, Separable(8, 1), options),
              StatusIs(StatusCode::kInvalidArgument, "all of the network is shared"));
}

}  // namespace
}  // namespace hilum::models

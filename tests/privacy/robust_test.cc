#include "privacy/robust.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tests/privacy/fixtures.h"
#include "tests/status_matchers.h"

namespace hilum::privacy {
namespace {

using absl::StatusCode;

constexpr size_t kParams = 5;

Bytes VectorOf(const std::vector<float>& delta, uint32_t weight, const RoundConfig& config,
               uint16_t site) {
  const absl::StatusOr<MaskedUpdate> update =
      Prepare({.delta = delta, .weight = weight}, config, Stream(site));
  EXPECT_TRUE(update.ok()) << update.status();
  Bytes bytes(update->words().size() * sizeof(uint32_t));
  std::memcpy(bytes.data(), update->words().data(), bytes.size());
  return bytes;
}

// Five honest sites near one another, with weights of their own, and two that send their opposite.
std::vector<OpenedUpdate> SevenUpdates(const RoundConfig& config) {
  std::vector<OpenedUpdate> updates;
  for (uint16_t site = 0; site < 7; ++site) {
    std::vector<float> delta(kParams);
    for (size_t j = 0; j < kParams; ++j) {
      delta[j] = 0.1f + 0.01f * static_cast<float>(j) + 0.001f * static_cast<float>(site);
      if (site >= 5) delta[j] *= -4.0f;
    }
    absl::StatusOr<OpenedUpdate> update =
        OpenUpdate(VectorOf(delta, site >= 5 ? 1000 : 10 + site, config, site), config);
    EXPECT_TRUE(update.ok()) << update.status();
    if (update.ok()) updates.push_back(*std::move(update));
  }
  return updates;
}

TEST(OpenUpdate, TakesTheWeightOutAgain) {
  const RoundConfig config = OpenRound(7, kParams);
  const std::vector<float> delta = {0.25f, -0.125f, 0.0f, 0.5f, -0.5f};
  for (const uint32_t weight : {1U, 7U, 1000U}) {
    HILUM_ASSERT_OK_AND_ASSIGN(const OpenedUpdate update,
                               OpenUpdate(VectorOf(delta, weight, config, 0), config));
    // One unit of rounding, divided by the share that the weight is of W.
    const double unit = config.max_weight / (config.scale * weight);
    for (size_t j = 0; j < kParams; ++j) EXPECT_NEAR(update.values()[j], delta[j], unit + 1e-7);
  }
}

TEST(OpenUpdate, RefusesMasksLengthsAndWeights) {
  RoundConfig config = OpenRound(7, kParams);
  Bytes vector = VectorOf(std::vector<float>(kParams, 0.1f), 5, config, 0);
  const auto with = [&](size_t extra, uint32_t value) {
    Bytes changed = vector;
    std::memcpy(changed.data() + (kParams + extra) * sizeof(uint32_t), &value, sizeof(value));
    return OpenUpdate(changed, config).status();
  };
  EXPECT_THAT(with(0, 0), StatusIs(StatusCode::kDataLoss, "weight 0 and count 1"));
  EXPECT_THAT(with(0, 1001), StatusIs(StatusCode::kDataLoss, "allowed are 1 to 1000"));
  EXPECT_THAT(with(1, 2), StatusIs(StatusCode::kDataLoss, "count 2"));
  EXPECT_THAT(OpenUpdate(ByteView(vector).first(vector.size() - 4), config).status(),
              StatusIs(StatusCode::kInvalidArgument, "28 bytes"));
  config.mode = RoundMode::kMaskedMean;
  EXPECT_THAT(OpenUpdate(vector, config).status(), StatusIs(StatusCode::kPermissionDenied, ""));
}

TEST(CombineRobustly, BearsTwoLiarsOfSeven) {
  const RoundConfig config = OpenRound(7, kParams);
  const std::vector<OpenedUpdate> updates = SevenUpdates(config);
  ASSERT_EQ(updates.size(), 7u);
  const std::vector<RobustOptions> rules = {
      {.rule = RobustRule::kMedian},
      {.rule = RobustRule::kTrimmedMean, .n_faulty = 2},
      {.rule = RobustRule::kKrum, .n_faulty = 2},
      {.rule = RobustRule::kMultiKrum, .n_faulty = 2},
      {.rule = RobustRule::kGeometricMedian},
  };
  for (const RobustOptions& rule : rules) {
    HILUM_ASSERT_OK_AND_ASSIGN(const RobustDelta delta,
                               CombineRobustly(updates, rule, kernels::Device::kCpu));
    ASSERT_EQ(delta.values().size(), kParams);
    for (size_t j = 0; j < kParams; ++j) {
      const float honest = 0.1f + 0.01f * static_cast<float>(j);
      EXPECT_GE(delta.values()[j], honest - 0.001f) << static_cast<int>(rule.rule);
      EXPECT_LE(delta.values()[j], honest + 0.005f) << static_cast<int>(rule.rule);
    }
  }
}

TEST(CombineRobustly, BulyanBearsOneLiarOfSeven) {
  const RoundConfig config = OpenRound(7, kParams);
  std::vector<OpenedUpdate> updates = SevenUpdates(config);
  ASSERT_EQ(updates.size(), 7u);
  HILUM_ASSERT_OK_AND_ASSIGN(
      updates[5], OpenUpdate(VectorOf(std::vector<float>(kParams, 0.12f), 9, config, 5), config));
  HILUM_ASSERT_OK_AND_ASSIGN(const RobustDelta delta,
                             CombineRobustly(updates, {.rule = RobustRule::kBulyan, .n_faulty = 1},
                                             kernels::Device::kCpu));
  for (const float value : delta.values()) {
    EXPECT_GT(value, 0.09f);
    EXPECT_LT(value, 0.16f);
  }
}

// No site moves the result by more than steps * radius / sites (Karimireddy et al. 2021).
TEST(CombineRobustly, CentredClippingBoundsEachSitesPull) {
  const RoundConfig config = OpenRound(7, kParams);
  const std::vector<OpenedUpdate> updates = SevenUpdates(config);
  HILUM_ASSERT_OK_AND_ASSIGN(
      const RobustDelta delta,
      CombineRobustly(updates, {.rule = RobustRule::kCentredClipping, .clip_radius = 0.05},
                      kernels::Device::kCpu));
  double square = 0;
  for (const float value : delta.values()) {
    EXPECT_GT(value, 0.0f);  // the five outweigh the two
    square += static_cast<double>(value) * value;
  }
  EXPECT_LE(std::sqrt(square), 3 * 0.05);
}

TEST(CombineRobustly, RefusesTooFewSites) {
  const RoundConfig config = OpenRound(7, kParams);
  const std::vector<OpenedUpdate> updates = SevenUpdates(config);
  EXPECT_THAT(
      CombineRobustly(updates, {.rule = RobustRule::kKrum, .n_faulty = 3}, kernels::Device::kCpu)
          .status(),
      StatusIs(StatusCode::kInvalidArgument, ""));
  EXPECT_THAT(
      CombineRobustly(updates, {.rule = RobustRule::kBulyan, .n_faulty = 2}, kernels::Device::kCpu)
          .status(),
      StatusIs(StatusCode::kInvalidArgument, ""));
  EXPECT_THAT(CombineRobustly({}, {}, kernels::Device::kCpu).status(),
              StatusIs(StatusCode::kInvalidArgument, ""));
}

}  // namespace
}  // namespace hilum::privacy

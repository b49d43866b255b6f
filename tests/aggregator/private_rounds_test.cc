// Rounds with differential privacy over loopback gRPC, with real masks and real noise: what the
// ledger says they cost is what an accountant written out here says.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "aggregator/replay.h"
#include "aggregator/spending.h"
#include "ledger_anchor/reader.h"
#include "proto/canonical_json.h"
#include "proto/safetensors.h"
#include "tests/aggregator/masked_site.h"
#include "tests/status_matchers.h"

namespace hilum::aggregator {
namespace {

using absl::StatusCode;
using ledger_anchor::RoundClose;

constexpr char kJob[] = "cxr-test";
constexpr int64_t kParams = 4000;
constexpr int kSites = 6;
constexpr double kSigma = 4.0;
constexpr double kDelta = 1e-5;

// The design's formula with nothing of the product in it: T Gaussian releases of multiplier z, by
// RDP at integer orders 2 to 256. The gap of the distributed sum is 0 in double precision here.
double ByHand(int n_rounds) {
  double least = std::numeric_limits<double>::infinity();
  for (int a = 2; a <= 256; ++a) {
    const double rdp = n_rounds * a / (2.0 * kSigma * kSigma);
    least = std::min(least, rdp + std::log((a - 1.0) / a) -
                                (std::log(kDelta) + std::log(static_cast<double>(a))) / (a - 1.0));
  }
  return least;
}

proto::RoundPlan PrivatePlan() {
  proto::RoundPlan plan = MaskedPlan(kJob, kParams);
  plan.privacy = {.unit = "silo", .sigma = kSigma, .delta = kDelta};
  return plan;
}

// Two rounds of six sites, nobody drops out.
class PrivateRounds : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    federation_ = new TestFederation();
    MaskedSites all(*federation_, kSites);
    HILUM_ASSERT_OK(LaunchAndApprove(*federation_, PrivatePlan(), all.sites));
    for (uint64_t round = 1; round <= 2; ++round) {
      HILUM_ASSERT_OK(all.Begin(kJob, round));
      config_[round] = all.masked[0].open().config;
      HILUM_ASSERT_OK(all.AnswerFrom(Flight::kAdvertise));
    }
    HILUM_ASSERT_OK_AND_ASSIGN(
        status_, federation_->WaitForJob(kJob, [](const auto& s) { return s.state() == "done"; }));
    HILUM_ASSERT_OK_AND_ASSIGN(
        auto view, ledger_anchor::VerifyLog(
                       ledger_anchor::FolderFetch(federation_->server().LedgerFolder()), {}));
    view_ = new ledger_anchor::LogView(std::move(view));
  }
  static void TearDownTestSuite() {
    delete view_;
    delete federation_;
  }

  ReplayInputs Inputs(uint64_t round) {
    const auto entries = ledger_anchor::FindRound(*view_, round, kJob);
    EXPECT_TRUE(entries.ok());
    std::vector<RoundClose> earlier;
    for (const auto* one : entries->earlier) {
      earlier.push_back(std::get<RoundClose>(one->entry.body));
    }
    return {.fetch =
                [](const Digest& digest, uint64_t limit) {
                  const std::string hex = ToHex(digest);
                  return ReadFile(
                      federation_->folder() / "objects/sha256" / hex.substr(0, 2) / hex.substr(2),
                      limit);
                },
            .open = entries->open->entry,
            .open_leaf = entries->open->leaf_hash,
            .close = entries->close->entry,
            .earlier = std::move(earlier),
            .members = &view_->state.members(),
            .origin = view_->state.origin(),
            .log_vkey = view_->state.log_vkey()};
  }
  RoundClose Close(uint64_t round) { return std::get<RoundClose>(Inputs(round).close.body); }
  std::vector<float> Model(int round) {
    const Bytes file = *federation_->FetchModel(status_.history(round - 1).model_sha256());
    return proto::ParseSafetensorsAs(file, PrivatePlan().spec)->flat;
  }

  static TestFederation* federation_;
  static ledger_anchor::LogView* view_;
  static privacy::RoundConfig config_[3];
  static wire::JobStatus status_;
};
TestFederation* PrivateRounds::federation_ = nullptr;
ledger_anchor::LogView* PrivateRounds::view_ = nullptr;
privacy::RoundConfig PrivateRounds::config_[3];
wire::JobStatus PrivateRounds::status_;

TEST_F(PrivateRounds, TheLedgerSaysWhatTheRunCost) {
  for (uint64_t round = 1; round <= 2; ++round) {
    ASSERT_EQ(status_.history(static_cast<int>(round) - 1).status(), "ok");
    const RoundClose close = Close(round);
    ASSERT_TRUE(close.dp.has_value());
    EXPECT_EQ(close.dp->unit, "silo");
    EXPECT_EQ(close.dp->mechanism, "discrete-gaussian");
    EXPECT_EQ(close.dp->accountant, "rdp");
    EXPECT_EQ(close.dp->delta, "0.00001");
    const double epsilon = *proto::ParseDecimal(close.dp->epsilon);
    EXPECT_GE(epsilon, ByHand(static_cast<int>(round)));  // rounded up
    EXPECT_LE(epsilon, ByHand(static_cast<int>(round)) + 2e-6);
    EXPECT_TRUE(close.metrics.items.empty()) << "no loss is told";
  }
  EXPECT_EQ(config_[1].epsilon_before, 0.0);
  EXPECT_NEAR(config_[2].epsilon_before, ByHand(1), 1e-9);
}

// The noise that the accountant was told of is in the model: six parts of variance (z Delta)^2 / 4,
// since quorum 5 less one colluder leaves 4 honest sites, in a mean over 6.
TEST_F(PrivateRounds, TheNoiseIsInTheModel) {
  EXPECT_EQ(std::max(config_[2].quorum, config_[2].u_min) - config_[2].c_max, 4);
  const std::vector<float> before = Model(1), after = Model(2);
  double square = 0.0;
  for (size_t i = 0; i < before.size(); ++i) {
    square += std::pow(static_cast<double>(after[i]) - before[i], 2.0);
  }
  const double deviation = std::sqrt(square / kParams);
  const double expected = kSigma * config_[2].clip_l2 * std::sqrt(6.0 / 4.0) / 6.0;
  // 6 standard deviations of the estimate, and the updates themselves, of norm 1 in all.
  EXPECT_NEAR(deviation / expected, 1.0, 6.0 / std::sqrt(2.0 * kParams) + 0.01);
}

TEST_F(PrivateRounds, TheAuditAcceptsThemAndNoSmallerClaim) {
  HILUM_EXPECT_OK(Replay(Inputs(1)));
  HILUM_EXPECT_OK(Replay(Inputs(2)));
  const auto refused = [&](auto change, const char* sentence) {
    ReplayInputs inputs = Inputs(1);
    change(std::get<RoundClose>(inputs.close.body).dp);
    EXPECT_THAT(Replay(inputs), StatusIs(StatusCode::kDataLoss, sentence));
  };
  refused([](auto& dp) { dp->epsilon = "0.1"; }, "the entry claims epsilon 0.1, it is at least");
  refused([](auto& dp) { dp->delta = "0.000001"; }, "unit, mechanism, delta or accountant");
  refused([](auto& dp) { dp->unit = "record"; }, "unit, mechanism, delta or accountant");
  refused([](auto& dp) { dp.reset(); }, "tells no epsilon");
}

// A server that forgets what the rounds before have spent: by their entries it is caught.
TEST_F(PrivateRounds, TheAuditAddsUpTheRoundsBefore) {
  const auto refused = [&](auto change, StatusCode code, const char* sentence) {
    ReplayInputs inputs = Inputs(2);
    change(inputs.earlier, std::get<RoundClose>(inputs.close.body));
    EXPECT_THAT(Replay(inputs), StatusIs(code, sentence));
  };
  const std::string after_both = Close(2).dp->epsilon;
  refused([&](auto& earlier, auto&) { earlier[0].dp->epsilon = after_both; }, StatusCode::kDataLoss,
          "before the round, the round before it told ");
  refused([](auto& earlier, auto&) { earlier[0].dp->epsilon = "99"; }, StatusCode::kDataLoss,
          "less than the round before it");
  refused(
      [](auto& earlier, auto&) {
        earlier[0].status = "aborted";
        earlier[0].dp.reset();
      },
      StatusCode::kDataLoss, "round 1 of the job told no epsilon and this one tells one");
  refused([](auto&, auto& close) { close.dp.reset(); }, StatusCode::kDataLoss,
          "round 1 of the job told an epsilon and this one tells none");
  refused([](auto& earlier, auto&) { earlier[0].dp->delta = "0.01"; }, StatusCode::kDataLoss,
          "round 1: its unit, mechanism, delta or accountant is not that of round 2");
  refused([](auto& earlier, auto&) { earlier.clear(); }, StatusCode::kInvalidArgument,
          "its audit needs each of 1 earlier round-closes, it got 0");
  refused([](auto& earlier, auto&) { earlier[0].round = 2; }, StatusCode::kInvalidArgument,
          "its audit needs each of 1 earlier round-closes");
}

TEST_F(PrivateRounds, ACountThatBeginsAgainIsRefused) {
  const std::vector<RoundClose> earlier = {Close(1)};
  privacy::RoundConfig config = config_[2];
  config.epsilon_before = 0.0;
  RoundClose close = Close(2);
  close.dp->epsilon = earlier[0].dp->epsilon;  // what this round alone costs
  HILUM_EXPECT_OK(CheckDpOfJob(close, earlier));
  EXPECT_THAT(CheckDpOfClose(close, earlier, PrivatePlan(), config),
              StatusIs(StatusCode::kDataLoss, "its configuration counts epsilon 0 before"));
}

TEST(CheckDpOfClose, ClippingWithoutNoiseIsNotDifferentialPrivacy) {
  RoundClose close;
  HILUM_EXPECT_OK(CheckDpOfClose(close, {}, MakePlan(kJob, 10), privacy::RoundConfig{}));
  close.dp = RoundClose::Dp{.unit = "silo",
                            .mechanism = "discrete-gaussian",
                            .epsilon = "1",
                            .delta = "0.00001",
                            .accountant = "rdp"};
  EXPECT_THAT(CheckDpOfClose(close, {}, MakePlan(kJob, 10), privacy::RoundConfig{}),
              StatusIs(StatusCode::kDataLoss, "of a round without noise"));
}

}  // namespace
}  // namespace hilum::aggregator

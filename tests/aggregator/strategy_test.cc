// Server optimizers and robust rules in whole rounds: the server's model, and an auditor's.
#include "aggregator/strategy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "aggregator/replay.h"
#include "kernels/server_step.h"
#include "ledger_anchor/reader.h"
#include "ledger_anchor/round_record.h"
#include "tests/aggregator/test_federation.h"
#include "tests/status_matchers.h"

namespace hilum::aggregator {
namespace {

using absl::StatusCode;
using ledger_anchor::RoundClose;

constexpr char kJob[] = "cxr-test";
constexpr int64_t kParams = 4'000;

// Two rounds of a job with a strategy of its own, and what an auditor finds of them.
class Played {
 public:
  Played(proto::StrategyPlan strategy, size_t n_sites) : sites_(federation_.AddSites(n_sites)) {
    proto::RoundPlan plan = MakePlan(kJob, kParams);
    plan.strategy = std::move(strategy);
    plan.cohort.minimum = static_cast<int>(n_sites);
    HILUM_EXPECT_OK(LaunchAndApprove(federation_, plan, sites_));
    for (const uint64_t round : {1, 2}) HILUM_EXPECT_OK(PlayRound(kJob, round, sites_));
    HILUM_EXPECT_OK(
        federation_.WaitForJob(kJob, [](const auto& s) { return s.state() == "done"; }).status());
    absl::StatusOr<ledger_anchor::LogView> view = ledger_anchor::VerifyLog(
        ledger_anchor::FolderFetch(federation_.server().LedgerFolder()), {});
    EXPECT_TRUE(view.ok()) << view.status();
    view_ = std::make_unique<ledger_anchor::LogView>(*std::move(view));
  }

  ReplayInputs Inputs(uint64_t round) {
    const auto entries = ledger_anchor::FindRound(*view_, round, kJob);
    EXPECT_TRUE(entries.ok());
    ReplayInputs inputs{
        .fetch = [this](const Digest& digest, uint64_t limit) { return Object(digest, limit); },
        .open = entries->open->entry,
        .open_leaf = entries->open->leaf_hash,
        .close = entries->close->entry,
        .members = &view_->state.members(),
        .origin = view_->state.origin(),
        .log_vkey = view_->state.log_vkey()};
    if (entries->before != nullptr) inputs.before = entries->before->entry;
    return inputs;
  }
  absl::StatusOr<Bytes> Object(const Digest& digest, uint64_t limit = kModelLimitBytes) {
    const auto changed = changed_.find(digest);
    if (changed != changed_.end()) return changed->second;
    const std::string hex = ToHex(digest);
    return ReadFile(federation_.folder() / "objects/sha256" / hex.substr(0, 2) / hex.substr(2),
                    limit);
  }
  RoundRecord RecordOf(uint64_t round) {
    const auto close = std::get<RoundClose>(Inputs(round).close.body);
    return *ParseRoundRecord(AsText(*Object(close.secagg->evidence)));
  }
  // Round 2's inputs with a changed record where its entry points to.
  ReplayInputs WithRecord(const RoundRecord& record) {
    ReplayInputs inputs = Inputs(2);
    const std::string text = *EncodeRoundRecord(record);
    const Digest digest = crypto::Sha256(text);
    changed_[digest] = Bytes(text.begin(), text.end());
    std::get<RoundClose>(inputs.close.body).secagg->evidence = digest;
    return inputs;
  }
  std::vector<float> Model(const Digest& digest) {
    return proto::ParseSafetensorsAs(*Object(digest), MakeSpec(kParams))->flat;
  }

 private:
  TestFederation federation_;
  std::vector<std::unique_ptr<TestSite>> sites_;
  std::unique_ptr<ledger_anchor::LogView> view_;
  std::map<Digest, Bytes> changed_;
};

privacy::RoundConfig ConfigOf(Played& played, const RoundRecord& record) {
  return *privacy::DecodeRoundConfig(*played.Object(record.config_object));
}

// The updates of a round as floats, in the order of the sites.
std::vector<std::vector<float>> UpdatesOf(Played& played, const RoundRecord& record) {
  const privacy::RoundConfig config = ConfigOf(played, record);
  std::vector<std::vector<float>> updates;
  for (const CountedUpdate& counted : record.updates) {
    const auto update = privacy::OpenUpdate(*played.Object(counted.object), config);
    EXPECT_TRUE(update.ok()) << update.status();
    updates.emplace_back(update->values().begin(), update->values().end());
  }
  return updates;
}

TEST(AdaptiveStrategy, KeepsItsMomentsFromRoundToRound) {
  for (const char* name : {"fedadagrad", "fedadam", "fedyogi"}) {
    Played played({.name = name, .server_learning_rate = 0.05}, 3);
    const RoundRecord first = played.RecordOf(1), second = played.RecordOf(2);
    ASSERT_TRUE(first.optimiser.has_value() && second.optimiser.has_value());
    EXPECT_EQ(first.optimiser->before, Digest{});
    EXPECT_EQ(second.optimiser->before, first.optimiser->after);
    EXPECT_NE(second.optimiser->after, first.optimiser->after);
    EXPECT_EQ(ConfigOf(played, second).optimiser_state, first.optimiser->after);
    EXPECT_NE(ConfigOf(played, second).optimiser, 0);
    for (const uint64_t round : {1, 2}) {
      HILUM_ASSERT_OK_AND_ASSIGN(const ReplayResult result, Replay(played.Inputs(round)));
      EXPECT_EQ(result.model, played.RecordOf(round).model);
    }
  }
}

// The paper's rule by hand, from the stored updates.
TEST(AdaptiveStrategy, MakesTheModelOfItsPaper) {
  Played played({.name = "fedadam", .server_learning_rate = 0.05}, 3);
  const kernels::ServerStepOptions options{.rule = kernels::ServerRule::kFedAdam, .rate = 0.05f};
  std::vector<float> model = played.Model(played.RecordOf(1).base_model);
  std::vector<float> m(model.size(), 0.0f), v(model.size(), options.tau * options.tau);
  for (const uint64_t round : {1, 2}) {
    const RoundRecord record = played.RecordOf(round);
    const privacy::RoundConfig config = ConfigOf(played, record);
    std::vector<double> mean(model.size(), 0.0);
    double total = 0;
    for (const CountedUpdate& counted : record.updates) {
      const Bytes bytes = *played.Object(counted.object);
      std::vector<int32_t> words(config.n_coords());
      std::memcpy(words.data(), bytes.data(), bytes.size());
      for (size_t j = 0; j < mean.size(); ++j) mean[j] += words[j];
      total += words[mean.size()];
    }
    std::vector<float> delta(mean.size());
    for (size_t j = 0; j < mean.size(); ++j) {
      delta[j] = static_cast<float>(mean[j] * (config.max_weight / (config.scale * total)));
    }
    kernels::ServerStepReference(delta, options, {.model = model, .m = m, .v = v});
    EXPECT_EQ(model, played.Model(record.model)) << "round " << round;
  }
}

TEST(AdaptiveStrategy, AnotherStateIsNoticed) {
  Played played({.name = "fedyogi", .server_learning_rate = 0.05}, 3);
  ReplayInputs inputs = played.Inputs(2);
  inputs.before.reset();
  EXPECT_THAT(Replay(inputs),
              StatusIs(StatusCode::kDataLoss, "the optimizer's state before the round"));
  RoundRecord record = played.RecordOf(2);
  record.optimiser->after[0] ^= 1;
  EXPECT_THAT(Replay(played.WithRecord(record)),
              StatusIs(StatusCode::kDataLoss, "the optimizer's state after the round"));
  record = played.RecordOf(2);
  record.optimiser->before[0] ^= 1;
  EXPECT_THAT(Replay(played.WithRecord(record)),
              StatusIs(StatusCode::kDataLoss, "the optimizer's state in the record"));
  record = played.RecordOf(2);
  record.optimiser.reset();
  EXPECT_THAT(Replay(played.WithRecord(record)),
              StatusIs(StatusCode::kDataLoss, "an optimizer's state that its plan"));
}

TEST(AdaptiveStrategy, AnExportNeedsExactlyTheListedObjects) {
  Played played({.name = "fedadam", .server_learning_rate = 0.05}, 3);
  ReplayInputs inputs = played.Inputs(2);
  HILUM_ASSERT_OK_AND_ASSIGN(
      const std::vector<Digest> digests,
      ObjectsOfRound(inputs.fetch, inputs.open, inputs.close, inputs.before));
  std::set<Digest> fetched = {played.RecordOf(2).optimiser->after};  // compared by its digest
  const FetchObject fetch = inputs.fetch;
  inputs.fetch = [&](const Digest& digest, uint64_t limit) {
    fetched.insert(digest);
    return fetch(digest, limit);
  };
  HILUM_ASSERT_OK(Replay(inputs).status());
  EXPECT_EQ(fetched, std::set<Digest>(digests.begin(), digests.end()));
}

TEST(RobustRule, TheMedianOfTheUpdatesMakesTheModel) {
  Played played({.rule = "median"}, 3);
  const RoundRecord record = played.RecordOf(1);
  const std::vector<std::vector<float>> updates = UpdatesOf(played, record);
  ASSERT_EQ(updates.size(), 3u);
  const std::vector<float> base = played.Model(record.base_model);
  const std::vector<float> model = played.Model(record.model);
  for (size_t j = 0; j < base.size(); ++j) {
    std::array<float, 3> values = {updates[0][j], updates[1][j], updates[2][j]};
    std::sort(values.begin(), values.end());
    EXPECT_EQ(model[j], static_cast<float>(double{base[j]} + double{values[1]})) << j;
  }
}

TEST(RobustRule, EachRuleIsReplayed) {
  const std::vector<proto::StrategyPlan> rules = {
      {.rule = "trimmed-mean", .n_faulty = 1},
      {.rule = "multi-krum", .n_faulty = 1},
      {.name = "fedadam", .server_learning_rate = 0.05, .rule = "krum", .n_faulty = 1},
      {.rule = "geometric-median"},
      {.rule = "centred-clipping", .clip_radius = 0.01},
  };
  for (const proto::StrategyPlan& rule : rules) {
    Played played(rule, 5);
    for (const uint64_t round : {1, 2}) {
      HILUM_ASSERT_OK_AND_ASSIGN(const ReplayResult result, Replay(played.Inputs(round)));
      EXPECT_EQ(result.model, played.RecordOf(round).model);
      EXPECT_EQ(std::get<RoundClose>(played.Inputs(round).close.body).rule.name,
                absl::StrCat(rule.name, "-", rule.rule));
    }
  }
}

}  // namespace
}  // namespace hilum::aggregator

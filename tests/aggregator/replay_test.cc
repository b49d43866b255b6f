// An auditor's view: the entries and a folder of objects, nothing else.
#include "aggregator/replay.h"

#include <gtest/gtest.h>

#include "ledger_anchor/reader.h"
#include "ledger_anchor/round_record.h"
#include "tests/aggregator/test_federation.h"
#include "tests/kernels/lazy_queues.h"
#include "tests/status_matchers.h"

namespace hilum::aggregator {
namespace {

using absl::StatusCode;
using ledger_anchor::RoundClose;

constexpr char kJob[] = "cxr-test";

// Two rounds of three sites, one of which is dropped from the first.
class ReplayTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    federation_ = new TestFederation();
    auto sites = federation_->AddSites(3);
    HILUM_ASSERT_OK(LaunchAndApprove(*federation_, MakePlan(kJob, 300'000), sites));
    HILUM_ASSERT_OK(sites[1]->WaitForRound(kJob, 1).status());
    wire::Progress refused;
    refused.set_job(kJob);
    refused.set_round(1);
    refused.set_phase("refused");
    HILUM_ASSERT_OK(sites[1]->Report(refused));
    for (const size_t i : {0, 2}) {
      HILUM_ASSERT_OK_AND_ASSIGN(const OpenRound open, sites[i]->WaitForRound(kJob, 1));
      HILUM_ASSERT_OK(sites[i]->Submit(open, MakeVector(open.config, {.seed = i})).status());
    }
    HILUM_ASSERT_OK(PlayRound(kJob, 2, sites));
    HILUM_ASSERT_OK(
        federation_->WaitForJob(kJob, [](const auto& s) { return s.state() == "done"; }));
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
    return {.fetch = [this](const Digest& digest, uint64_t limit) -> absl::StatusOr<Bytes> {
              const auto changed = changed_.find(digest);
              if (changed != changed_.end()) return changed->second;
              const std::string hex = ToHex(digest);
              return ReadFile(
                  federation_->folder() / "objects/sha256" / hex.substr(0, 2) / hex.substr(2),
                  limit);
            },
            .open = entries->open->entry,
            .open_leaf = entries->open->leaf_hash,
            .close = entries->close->entry,
            .members = &view_->state.members(),
            .origin = view_->state.origin(),
            .log_vkey = view_->state.log_vkey()};
  }
  RoundRecord RecordOf(const ReplayInputs& inputs) {
    const auto& close = std::get<RoundClose>(inputs.close.body);
    return *ParseRoundRecord(AsText(*inputs.fetch(close.secagg->evidence, kRecordLimitBytes)));
  }
  // Puts a changed record where the entry points to; only its hash then contradicts.
  ReplayInputs WithRecord(ReplayInputs inputs, const RoundRecord& record) {
    const std::string text = *EncodeRoundRecord(record);
    const Digest digest = crypto::Sha256(text);
    changed_[digest] = Bytes(text.begin(), text.end());
    std::get<RoundClose>(inputs.close.body).secagg->evidence = digest;
    return inputs;
  }

  static TestFederation* federation_;
  static ledger_anchor::LogView* view_;
  std::map<Digest, Bytes> changed_;
};
TestFederation* ReplayTest::federation_ = nullptr;
ledger_anchor::LogView* ReplayTest::view_ = nullptr;

TEST_F(ReplayTest, ComputesEachRoundAgain) {
  HILUM_ASSERT_OK_AND_ASSIGN(const ReplayResult first, Replay(Inputs(1)));
  EXPECT_EQ(first.n_updates, 2u);
  EXPECT_EQ(first.total_weight, 20u);
  HILUM_ASSERT_OK_AND_ASSIGN(const ReplayResult second, Replay(Inputs(2)));
  EXPECT_EQ(second.n_updates, 3u);
  EXPECT_EQ(second.total_weight, 33u);
  EXPECT_EQ(second.mean_loss, 0.5);
  EXPECT_EQ(second.model, std::get<RoundClose>(Inputs(2).close.body).model);
  EXPECT_GT(second.read_bytes, 3u * 300'003 * 4);
}

TEST_F(ReplayTest, ADeviceGivesTheSameBitsAndGivesWayWhenItFails) {
  // Never; at once; in the middle of the sum; two devices, never and in the middle.
  for (const auto& [fail_at, n_devices] :
       std::vector<std::pair<int, size_t>>{{-1, 1}, {1, 1}, {12, 1}, {-1, 2}, {20, 2}}) {
    kernels::Watch watch;
    watch.fail_at = fail_at;
    ReplayInputs inputs = Inputs(1);
    inputs.compute = {.device_budget_bytes = 1 << 30, .make_queues = [&, n_devices = n_devices] {
                        return kernels::LazyDevices(n_devices, &watch);
                      }};
    HILUM_ASSERT_OK_AND_ASSIGN(const ReplayResult result, Replay(inputs));
    HILUM_ASSERT_OK_AND_ASSIGN(const ReplayResult plain, Replay(Inputs(1)));
    EXPECT_EQ(result.model, plain.model);
    // What stands for a device here calls itself so.
    EXPECT_EQ(result.device, n_devices == 2 && fail_at < 0 ? "cpu,cpu" : "cpu");
    EXPECT_EQ(plain.device, "cpu");
    EXPECT_GT(watch.n_calls, 0);
  }
}

TEST_F(ReplayTest, AnExportNeedsExactlyTheListedObjects) {
  ReplayInputs inputs = Inputs(1);
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<Digest> digests,
                             ObjectsOfRound(inputs.fetch, inputs.open, inputs.close));
  EXPECT_EQ(digests.size(), 7u);  // record, cfg, plan, two models, two vectors
  std::set<Digest> fetched;
  const FetchObject fetch = inputs.fetch;
  inputs.fetch = [&](const Digest& digest, uint64_t limit) {
    fetched.insert(digest);
    return fetch(digest, limit);
  };
  HILUM_ASSERT_OK(Replay(inputs).status());
  EXPECT_EQ(fetched, std::set<Digest>(digests.begin(), digests.end()));
}

TEST_F(ReplayTest, AnyChangedObjectIsNoticed) {
  const ReplayInputs inputs = Inputs(1);
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<Digest> digests,
                             ObjectsOfRound(inputs.fetch, inputs.open, inputs.close));
  for (const Digest& digest : digests) {
    changed_.clear();
    Bytes bytes = *inputs.fetch(digest, kRecordLimitBytes);
    bytes[bytes.size() / 2] ^= 1;
    changed_[digest] = bytes;
    EXPECT_THAT(Replay(inputs), StatusIs(StatusCode::kDataLoss, "hashes otherwise"));
  }
}

TEST_F(ReplayTest, AnOpenRoundHasNoTags) {
  ReplayInputs inputs = Inputs(1);
  inputs.depth = ReplayDepth::kTags;
  EXPECT_THAT(Replay(inputs), StatusIs(StatusCode::kInvalidArgument, "without --tags"));
}

TEST_F(ReplayTest, ProgressNamesEachUpdate) {
  ReplayInputs inputs = Inputs(2);
  std::vector<std::string> told;
  inputs.progress = [&told](absl::string_view what, uint64_t n_done, uint64_t n_total) {
    EXPECT_EQ(n_done, told.size());
    EXPECT_EQ(n_total, 3u);
    told.emplace_back(what);
  };
  HILUM_ASSERT_OK_AND_ASSIGN(const ReplayResult result, Replay(inputs));
  EXPECT_EQ(result.n_read, 3u);
  EXPECT_EQ(told, (std::vector<std::string>{"update of site-00", "update of site-01",
                                            "update of site-02"}));
}

// Lists in an annex are compared here alone: the log has only their lengths.
TEST_F(ReplayTest, ASiteIsCountedOrDroppedAndNotBoth) {
  ReplayInputs inputs = Inputs(1);
  RoundRecord record = RecordOf(inputs);
  record.dropped = {0};  // site-00 is counted too, and site-01 is nowhere
  inputs = WithRecord(inputs, record);
  const auto annex = [this](absl::string_view names) {
    const Digest digest = crypto::Sha256(names);
    changed_[digest] = Bytes(names.begin(), names.end());
    return digest;
  };
  auto& close = std::get<RoundClose>(inputs.close.body);
  close.cohort = {.n = 2, .items = {}, .annex = annex(R"(["site-00","site-02"])")};
  close.dropped = {.n = 1, .items = {}, .annex = annex(R"(["site-00"])")};
  EXPECT_THAT(Replay(inputs), StatusIs(StatusCode::kDataLoss, "each site of the roster once"));
}

TEST_F(ReplayTest, AMissingObjectIsNamed) {
  ReplayInputs inputs = Inputs(1);
  const Digest object = RecordOf(inputs).updates[1].object;
  const FetchObject fetch = inputs.fetch;
  inputs.fetch = [&](const Digest& digest, uint64_t limit) -> absl::StatusOr<Bytes> {
    if (digest == object) return absl::NotFoundError("gone");
    return fetch(digest, limit);
  };
  EXPECT_THAT(Replay(inputs), StatusIs(StatusCode::kNotFound, "update of site-02: gone"));
}

TEST_F(ReplayTest, AnotherVectorInTheRecordIsNoticed) {
  const ReplayInputs inputs = Inputs(1);
  RoundRecord record = RecordOf(inputs);
  std::swap(record.updates[0].object, record.updates[1].object);
  EXPECT_THAT(Replay(WithRecord(inputs, record)),
              StatusIs(StatusCode::kDataLoss, "update of site-00: a vector has the root"));
}

TEST_F(ReplayTest, AForgedSignatureInTheRecordIsNoticed) {
  const ReplayInputs inputs = Inputs(1);
  RoundRecord record = RecordOf(inputs);
  record.updates[0].signature.bytes[7] ^= 1;
  EXPECT_THAT(Replay(WithRecord(inputs, record)), StatusIs(StatusCode::kDataLoss, "updates.root"));
}

TEST_F(ReplayTest, AForgedRootOfTheSumIsNoticed) {
  const ReplayInputs inputs = Inputs(1);
  RoundRecord record = RecordOf(inputs);
  record.sum_root[0] ^= 1;
  EXPECT_THAT(Replay(WithRecord(inputs, record)), StatusIs(StatusCode::kDataLoss, "root(S)"));
  record = RecordOf(inputs);
  record.ring_root[0] ^= 1;
  EXPECT_THAT(Replay(WithRecord(inputs, record)), StatusIs(StatusCode::kDataLoss, "root(z)"));
}

TEST_F(ReplayTest, AForgedTranscriptIsNoticed) {
  const ReplayInputs inputs = Inputs(1);
  RoundRecord record = RecordOf(inputs);
  record.transcript_hash[0] ^= 1;
  EXPECT_THAT(Replay(WithRecord(inputs, record)),
              StatusIs(StatusCode::kDataLoss, "the transcript's signature"));
  record = RecordOf(inputs);
  record.transcript.back() ^= 1;
  EXPECT_THAT(Replay(WithRecord(inputs, record)), StatusIs(StatusCode::kDataLoss, "H(T) is"));
}

TEST_F(ReplayTest, AnotherModelInTheEntryIsNoticed) {
  ReplayInputs inputs = Inputs(1);
  std::get<RoundClose>(inputs.close.body).model[0] ^= 1;
  EXPECT_THAT(Replay(inputs), StatusIs(StatusCode::kDataLoss, "model is"));
}

TEST_F(ReplayTest, AModelThatTheSumDoesNotMakeIsNoticed) {
  ReplayInputs inputs = Inputs(1);
  RoundRecord record = RecordOf(inputs);
  record.model[0] ^= 1;
  std::get<RoundClose>(inputs.close.body).model[0] ^= 1;
  EXPECT_THAT(Replay(WithRecord(inputs, record)),
              StatusIs(StatusCode::kDataLoss, "the new model is"));
}

TEST_F(ReplayTest, AnEntryThatCountsAnotherSiteIsNoticed) {
  ReplayInputs inputs = Inputs(1);
  auto& close = std::get<RoundClose>(inputs.close.body);
  std::swap(close.cohort.items[0], close.dropped.items[0]);
  EXPECT_THAT(Replay(inputs), StatusIs(StatusCode::kDataLoss, "counts other sites"));
}

TEST_F(ReplayTest, OtherMetricsOrAnotherRuleAreNoticed) {
  ReplayInputs inputs = Inputs(1);
  std::get<RoundClose>(inputs.close.body).metrics.items[0].value = "0.25";
  EXPECT_THAT(Replay(inputs), StatusIs(StatusCode::kDataLoss, "metrics"));
  inputs = Inputs(1);
  std::get<RoundClose>(inputs.close.body).rule.params[0] ^= 1;
  EXPECT_THAT(Replay(inputs), StatusIs(StatusCode::kDataLoss, "rule's parameters"));
}

TEST_F(ReplayTest, EntriesOfTwoRoundsDoNotBelongTogether) {
  ReplayInputs inputs = Inputs(1);
  inputs.close = Inputs(2).close;
  EXPECT_THAT(Replay(inputs), StatusIs(StatusCode::kDataLoss, ""));
  inputs.close = inputs.open;
  EXPECT_THAT(Replay(inputs), StatusIs(StatusCode::kInvalidArgument, "replay needs"));
}

TEST_F(ReplayTest, AnotherFederationsLogIsNoticed) {
  ReplayInputs inputs = Inputs(1);
  inputs.origin = "other.example/ledger";
  EXPECT_THAT(Replay(inputs), StatusIs(StatusCode::kDataLoss, "plan, roster and federation"));
}

TEST(RoundRecord, HasOneSpelling) {
  RoundRecord record{.job = "cxr", .round = 4, .transcript = {1, 2, 3}, .dropped = {2, 5}};
  record.updates = {{.site_index = 0}, {.site_index = 3}};
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, EncodeRoundRecord(record));
  HILUM_ASSERT_OK_AND_ASSIGN(const RoundRecord read, ParseRoundRecord(text));
  EXPECT_EQ(read, record);
  EXPECT_THAT(ParseRoundRecord(text + " "), StatusIs(StatusCode::kDataLoss, ""));
  EXPECT_THAT(ParseRoundRecord("{}"), StatusIs(StatusCode::kDataLoss, "missing"));
  std::swap(record.updates[0], record.updates[1]);
  EXPECT_THAT(EncodeRoundRecord(record), StatusIs(StatusCode::kInvalidArgument, "ascending"));
  record.updates.clear();
  record.dropped = {5, 2};
  EXPECT_THAT(EncodeRoundRecord(record), StatusIs(StatusCode::kInvalidArgument, "ascending"));
}

}  // namespace
}  // namespace hilum::aggregator

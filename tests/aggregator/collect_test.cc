// Deleting what nothing names, and never anything else.
#include "aggregator/collect.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "aggregator/replay.h"
#include "base/clock.h"
#include "crypto/hash.h"
#include "ledger_anchor/reader.h"
#include "tests/aggregator/test_federation.h"
#include "tests/status_matchers.h"

namespace hilum::aggregator {
namespace {

using absl::StatusCode;

constexpr char kJob[] = "cxr-test";
constexpr int64_t kDayS = 86'400;

bool IsDone(const wire::JobStatus& status) { return status.state() == "done"; }

class Collect : public testing::Test {
 protected:
  void PlayJob() {
    sites_ = federation_.AddSites(3);
    HILUM_ASSERT_OK(LaunchAndApprove(federation_, MakePlan(kJob, 1000), sites_));
    HILUM_ASSERT_OK(PlayRound(kJob, 1, sites_));
    HILUM_ASSERT_OK(PlayRound(kJob, 2, sites_));
    HILUM_ASSERT_OK(federation_.WaitForJob(kJob, IsDone));
    federation_.Stop();
  }
  ledger_anchor::Store store() const {
    return ledger_anchor::Store::OpenForReading(federation_.folder() / "objects");
  }
  // An object that nothing names.
  Digest AddOrphan() const {
    return ledger_anchor::Store::Open(federation_.folder() / "objects")
        ->Put(AsBytes("an upload that was never counted"))
        .value();
  }
  absl::StatusOr<CollectReport> Run(const CollectOptions& options) const {
    HILUM_ASSIGN_OR_RETURN(const auto opened, OpenFederation(federation_.folder()));
    return CollectObjects(*opened, options);
  }
  // Of the round, from the folder alone.
  absl::Status Audit(uint64_t round) const {
    HILUM_ASSIGN_OR_RETURN(
        const auto view, ledger_anchor::VerifyLog(
                             ledger_anchor::FolderFetch(federation_.folder() / "ledger/log"), {}));
    HILUM_ASSIGN_OR_RETURN(const auto entries, ledger_anchor::FindRound(view, round, kJob));
    return Replay({.fetch = [this](const Digest& digest,
                                   uint64_t limit) { return store().Get(digest, limit); },
                   .open = entries.open->entry,
                   .open_leaf = entries.open->leaf_hash,
                   .close = entries.close->entry,
                   .members = &view.state.members(),
                   .origin = view.state.origin(),
                   .log_vkey = view.state.log_vkey()})
        .status();
  }
  size_t NumObjects() const { return store().List()->size(); }

  TestFederation federation_;
  std::vector<std::unique_ptr<TestSite>> sites_;
  const int64_t now_s_ = SystemClock().NowSeconds();
};

TEST_F(Collect, DeletesOnlyWhatNothingNames) {
  PlayJob();
  const size_t n_named = NumObjects();
  const Digest orphan = AddOrphan();
  HILUM_ASSERT_OK_AND_ASSIGN(const CollectReport report, Run({.now_s = now_s_ + 10, .grace_s = 0}));
  EXPECT_EQ(report.n_unnamed, 1u);
  EXPECT_EQ(report.n_expired, 0u);
  EXPECT_EQ(report.deleted_bytes, 32u);
  EXPECT_EQ(NumObjects(), n_named);
  EXPECT_THAT(store().Get(orphan, 100), StatusIs(StatusCode::kNotFound, "nothing named it"));
  HILUM_EXPECT_OK(Audit(1));
  HILUM_EXPECT_OK(Audit(2));
  federation_.Start();
  HILUM_EXPECT_OK(federation_.WaitForJob(kJob, IsDone));
  AddOrphan();  // it may come back, and its tombstone goes
  EXPECT_TRUE(store().Has(orphan));
  EXPECT_FALSE(fs::exists(federation_.folder() / "objects/tombstones" / ToHex(orphan).substr(0, 2) /
                          ToHex(orphan).substr(2)));
}

TEST_F(Collect, KeepsWhatIsYoungerThanTheGraceTime) {
  PlayJob();
  const Digest orphan = AddOrphan();
  HILUM_ASSERT_OK_AND_ASSIGN(const CollectReport report, Run({.now_s = now_s_ + 6 * kDayS}));
  EXPECT_EQ(report.n_unnamed, 0u);
  EXPECT_EQ(report.n_young, 1u);
  EXPECT_TRUE(store().Has(orphan));
  EXPECT_THAT(Run({.now_s = now_s_, .grace_s = -1}),
              StatusIs(StatusCode::kInvalidArgument, "cannot be negative"));
}

TEST_F(Collect, ADryRunDeletesNothing) {
  PlayJob();
  const Digest orphan = AddOrphan();
  HILUM_ASSERT_OK_AND_ASSIGN(const CollectReport report,
                             Run({.now_s = now_s_ + 10, .grace_s = 0, .dry_run = true}));
  EXPECT_EQ(report.n_unnamed, 1u);
  EXPECT_TRUE(store().Has(orphan));
}

TEST_F(Collect, KeepsWhatAnOpenRoundHasTaken) {
  sites_ = federation_.AddSites(3);
  HILUM_ASSERT_OK(LaunchAndApprove(federation_, MakePlan(kJob, 1000), sites_));
  for (const size_t i : {0, 1}) {
    HILUM_ASSERT_OK_AND_ASSIGN(const OpenRound open, sites_[i]->WaitForRound(kJob, 1));
    HILUM_ASSERT_OK(sites_[i]->Submit(open, MakeVector(open.config, {.seed = i})).status());
  }
  federation_.Stop();
  const size_t n_named = NumObjects();
  HILUM_ASSERT_OK_AND_ASSIGN(const CollectReport report, Run({.now_s = now_s_ + 10, .grace_s = 0}));
  EXPECT_EQ(report.n_unnamed, 0u);
  EXPECT_EQ(NumObjects(), n_named);
  federation_.Start();
  for (const auto& site : sites_) {
    site->Connect(federation_.address());
    site->Arrive();
  }
  HILUM_ASSERT_OK_AND_ASSIGN(const OpenRound open, sites_[2]->WaitForRound(kJob, 1));
  HILUM_ASSERT_OK(sites_[2]->Submit(open, MakeVector(open.config, {.seed = 2})).status());
  HILUM_EXPECT_OK(federation_.WaitForJob(kJob, [](const wire::JobStatus& status) {
    return status.history_size() > 0 && status.history(0).status() == "ok";
  }));
}

TEST_F(Collect, KeepsTheModelOfAJobThatHasNotBegun) {
  sites_ = federation_.AddSites(3);
  const proto::RoundPlan plan = MakePlan(kJob, 1000);
  const Digest model = federation_.PutModel(MakeModelFile(plan.spec, 1));
  HILUM_ASSERT_OK(federation_.Launch(plan, model));
  federation_.Stop();
  HILUM_ASSERT_OK_AND_ASSIGN(const CollectReport report, Run({.now_s = now_s_ + 10, .grace_s = 0}));
  EXPECT_EQ(report.n_unnamed, 0u);
  EXPECT_TRUE(store().Has(model));
}

TEST_F(Collect, UpdatesGoOnlyWhenTheirRoundsOwnPromiseHasEnded) {
  PlayJob();
  const size_t n_before = NumObjects();
  // The configuration of the round promises 365 days, whatever the server's says now.
  HILUM_ASSERT_OK_AND_ASSIGN(CollectReport report,
                             Run({.now_s = now_s_ + 364 * kDayS, .expired_updates = true}));
  EXPECT_EQ(report.n_expired + report.n_unnamed, 0u);
  HILUM_ASSERT_OK_AND_ASSIGN(report, Run({.now_s = now_s_ + 366 * kDayS}));
  EXPECT_EQ(report.n_expired, 0u);  // not asked for
  HILUM_EXPECT_OK(Audit(1));
  HILUM_ASSERT_OK_AND_ASSIGN(report, Run({.now_s = now_s_ + 366 * kDayS, .expired_updates = true}));
  EXPECT_EQ(report.n_expired, 6u);
  EXPECT_EQ(report.n_unnamed, 0u);
  EXPECT_EQ(NumObjects(), n_before - 6);
  EXPECT_THAT(Audit(1), StatusIs(StatusCode::kNotFound, "its round's retention had ended"));
}

TEST_F(Collect, DeletesNothingWhenItCannotReadWhatARoundNames) {
  PlayJob();
  const Digest orphan = AddOrphan();
  const auto view =
      ledger_anchor::VerifyLog(ledger_anchor::FolderFetch(federation_.folder() / "ledger/log"), {});
  HILUM_ASSERT_OK(view);
  const auto entries = ledger_anchor::FindRound(*view, 1, kJob);
  const auto& close = std::get<ledger_anchor::RoundClose>(entries->close->entry.body);
  fs::remove(store().PathOf(close.secagg->evidence));
  const size_t n_before = NumObjects();
  EXPECT_THAT(Run({.now_s = now_s_ + 10, .grace_s = 0}),
              StatusIs(StatusCode::kDataLoss, "nothing is deleted"));
  EXPECT_EQ(NumObjects(), n_before);
  EXPECT_TRUE(store().Has(orphan));
}

TEST_F(Collect, NeedsTheServerStopped) {
  EXPECT_THAT(Run({.now_s = now_s_}), StatusIs(StatusCode::kFailedPrecondition, ""));
}

}  // namespace
}  // namespace hilum::aggregator

// What is published is time-stamped by a real authority; one that is away, lies or stalls costs the
// federation nothing.
#include "aggregator/anchors.h"

#include <gtest/gtest.h>

#include <atomic>

#include "absl/strings/str_cat.h"
#include "ledger_anchor/anchor_rfc3161.h"
#include "ledger_anchor/fetch.h"
#include "ledger_anchor/reader.h"
#include "tests/aggregator/test_federation.h"
#include "tests/ledger_anchor/federation.h"
#include "tests/ledger_anchor/test_authority.h"
#include "tests/status_matchers.h"

namespace hilum::aggregator {
namespace {

using ledger_anchor::TestAuthority;

// At the latest after 20 s.
template <class Condition>
bool Soon(const Condition& condition) {
  for (int i = 0; i < 2000 && !condition(); ++i) absl::SleepFor(absl::Milliseconds(10));
  return condition();
}

class AnchorsTest : public testing::Test {
 protected:
  void SetUp() override {
    tsa_.change_response = [this](httplib::Response& response) {
      if (fails_) response.status = 503;
    };
    url_ = tsa_.Serve();
    federation_.Start();
    const ledger_anchor::Log::Options options{folder_.path() / "ledger",
                                              ledger_anchor::Federation::kOrigin, false};
    HILUM_ASSERT_OK(
        ledger_anchor::Log::Create(options, federation_.LogKey(), federation_.texts[0]).status());
    Open(/*witnessed=*/false);
  }
  void Open(bool witnessed) {
    log_.reset();
    const ledger_anchor::Log::Options options{folder_.path() / "ledger",
                                              ledger_anchor::Federation::kOrigin, witnessed};
    HILUM_ASSERT_OK_AND_ASSIGN(log_, ledger_anchor::Log::Open(options, federation_.LogKey()));
  }
  absl::Status Make(const AnchorOptions& changed = {}) {
    AnchorOptions options = changed;
    options.retry = absl::Milliseconds(5);
    options.retry_limit = absl::Milliseconds(20);
    HILUM_ASSIGN_OR_RETURN(
        std::unique_ptr<ledger_anchor::Anchor> anchor,
        ledger_anchor::MakeRfc3161Anchor({.url = url_, .trust = {.ca_pem = tsa_.ca_pem()}}));
    HILUM_ASSIGN_OR_RETURN(ledger_anchor::AnchorFolder folder,
                           ledger_anchor::AnchorFolder::Open(Receipts()));
    HILUM_ASSIGN_OR_RETURN(
        anchors_,
        Anchors::Create(log_.get(), federation_.LogVkey(), std::move(anchor), std::move(folder),
                        options, [this](const absl::Status&) { ++n_outages_; }));
    anchors_->Start();
    return absl::OkStatus();
  }
  void Grow() {
    const auto entry = federation_.Draft(ledger_anchor::Incident{
        "stale", 0, absl::StrCat("thing-", federation_.texts.size()), ledger_anchor::H("e")});
    HILUM_ASSERT_OK(log_->Append(federation_.Add(entry)).status());
  }
  bool AnchoredSoon(uint64_t size) {
    return Soon([&] { return anchors_->View().size == size; });
  }
  fs::path Receipts() const { return folder_.path() / "ledger/anchors/rfc3161"; }

  ledger_anchor::TemporaryFolder folder_;
  ledger_anchor::Federation federation_;
  std::unique_ptr<ledger_anchor::Log> log_;
  std::atomic<bool> fails_ = false, asked_ = false, over_ = false;
  TestAuthority tsa_;
  std::string url_;
  std::atomic<int> n_outages_ = 0;
  std::unique_ptr<Anchors> anchors_;  // the last: its thread uses all the others
};

TEST_F(AnchorsTest, TakeAReceiptWhenOneIsWanted) {
  HILUM_ASSERT_OK(Make());
  ASSERT_TRUE(AnchoredSoon(1)) << "what was wanted before a restart";
  Grow();
  absl::SleepFor(absl::Milliseconds(300));
  EXPECT_EQ(anchors_->View().size, 1u) << "nobody wanted this one";
  anchors_->Want();
  ASSERT_TRUE(AnchoredSoon(2));
  EXPECT_EQ(anchors_->View().receipts, 2u);
  EXPECT_LE(std::abs(anchors_->View().time_s - SystemClock().NowSeconds()), 60);
  EXPECT_TRUE(tsa_.Run(absl::StrCat("cd ", Receipts().string(),
                                    " && openssl ts -verify -data 2.note -in 2 -CAfile ",
                                    (tsa_.folder() / "ca.pem").string())));
}

TEST_F(AnchorsTest, TakeOneEverySoOften) {
  HILUM_ASSERT_OK(Make({.every = absl::Milliseconds(1500)}));
  ASSERT_TRUE(AnchoredSoon(1));
  Grow();
  absl::SleepFor(absl::Milliseconds(300));
  EXPECT_EQ(anchors_->View().size, 1u) << "too early";
  ASSERT_TRUE(AnchoredSoon(2));
  absl::SleepFor(absl::Milliseconds(2000));
  EXPECT_EQ(tsa_.n_requests, 2) << "the log did not grow";
}

TEST_F(AnchorsTest, AnOutageIsReportedOnceUntilItEnds) {
  fails_ = true;
  HILUM_ASSERT_OK(Make({.outage_failures = 3}));
  ASSERT_TRUE(Soon([&] { return anchors_->View().failures > 8; }));
  EXPECT_EQ(n_outages_, 1);
  EXPECT_NE(anchors_->View().trouble, "");
  fails_ = false;
  ASSERT_TRUE(AnchoredSoon(1));
  EXPECT_EQ(anchors_->View().trouble, "");
  fails_ = true;
  Grow();
  anchors_->Want();
  ASSERT_TRUE(Soon([&] { return n_outages_ == 2; })) << "a second outage";
}

TEST_F(AnchorsTest, AStallingAuthorityHoldsUpNothing) {
  tsa_.change_query = [this](const std::string&) {
    asked_ = true;
    Soon([this] { return over_.load(); });
    return std::string();
  };
  HILUM_ASSERT_OK(Make());
  ASSERT_TRUE(Soon([&] { return asked_.load(); }));
  const absl::Time started = absl::Now();
  Grow();
  anchors_->Want();
  EXPECT_EQ(anchors_->View().size, 0u);
  anchors_->Stop();
  EXPECT_LT(absl::Now() - started, absl::Seconds(5));
  over_ = true;
}

TEST_F(AnchorsTest, ARestartAnchorsNothingTwice) {
  HILUM_ASSERT_OK(Make());
  ASSERT_TRUE(AnchoredSoon(1));
  HILUM_ASSERT_OK(Make());
  EXPECT_EQ(anchors_->View().size, 1u);
  absl::SleepFor(absl::Milliseconds(300));
  EXPECT_EQ(tsa_.n_requests, 1);
}

TEST_F(AnchorsTest, AReceiptThatIsDamagedIsTakenAnew) {
  HILUM_ASSERT_OK(Make());
  ASSERT_TRUE(AnchoredSoon(1));
  anchors_.reset();
  HILUM_ASSERT_OK_AND_ASSIGN(Bytes receipt, ReadFile(Receipts() / "1", 1 << 16));
  receipt[receipt.size() - 5] ^= 1;  // of the signature
  HILUM_ASSERT_OK(WriteFileDurably(Receipts() / "1", receipt));
  HILUM_ASSERT_OK(Make());
  EXPECT_TRUE(AnchoredSoon(1));
  EXPECT_EQ(tsa_.n_requests, 2);
}

// The note beside a receipt bears the log's own signature.
TEST_F(AnchorsTest, AnOlderCopyOfTheLogIsNoticed) {
  log_.reset();
  fs::copy(folder_.path() / "ledger", folder_.path() / "copy", fs::copy_options::recursive);
  Open(/*witnessed=*/false);
  Grow();
  HILUM_ASSERT_OK(Make());
  ASSERT_TRUE(AnchoredSoon(2));
  anchors_.reset();
  log_.reset();
  fs::rename(folder_.path() / "ledger/anchors", folder_.path() / "copy/anchors");
  fs::remove_all(folder_.path() / "ledger");
  fs::rename(folder_.path() / "copy", folder_.path() / "ledger");
  Open(/*witnessed=*/false);
  EXPECT_THAT(Make(), StatusIs(absl::StatusCode::kDataLoss, "the folder is an older copy"));
}

TEST_F(AnchorsTest, WhatIsNotPublishedIsNotAnchored) {
  Open(/*witnessed=*/true);
  HILUM_ASSERT_OK(log_->Publish(log_->CheckpointNote()));  // the quorum is there again
  HILUM_ASSERT_OK(Make());
  ASSERT_TRUE(AnchoredSoon(1));
  Grow();
  anchors_->Want();
  absl::SleepFor(absl::Milliseconds(300));
  EXPECT_EQ(anchors_->View().size, 1u);
  HILUM_ASSERT_OK(log_->Publish(log_->CheckpointNote()));
  Grow();
  anchors_->Want();  // this one is never published
  EXPECT_TRUE(AnchoredSoon(2));
}

// A whole server: a receipt after a round, and an outage on record.
class AnchoringServer : public testing::Test {
 protected:
  AnchoringServer() : url_(tsa_.Serve()) {}
  ServerOptions Options() {
    ServerOptions options;
    options.anchor = AnchorSettings{.url = url_,
                                    .ca_pem = tsa_.ca_pem(),
                                    .retry = absl::Milliseconds(5),
                                    .retry_limit = absl::Milliseconds(20)};
    return options;
  }
  TestAuthority tsa_;
  std::string url_;
};

TEST_F(AnchoringServer, ARoundIsAnchored) {
  TestFederation federation(Options());
  ASSERT_TRUE(Soon([&] { return federation.server().Counters().anchored_size == 1; }));
  const auto sites = federation.AddSites(2);
  proto::RoundPlan plan = MakePlan("cxr", 100);
  plan.rounds = 1;
  HILUM_ASSERT_OK(LaunchAndApprove(federation, plan, sites));
  HILUM_ASSERT_OK(PlayRound("cxr", 1, sites));
  ASSERT_TRUE(Soon([&] { return federation.server().Counters().anchored_size >= 5; }));
  EXPECT_GT(federation.server().Counters().anchored_time_s, 0);
}

TEST_F(AnchoringServer, AnOutageIsOneIncident) {
  tsa_.change_response = [](httplib::Response& response) {
    response.set_content("no time stamp", TestAuthority::kReplyType);
  };
  TestFederation federation(Options());
  ASSERT_TRUE(Soon([&] { return federation.server().Counters().anchor_failures > 15; }));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto place,
                             ledger_anchor::LocateLedger(federation.folder().string()));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto view, ledger_anchor::VerifyLog(place.fetch, {}));
  ASSERT_EQ(view.entries.size(), 2u);
  const auto& incident = std::get<ledger_anchor::Incident>(view.entries[1].entry.body);
  EXPECT_EQ(incident.kind, "anchor");
  EXPECT_EQ(incident.about, "rfc3161");
  HILUM_ASSERT_OK_AND_ASSIGN(const Bytes evidence, place.fetch_object(incident.evidence, 4096));
  EXPECT_THAT(std::string(AsText(evidence)), testing::HasSubstr("no time stamp"));
  HILUM_EXPECT_OK(federation.server().failure());
}

}  // namespace
}  // namespace hilum::aggregator

// What one member may cost the others: bounded calls, and streams that stand still are ended.
#include <gtest/gtest.h>

#include <future>

#include "aggregator/rate_limit.h"
#include "tests/aggregator/test_federation.h"
#include "tests/status_matchers.h"

namespace hilum::aggregator {
namespace {

using absl::StatusCode;

constexpr char kJob[] = "cxr-test";

class ManualClock : public Clock {
 public:
  int64_t NowSeconds() const override { return now_ms / 1000; }
  int64_t MonotonicMs() const override { return now_ms; }
  int64_t now_ms = 0;
};

TEST(RateLimit, GivesABurstThenARateToEachMemberByItself) {
  ManualClock clock;
  RateLimit limit({.per_second = 2, .burst = 3}, &clock);
  for (int i = 0; i < 3; ++i) HILUM_EXPECT_OK(limit.Take("reports", "site-a"));
  EXPECT_THAT(limit.Take("reports", "site-a"),
              StatusIs(StatusCode::kResourceExhausted,
                       "site-a sends more than 2 reports a second: wait a moment"));
  HILUM_EXPECT_OK(limit.Take("reports", "site-b"));
  clock.now_ms = 500;
  HILUM_EXPECT_OK(limit.Take("reports", "site-a"));
  EXPECT_FALSE(limit.Take("reports", "site-a").ok());
  clock.now_ms = 3'600'000;
  for (int i = 0; i < 3; ++i) HILUM_EXPECT_OK(limit.Take("reports", "site-a"));
  EXPECT_FALSE(limit.Take("reports", "site-a").ok()) << "an hour of silence is a burst, no more";
}

// Three sites in the open first round; streams that stand still are ended after a second.
class Limits : public testing::Test {
 protected:
  void SetUp() override {
    sites_ = federation_.AddSites(3);
    HILUM_ASSERT_OK(LaunchAndApprove(federation_, MakePlan(kJob, 300'000), sites_));
    for (const auto& site : sites_) {
      HILUM_ASSERT_OK_AND_ASSIGN(OpenRound open, site->WaitForRound(kJob, 1));
      open_.push_back(std::move(open));
    }
  }

  wire::UpdateMessage HeaderOf(const OpenRound& round) {
    wire::UpdateMessage message;
    wire::UpdateHeader& header = *message.mutable_header();
    const Digest hash = privacy::HashConfig(round.config);
    header.set_job(kJob);
    header.set_round(round.notice.round());
    header.set_config_hash(hash.data(), hash.size());
    header.set_site_index(round.site_index);
    header.set_n_words(round.config.n_coords());
    header.set_profile_digest(round.plan.model.profile_digest.data(), 32);
    return message;
  }

  wire::Progress Refusal() {
    wire::Progress progress;
    progress.set_job(kJob);
    progress.set_round(1);
    progress.set_phase("refused");
    return progress;
  }

  TestFederation federation_{{}, {.stream_idle = absl::Seconds(1)}};
  std::vector<std::unique_ptr<TestSite>> sites_;
  std::vector<OpenRound> open_;
};

TEST_F(Limits, ReportsOfOneSiteAreBoundedAndOthersAreHeard) {
  wire::Progress progress = Refusal();
  progress.set_phase("training");
  int n_refused = 0;
  absl::Status last;
  for (int i = 0; i < 100; ++i) {
    const absl::Status reported = sites_[0]->Report(progress);
    if (reported.ok()) continue;
    ++n_refused;
    last = reported;
  }
  EXPECT_GT(n_refused, 20);
  EXPECT_THAT(last, StatusIs(StatusCode::kResourceExhausted, "site-00 sends more than"));
  HILUM_EXPECT_OK(sites_[1]->Report(progress));
}

TEST_F(Limits, AnswersOfOneSiteAreBoundedAndOthersAreHeard) {
  int n_refused = 0;
  for (int i = 0; i < 40; ++i) n_refused += !sites_[0]->Answer(kJob, true).ok();
  EXPECT_GT(n_refused, 10);
  HILUM_EXPECT_OK(sites_[1]->Answer(kJob, true));
}

// How a call ends by itself, at the latest after `limit_s`; UNKNOWN: it does not.
template <class Call>
grpc::StatusCode EndOf(Call& call, int limit_s) {
  auto end = std::async(std::launch::async, [&] { return call.Finish(); });
  if (end.wait_for(std::chrono::seconds(limit_s)) != std::future_status::ready) {
    return grpc::StatusCode::UNKNOWN;
  }
  return end.get().error_code();
}

TEST_F(Limits, AnUploadThatSendsNothingEndsAndItsPlaceIsFree) {
  // Whether eight silent uploads got a place each, and were ended.
  const auto all_eight_end = [&] {
    wire::UpdateReceipt receipts[8];
    grpc::ClientContext contexts[8];
    std::unique_ptr<grpc::ClientWriter<wire::UpdateMessage>> silent[8];
    for (int i = 0; i < 8; ++i) {
      contexts[i].set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
      silent[i] = sites_[0]->stub().SubmitUpdate(&contexts[i], &receipts[i]);
      if (i == 0) silent[i]->Write(HeaderOf(open_[0]));
    }
    bool all = true;
    for (const auto& call : silent) {
      const grpc::StatusCode end = EndOf(*call, 10);
      all = all && end == grpc::StatusCode::CANCELLED;
      // The server frees a place a moment after the caller has heard of the end.
      EXPECT_TRUE(all || end == grpc::StatusCode::RESOURCE_EXHAUSTED ||
                  end == grpc::StatusCode::CANCELLED)
          << end;
    }
    return all;
  };
  EXPECT_TRUE(all_eight_end());
  bool free_again = false;
  for (int i = 0; i < 5 && !free_again; ++i) free_again = all_eight_end();
  EXPECT_TRUE(free_again);
  HILUM_EXPECT_OK(sites_[0]->Submit(open_[0], MakeVector(open_[0].config, {.seed = 1})).status());
}

TEST_F(Limits, AModelThatNobodyReadsIsNotSentForEver) {
  // Larger than what a client's connection takes in before anybody reads.
  const Digest large = federation_.PutModel(MakeModelFile(MakeSpec(25'000'000), 1));
  const Digest small = federation_.PutModel(MakeModelFile(MakeSpec(1000), 1));
  const auto fetch = [&](const Digest& model, grpc::ClientContext& context) {
    wire::ModelRequest request;
    request.set_sha256(model.data(), model.size());
    return sites_[0]->stub().FetchModel(&context, request);
  };
  grpc::ClientContext contexts[9];
  std::unique_ptr<grpc::ClientReader<wire::ModelChunk>> unread[9];
  for (int i = 0; i < 9; ++i) {
    contexts[i].set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    unread[i] = fetch(large, contexts[i]);
  }
  int n_refused = 0, n_ended = 0;
  // Their places are free again once the server has ended them. Reading would keep them alive.
  const auto a_place_is_free = [&] {
    grpc::ClientContext context;
    const auto call = fetch(small, context);
    wire::ModelChunk chunk;
    while (call->Read(&chunk)) continue;
    return call->Finish().ok();
  };
  absl::SleepFor(absl::Seconds(2));  // all nine have arrived
  for (int i = 0; i < 100 && !a_place_is_free(); ++i) absl::SleepFor(absl::Milliseconds(500));
  absl::SleepFor(absl::Seconds(1));  // the last of the eight
  for (const auto& call : unread) {
    wire::ModelChunk chunk;
    while (call->Read(&chunk)) continue;
    const grpc::StatusCode end = EndOf(*call, 10);
    n_refused += end == grpc::StatusCode::RESOURCE_EXHAUSTED;
    n_ended += end == grpc::StatusCode::CANCELLED;
  }
  EXPECT_EQ(n_refused, 1);
  EXPECT_EQ(n_ended, 8);
}

// With the usual limit, which no test waits for: only the round's end can end the streams.
TEST(UploadLimits, AnUploadEndsWithItsRound) {
  TestFederation federation;
  auto sites = federation.AddSites(3);
  HILUM_ASSERT_OK(LaunchAndApprove(federation, MakePlan(kJob, 1000), sites));
  HILUM_ASSERT_OK_AND_ASSIGN(const OpenRound open, sites[0]->WaitForRound(kJob, 1));
  wire::UpdateMessage message;
  wire::UpdateHeader& header = *message.mutable_header();
  const Digest hash = privacy::HashConfig(open.config);
  header.set_job(kJob);
  header.set_round(1);
  header.set_config_hash(hash.data(), hash.size());
  header.set_site_index(open.site_index);
  header.set_n_words(open.config.n_coords());
  header.set_profile_digest(open.plan.model.profile_digest.data(), 32);
  wire::UpdateReceipt receipts[2];
  grpc::ClientContext contexts[2];
  std::unique_ptr<grpc::ClientWriter<wire::UpdateMessage>> silent[2];
  for (int i = 0; i < 2; ++i) {
    contexts[i].set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    silent[i] = sites[0]->stub().SubmitUpdate(&contexts[i], &receipts[i]);
    ASSERT_TRUE(silent[i]->Write(message));
  }
  for (int i = 0; i < 1000 && federation.server().Counters().uploads < 2; ++i) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_EQ(federation.server().Counters().uploads, 2u) << "the server has read both headers";
  wire::Progress refusal;
  refusal.set_job(kJob);
  refusal.set_round(1);
  refusal.set_phase("refused");
  HILUM_ASSERT_OK(sites[0]->Report(refusal));
  const std::unique_ptr<TestSite> first = std::move(sites[0]);
  sites.erase(sites.begin());
  HILUM_ASSERT_OK(PlayRound(kJob, 1, sites));
  for (const auto& call : silent) EXPECT_EQ(EndOf(*call, 10), grpc::StatusCode::CANCELLED);
}

TEST(Connections, OneWithoutACallIsClosedAndASiteThatWatchesStays) {
  TestFederation federation({}, {.connection_idle = absl::Seconds(1)});
  const auto sites = federation.AddSites(1);
  HILUM_ASSERT_OK(sites[0]->WaitFor([](const auto&) { return true; }).status());
  const auto stranger =
      proto::OpenChannel(federation.address(), {.ca_pem = sites[0]->tls().ca_pem});
  ASSERT_TRUE(
      stranger->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10)));
  bool open = true;
  for (int i = 0; i < 100 && open; ++i) {
    absl::SleepFor(absl::Milliseconds(100));
    open = stranger->GetState(false) == GRPC_CHANNEL_READY;
  }
  EXPECT_FALSE(open);
  EXPECT_EQ(federation.server().Counters().sites_connected, 1u);
}

}  // namespace
}  // namespace hilum::aggregator

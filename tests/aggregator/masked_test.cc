// Masked rounds over loopback gRPC: exact sums, silent sites, repeats, restarts.
#include <gtest/gtest.h>

#include "crypto/hash.h"
#include "proto/safetensors.h"
#include "tests/aggregator/masked_site.h"
#include "tests/status_matchers.h"

namespace hilum::aggregator {
namespace {

using absl::StatusCode;

constexpr char kJob[] = "cxr-test";
constexpr int64_t kParams = 1000;
constexpr int kSites = 6;
constexpr int kShortGraceS = 6;

auto Closed(int n) {
  return [n](const wire::JobStatus& status) {
    return status.history_size() >= n && status.history(n - 1).status() != "open";
  };
}

// The model that `counted` give in open mode: same job, same inputs, no masks.
std::string OpenModel(const std::vector<size_t>& counted) {
  TestFederation federation;
  const auto sites = federation.AddSites(kSites);
  proto::RoundPlan plan = MaskedPlan(kJob, kParams);
  plan.aggregation.mode = "open";
  plan.cohort.minimum = 2;
  EXPECT_TRUE(LaunchAndApprove(federation, plan, sites).ok());
  for (size_t i = 0; i < sites.size(); ++i) {
    const auto open = sites[i]->WaitForRound(kJob, 1);
    if (std::find(counted.begin(), counted.end(), i) != counted.end()) {
      EXPECT_TRUE(sites[i]->Submit(*open, PlainWordsOf(*open)).ok());
      continue;
    }
    wire::Progress refused;
    refused.set_job(kJob);
    refused.set_round(1);
    refused.set_phase("refused");
    EXPECT_TRUE(sites[i]->Report(refused).ok());
  }
  const auto status = federation.WaitForJob(kJob, Closed(1));
  EXPECT_TRUE(status.ok()) << status.status();
  return status->history(0).model_sha256();
}

class MaskedTest : public testing::Test {
 protected:
  void Launch(int grace_s = 20) {
    HILUM_ASSERT_OK(LaunchAndApprove(federation_, MaskedPlan(kJob, kParams, grace_s), all_.sites));
  }
  // The round closed with these sites and the model of the open round.
  void ExpectModelOf(const std::vector<size_t>& counted) {
    HILUM_ASSERT_OK_AND_ASSIGN(const wire::JobStatus status,
                               federation_.WaitForJob(kJob, Closed(1)));
    ASSERT_EQ(status.history(0).status(), "ok") << status.history(0).reason();
    EXPECT_EQ(static_cast<size_t>(status.history(0).cohort_size()), counted.size());
    EXPECT_EQ(status.history(0).model_sha256(), OpenModel(counted));
  }
  void Restart() {
    federation_.Stop();
    federation_.Start();
    for (const auto& site : all_.sites) site->Arrive();
  }

  TestFederation federation_;
  MaskedSites all_{federation_, kSites};
};

TEST_F(MaskedTest, TheSumIsExactAndTheModelThatOfTheOpenRound) {
  Launch();
  HILUM_ASSERT_OK(all_.Begin(kJob, 1));
  HILUM_ASSERT_OK(all_.AnswerFrom(Flight::kAdvertise));
  ExpectModelOf({0, 1, 2, 3, 4, 5});
}

// Masks are of one attempt: what a site sends in another says nothing beside it.
TEST(MaskedAttempts, OfOneDeltaShareNoWord) {
  std::vector<std::vector<uint32_t>> plain(2), masked(2);
  for (size_t attempt = 0; attempt < 2; ++attempt) {
    TestFederation federation;
    MaskedSites all(federation, kSites);
    HILUM_ASSERT_OK(LaunchAndApprove(federation, MaskedPlan(kJob, kParams), all.sites));
    HILUM_ASSERT_OK(all.Begin(kJob, 1));
    HILUM_ASSERT_OK(all.AnswerFrom(Flight::kAdvertise, Flight::kVector));
    plain[attempt] = PlainWordsOf(all.masked[0].open());
    masked[attempt].assign(all.masked[0].words().begin(), all.masked[0].words().end());
  }
  ASSERT_EQ(plain[0], plain[1]);
  ASSERT_GE(masked[0].size(), static_cast<size_t>(kParams));
  int n_equal = 0;
  for (size_t j = 0; j < masked[0].size(); ++j) n_equal += masked[0][j] == masked[1][j] ? 1 : 0;
  EXPECT_LE(n_equal, 1);  // by chance, once in 2^32 words
}

// One of six may fall silent at any time: the round is the sum of the others, or of all when its
// vector was there already.
class SilentSite : public MaskedTest, public testing::WithParamInterface<uint32_t> {};

TEST_P(SilentSite, CostsItselfOnly) {
  const auto silent_from = static_cast<Flight>(GetParam());
  Launch(kShortGraceS);
  HILUM_ASSERT_OK(all_.Begin(kJob, 1));
  if (silent_from > Flight::kAdvertise) {
    HILUM_ASSERT_OK(
        all_.AnswerFrom(Flight::kAdvertise, static_cast<Flight>(NumberOf(silent_from) - 1)));
  }
  all_.silent.insert(2);
  all_.sites[2]->Leave();  // R2 waits for whoever is connected
  if (silent_from == Flight::kReveal) {
    HILUM_ASSERT_OK(all_.Answer(Flight::kReveal));
    // The graph's seed would be biased: the attempt is void, and the next one leaves it out.
    HILUM_ASSERT_OK(all_.Begin(kJob, 1, 1));
    HILUM_ASSERT_OK(all_.AnswerFrom(Flight::kAdvertise));
  } else {
    HILUM_ASSERT_OK(all_.AnswerFrom(silent_from));
  }
  const bool counts = silent_from > Flight::kVector;
  ExpectModelOf(counts ? std::vector<size_t>{0, 1, 2, 3, 4, 5}
                       : std::vector<size_t>{0, 1, 3, 4, 5});
}

INSTANTIATE_TEST_SUITE_P(Masked, SilentSite, testing::Range(1U, 8U));

// What is stored makes the same attempt again: the same messages go out, and the sum is exact.
class ServerRestart : public MaskedTest, public testing::WithParamInterface<uint32_t> {};

TEST_P(ServerRestart, CostsNothing) {
  const auto restart_in = static_cast<Flight>(GetParam());
  Launch();
  HILUM_ASSERT_OK(all_.Begin(kJob, 1));
  if (restart_in > Flight::kAdvertise) {
    HILUM_ASSERT_OK(
        all_.AnswerFrom(Flight::kAdvertise, static_cast<Flight>(NumberOf(restart_in) - 1)));
  }
  for (size_t i = 0; i < 3; ++i) HILUM_ASSERT_OK(all_.masked[i].Answer(restart_in));
  absl::StatusOr<Bytes> before = Bytes();
  if (restart_in > Flight::kAdvertise) before = all_.masked[3].Fetch(restart_in);
  Restart();
  for (size_t i = 3; i < all_.masked.size(); ++i) {
    HILUM_ASSERT_OK(all_.masked[i].Answer(restart_in));
    if (i != 3 || restart_in == Flight::kAdvertise || restart_in == Flight::kAnswer) continue;
    HILUM_ASSERT_OK_AND_ASSIGN(const Bytes after, all_.masked[3].Fetch(restart_in));
    HILUM_ASSERT_OK(before.status());
    EXPECT_EQ(*before, after);
  }
  if (restart_in < Flight::kAnswer) {
    HILUM_ASSERT_OK(all_.AnswerFrom(After(restart_in)));
  }
  ExpectModelOf({0, 1, 2, 3, 4, 5});
}

INSTANTIATE_TEST_SUITE_P(Masked, ServerRestart, testing::Range(1U, 8U));

TEST_F(MaskedTest, ARepeatedMessageIsAcknowledgedAndCountsOnce) {
  Launch();
  HILUM_ASSERT_OK(all_.Begin(kJob, 1));
  for (Flight flight = Flight::kAdvertise; flight < Flight::kAnswer; flight = After(flight)) {
    HILUM_ASSERT_OK(all_.masked[0].Answer(flight));
    if (flight == Flight::kVector) {
      HILUM_ASSERT_OK_AND_ASSIGN(const auto receipt, all_.masked[0].Submit());
      EXPECT_TRUE(receipt.repeated_send());
    } else {
      HILUM_ASSERT_OK_AND_ASSIGN(const auto receipt, all_.masked[0].Repeat());
      EXPECT_TRUE(receipt.repeated_send());
    }
    for (size_t i = 1; i < kSites; ++i) HILUM_ASSERT_OK(all_.masked[i].Answer(flight));
  }
  HILUM_ASSERT_OK(all_.Answer(Flight::kAnswer));
  ExpectModelOf({0, 1, 2, 3, 4, 5});
}

TEST_F(MaskedTest, ASecondAndDifferentMessageIsRefused) {
  Launch();
  HILUM_ASSERT_OK(all_.Begin(kJob, 1));
  MaskedSite again(all_.sites[0].get(), federation_.server().identity().entry_key);
  HILUM_ASSERT_OK(again.Begin(kJob, 1));
  HILUM_ASSERT_OK(all_.masked[0].Answer(Flight::kAdvertise));
  EXPECT_THAT(again.Answer(Flight::kAdvertise), StatusIs(StatusCode::kFailedPrecondition, ""));
  for (size_t i = 1; i < kSites; ++i) HILUM_ASSERT_OK(all_.masked[i].Answer(Flight::kAdvertise));
  HILUM_ASSERT_OK(all_.AnswerFrom(Flight::kReveal));
  ExpectModelOf({0, 1, 2, 3, 4, 5});
}

TEST_F(MaskedTest, NobodySpeaksForAnother) {
  Launch();
  HILUM_ASSERT_OK(all_.Begin(kJob, 1));
  EXPECT_THAT(all_.masked[1].Send(Flight::kAdvertise, all_.masked[0].last()).status(),
              StatusIs(StatusCode::kPermissionDenied, "names member 0"));
  HILUM_ASSERT_OK(all_.AnswerFrom(Flight::kAdvertise));
  ExpectModelOf({0, 1, 2, 3, 4, 5});
}

TEST_F(MaskedTest, AMessageOfAnotherFlightIsRefused) {
  Launch();
  HILUM_ASSERT_OK(all_.Begin(kJob, 1));
  EXPECT_THAT(all_.masked[0].Send(Flight::kReveal, all_.masked[0].last()).status(),
              StatusIs(StatusCode::kFailedPrecondition, "is not on"));
  EXPECT_THAT(all_.masked[0].Fetch(Flight::kShare).status(),
              StatusIs(StatusCode::kFailedPrecondition, "is not on"));
  HILUM_ASSERT_OK(all_.Answer(Flight::kAdvertise));
  HILUM_ASSERT_OK(all_.Answer(Flight::kReveal));
  HILUM_ASSERT_OK(all_.masked[1].AnswerWithoutSending(Flight::kShare));  // it has begun
  EXPECT_THAT(all_.masked[0].Repeat().status(), StatusIs(StatusCode::kFailedPrecondition, ""));
}

TEST_F(MaskedTest, AVectorBeforeItsSharesIsRefused) {
  Launch();
  HILUM_ASSERT_OK(all_.Begin(kJob, 1));
  const OpenRound& open = all_.masked[0].open();
  EXPECT_THAT(all_.sites[0]->Submit(open, PlainWordsOf(open)).status(),
              StatusIs(StatusCode::kFailedPrecondition, "after its shares"));
}

TEST_F(MaskedTest, ABareVectorInItsPlaceIsRefused) {
  Launch();
  HILUM_ASSERT_OK(all_.Begin(kJob, 1));
  HILUM_ASSERT_OK(all_.AnswerFrom(Flight::kAdvertise, Flight::kAcknowledge));
  const OpenRound& open = all_.masked[0].open();
  HILUM_ASSERT_OK(all_.sites[0]->WaitFor(
      [](const auto& s) { return s.rounds_size() == 1 && s.rounds(0).flight() == 5; }));
  // Signed for open mode: H(U2) is not in its signature.
  EXPECT_THAT(all_.sites[0]->Submit(open, PlainWordsOf(open)).status(),
              StatusIs(StatusCode::kDataLoss, "signature"));
  HILUM_ASSERT_OK(all_.AnswerFrom(Flight::kVector));
  ExpectModelOf({0, 1, 2, 3, 4, 5});
}

TEST_F(MaskedTest, ALateVectorOfADroppedSiteIsRefused) {
  Launch(kShortGraceS);
  HILUM_ASSERT_OK(all_.Begin(kJob, 1));
  HILUM_ASSERT_OK(all_.AnswerFrom(Flight::kAdvertise, Flight::kAcknowledge));
  MaskedSite& late = all_.masked[2];
  HILUM_ASSERT_OK(late.AnswerWithoutSending(Flight::kVector));
  all_.sites[2]->Leave();
  all_.silent.insert(2);
  HILUM_ASSERT_OK(all_.AnswerFrom(Flight::kVector, Flight::kVote));
  EXPECT_THAT(late.Submit().status(), StatusIs(StatusCode::kFailedPrecondition, ""));
  HILUM_ASSERT_OK(all_.Answer(Flight::kAnswer));
  ExpectModelOf({0, 1, 3, 4, 5});
}

TEST_F(MaskedTest, ARoundThatTooManyLeaveIsAborted) {
  Launch();
  HILUM_ASSERT_OK(all_.Begin(kJob, 1));
  HILUM_ASSERT_OK(all_.Answer(Flight::kAdvertise));
  HILUM_ASSERT_OK(all_.sites[0]->Answer(kJob, false));
  HILUM_ASSERT_OK(all_.sites[1]->Answer(kJob, false));
  all_.silent = {0, 1};
  HILUM_ASSERT_OK(all_.Answer(Flight::kReveal));
  HILUM_ASSERT_OK_AND_ASSIGN(const wire::JobStatus status, federation_.WaitForJob(kJob, Closed(1)));
  EXPECT_EQ(status.history(0).status(), "aborted");
  EXPECT_NE(status.history(0).reason().find("attempt 1"), std::string::npos)
      << status.history(0).reason();
}

TEST_F(MaskedTest, TheServerNeverSeesASitesStatistics) {
  Launch();
  HILUM_ASSERT_OK(all_.Begin(kJob, 1));
  HILUM_ASSERT_OK(all_.AnswerFrom(Flight::kAdvertise));
  HILUM_ASSERT_OK_AND_ASSIGN(const wire::JobStatus status, federation_.WaitForJob(kJob, Closed(1)));
  for (const wire::SiteStatus& site : status.sites()) EXPECT_FALSE(site.has_statistics());
  EXPECT_EQ(status.history(0).total_weight(), 75u);  // 10 + 11 + ... + 15
}

}  // namespace
}  // namespace hilum::aggregator

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

}  // namespace
}  // namespace hilum::aggregator

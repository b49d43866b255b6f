// Whole jobs over loopback gRPC.
#include "aggregator/server.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "absl/strings/match.h"
#include "crypto/hash.h"
#include "ledger_anchor/gate.h"
#include "ledger_anchor/note.h"
#include "ledger_anchor/policy.h"
#include "ledger_anchor/reader.h"
#include "proto/safetensors.h"
#include "tests/aggregator/test_federation.h"
#include "tests/status_matchers.h"

namespace hilum::aggregator {
namespace {

constexpr char kJob[] = "cxr-test";

bool IsDone(const wire::JobStatus& status) { return status.state() == "done"; }
auto Closed(int n) {
  return [n](const wire::JobStatus& status) {
    return status.history_size() >= n && status.history(n - 1).status() != "open";
  };
}

std::string LastModel(const wire::JobStatus& status) {
  return status.history(status.history_size() - 1).model_sha256();
}

// The reference: version 0 plus, for each round, the weighted mean in double.
std::vector<float> ExpectedModel(const proto::RoundPlan& plan, int n_sites, int n_rounds,
                                 const privacy::RoundConfig& config) {
  std::vector<float> model = proto::ParseSafetensors(MakeModelFile(plan.spec, 1))->flat;
  for (int round = 1; round <= n_rounds; ++round) {
    std::vector<int64_t> sum(model.size());
    uint64_t weight = 0;
    for (int site = 0; site < n_sites; ++site) {
      const auto words = MakeVector(config, {.seed = 1000 * static_cast<uint64_t>(round) + site,
                                             .weight = static_cast<uint32_t>(10 + site)});
      for (size_t j = 0; j < model.size(); ++j) sum[j] += static_cast<int32_t>(words[j]);
      weight += words[model.size()];
    }
    const double gain = config.max_weight / (config.scale * static_cast<double>(weight));
    for (size_t j = 0; j < model.size(); ++j) {
      const double mean = static_cast<double>(sum[j]) * gain;
      model[j] = static_cast<float>(static_cast<double>(model[j]) + mean);
    }
  }
  return model;
}

TEST(Server, TwoRoundsGiveTheModelThatTheReferenceComputes) {
  TestFederation federation;
  const auto sites = federation.AddSites(3);
  const proto::RoundPlan plan = MakePlan(kJob, 1000);
  HILUM_ASSERT_OK(LaunchAndApprove(federation, plan, sites));
  HILUM_ASSERT_OK_AND_ASSIGN(const OpenRound open, sites[0]->WaitForRound(kJob, 1));
  HILUM_ASSERT_OK(PlayRound(kJob, 1, sites));
  HILUM_ASSERT_OK(PlayRound(kJob, 2, sites));
  HILUM_ASSERT_OK_AND_ASSIGN(const wire::JobStatus status, federation.WaitForJob(kJob, IsDone));
  ASSERT_EQ(status.history_size(), 2);
  EXPECT_EQ(status.history(1).status(), "ok");
  EXPECT_EQ(status.history(1).total_weight(), 33u);
  EXPECT_EQ(status.history(1).mean_loss(), 0.5);
  EXPECT_EQ(status.history(1).received_bytes(), 3u * 1003 * 4);
  EXPECT_EQ(status.sites(1).phase(), "waiting");
  EXPECT_EQ(status.sites(1).weight(), 11u);
  HILUM_ASSERT_OK_AND_ASSIGN(const Bytes file, federation.FetchModel(LastModel(status)));
  EXPECT_EQ(AsText(ByteView(crypto::Sha256(file))), LastModel(status));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto model, proto::ParseSafetensorsAs(file, plan.spec));
  EXPECT_EQ(model.flat, ExpectedModel(plan, 3, 2, open.config));
  EXPECT_EQ(model.metadata.at("round"), "2");
  EXPECT_EQ(model.metadata.at("job"), kJob);
  EXPECT_EQ(model.metadata.at("origin"), "test.example/ledger");
}

TEST(Server, TheLedgerHoldsTheChainAndASiteCanCheckItsProofs) {
  TestFederation federation;
  const auto sites = federation.AddSites(2);
  HILUM_ASSERT_OK(LaunchAndApprove(federation, MakePlan(kJob, 50), sites));
  HILUM_ASSERT_OK(PlayRound(kJob, 1, sites));
  HILUM_ASSERT_OK_AND_ASSIGN(const OpenRound second, sites[0]->WaitForRound(kJob, 2));
  const FederationIdentity& identity = federation.server().identity();
  HILUM_ASSERT_OK_AND_ASSIGN(const auto log_key,
                             ledger_anchor::ParseVerifierKey(identity.log_vkey));
  ledger_anchor::GatePins pins;
  HILUM_ASSERT_OK_AND_ASSIGN(
      pins.policy, ledger_anchor::ParsePolicy(ledger_anchor::MakePolicyWithoutWitnesses(log_key)));
  pins.entry_key = identity.entry_key;
  ledger_anchor::GateInput input;
  input.proof = second.notice.open_proof();
  input.now_s = static_cast<uint64_t>(SystemClock().NowSeconds());
  input.expected = {.type = "round-open", .study = kJob, .round = 2};
  HILUM_ASSERT_OK_AND_ASSIGN(const auto opened, ledger_anchor::CheckProof(pins, input));
  input.proof = second.notice.close_proof();
  input.expected = {.type = "round-close", .study = kJob, .round = 1};
  HILUM_ASSERT_OK_AND_ASSIGN(const auto closed, ledger_anchor::CheckProof(pins, input));
  HILUM_EXPECT_OK(ledger_anchor::CheckOpenAfterClose(
      std::get<ledger_anchor::RoundOpen>(opened.entry().body),
      std::get<ledger_anchor::RoundClose>(closed.entry().body), closed.place().leaf_hash));
  EXPECT_EQ(std::get<ledger_anchor::RoundOpen>(opened.entry().body).cfg,
            privacy::HashConfig(second.config));
  HILUM_ASSERT_OK(PlayRound(kJob, 2, sites));
  HILUM_ASSERT_OK(federation.WaitForJob(kJob, IsDone));
  HILUM_ASSERT_OK_AND_ASSIGN(
      const auto view,
      ledger_anchor::VerifyLog(ledger_anchor::FolderFetch(federation.server().LedgerFolder()),
                               {.origin = identity.origin,
                                .log_vkey = identity.log_vkey,
                                .entry_key = identity.entry_key}));
  // genesis, two joins, two rounds, the release
  EXPECT_EQ(view.entries.size(), 8u);
  EXPECT_EQ(ledger_anchor::EntryType(view.entries.back().entry), "model-release");
}

TEST(Server, ASiteThatGoesAwayIsDroppedAfterItsGraceAndTheRoundGoesOn) {
  TestFederation federation;
  auto sites = federation.AddSites(3);
  proto::RoundPlan plan = MakePlan(kJob, 50);
  plan.cohort.grace_s = 1;
  HILUM_ASSERT_OK(LaunchAndApprove(federation, plan, sites));
  HILUM_ASSERT_OK(sites[2]->WaitForRound(kJob, 1).status());
  sites[2]->Leave();
  const std::unique_ptr<TestSite> gone = std::move(sites[2]);
  sites.pop_back();
  HILUM_ASSERT_OK(PlayRound(kJob, 1, sites));
  HILUM_ASSERT_OK_AND_ASSIGN(wire::JobStatus status, federation.WaitForJob(kJob, Closed(1)));
  EXPECT_EQ(status.history(0).status(), "ok");
  ASSERT_EQ(status.history(0).dropped_size(), 1);
  EXPECT_EQ(status.history(0).dropped(0), "site-02");
  EXPECT_EQ(status.history(0).total_weight(), 21u);
  // Back again: it is in the next round, without being asked.
  gone->Arrive();
  HILUM_ASSERT_OK_AND_ASSIGN(const OpenRound second, gone->WaitForRound(kJob, 2));
  EXPECT_EQ(second.config.roster.size(), 3u);
}

TEST(Server, ASiteThatRefusesIsDroppedAtOnce) {
  TestFederation federation;
  auto sites = federation.AddSites(3);
  HILUM_ASSERT_OK(LaunchAndApprove(federation, MakePlan(kJob, 50), sites));
  HILUM_ASSERT_OK(sites[0]->WaitForRound(kJob, 1).status());
  wire::Progress progress;
  progress.set_job(kJob);
  progress.set_round(1);
  progress.set_phase("refused");
  progress.set_reason("the clip norm is above this site's floor");
  HILUM_ASSERT_OK(sites[0]->Report(progress));
  HILUM_ASSERT_OK_AND_ASSIGN(const wire::JobStatus status, federation.JobStatus(kJob));
  EXPECT_EQ(status.sites(0).phase(), "refused");
  EXPECT_EQ(status.sites(0).reason(), "the clip norm is above this site's floor");
  sites.erase(sites.begin());
  HILUM_ASSERT_OK(PlayRound(kJob, 1, sites));
  HILUM_ASSERT_OK(federation.WaitForJob(kJob, Closed(1)));
}

TEST(Server, ASitesReasonIsNeverCutWithinACharacter) {
  TestFederation federation;
  const auto sites = federation.AddSites(3);
  HILUM_ASSERT_OK(LaunchAndApprove(federation, MakePlan(kJob, 50), sites));
  HILUM_ASSERT_OK(sites[0]->WaitForRound(kJob, 1).status());
  const std::string start(199, 'x');
  wire::Progress progress;
  progress.set_job(kJob);
  progress.set_round(1);
  progress.set_phase("refused");
  progress.set_reason(start + "\u00e9\u00e9");
  HILUM_ASSERT_OK(sites[0]->Report(progress));
  HILUM_ASSERT_OK_AND_ASSIGN(const wire::JobStatus status, federation.JobStatus(kJob));
  EXPECT_EQ(status.sites(0).reason(), start);
}

TEST(Server, AJoinThatIsRefusedWakesNobody) {
  TestFederation federation;
  const uint64_t seen = federation.server().WaitForChange(0, absl::ZeroDuration());
  EXPECT_FALSE(federation.server().Join({.member = "hospital-x", .secret = Bytes(32)}).ok());
  EXPECT_EQ(federation.server().WaitForChange(seen, absl::Milliseconds(20)), seen);
}

// A limit on the size of files, as a full disk: an update fits below it, a model does not.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t limit_bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{.rlim_cur = limit_bytes, .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

TEST(Server, ADiskFullAtTheCloseIsWaitedOut) {
  constexpr int64_t kParams = 2'000'000;
  TestFederation federation;
  const auto sites = federation.AddSites(2);
  HILUM_ASSERT_OK(LaunchAndApprove(federation, MakePlan(kJob, kParams), sites));
  {
    const FileSizeLimit full(4 * kParams + 64);
    HILUM_ASSERT_OK(PlayRound(kJob, 1, sites));
    HILUM_ASSERT_OK(federation.WaitForJob(kJob, [](const wire::JobStatus& status) {
      return absl::StartsWith(status.message(), "waiting: ");
    }));
  }
  HILUM_ASSERT_OK_AND_ASSIGN(const wire::JobStatus status, federation.WaitForJob(kJob, Closed(1)));
  EXPECT_EQ(status.state(), "running");
  EXPECT_EQ(status.history(0).status(), "ok");
}

TEST(Server, ThreeAbortedRoundsPauseTheJobAndResumeGoesOn) {
  TestFederation federation;
  const auto sites = federation.AddSites(2);
  proto::RoundPlan plan = MakePlan(kJob, 50);
  plan.rounds = 4;
  HILUM_ASSERT_OK(LaunchAndApprove(federation, plan, sites));
  for (uint64_t round = 1; round <= 3; ++round) {
    HILUM_ASSERT_OK(sites[0]->WaitForRound(kJob, round).status());
    wire::Progress progress;
    progress.set_job(kJob);
    progress.set_round(round);
    progress.set_phase("refused");
    HILUM_ASSERT_OK(sites[0]->Report(progress));
    HILUM_ASSERT_OK_AND_ASSIGN(const OpenRound open, sites[1]->WaitForRound(kJob, round));
    HILUM_ASSERT_OK(sites[1]->Submit(open, MakeVector(open.config, {.seed = round})).status());
  }
  HILUM_ASSERT_OK_AND_ASSIGN(
      const wire::JobStatus paused,
      federation.WaitForJob(kJob, [](const auto& s) { return s.state() == "paused"; }));
  EXPECT_THAT(paused.message(), testing::HasSubstr("3 rounds in a row were aborted"));
  ASSERT_EQ(paused.history_size(), 3);
  EXPECT_EQ(paused.history(2).status(), "aborted");
  EXPECT_EQ(paused.history(2).reason(), "1 of 2 sites sent an update, the minimum is 2");
  EXPECT_EQ(paused.history(0).model_sha256(), paused.history(2).model_sha256());
  wire::ResumeRequest request;
  request.set_job(kJob);
  wire::JobStatus reply;
  grpc::ClientContext context;
  ASSERT_TRUE(federation.lead().Resume(&context, request, &reply).ok());
  HILUM_ASSERT_OK(PlayRound(kJob, 4, sites));
  HILUM_ASSERT_OK(federation.WaitForJob(kJob, IsDone));
}

TEST(Server, ResumeWithMoreRoundsExtendsADoneJob) {
  TestFederation federation;
  const auto sites = federation.AddSites(2);
  proto::RoundPlan plan = MakePlan(kJob, 50);
  plan.rounds = 1;
  HILUM_ASSERT_OK(LaunchAndApprove(federation, plan, sites));
  HILUM_ASSERT_OK(PlayRound(kJob, 1, sites));
  HILUM_ASSERT_OK(federation.WaitForJob(kJob, IsDone));
  wire::ResumeRequest request;
  request.set_job(kJob);
  wire::JobStatus reply;
  {
    grpc::ClientContext context;
    EXPECT_THAT(proto::FromGrpcStatus(federation.lead().Resume(&context, request, &reply), "s"),
                StatusIs(absl::StatusCode::kFailedPrecondition, "--rounds"));
  }
  request.set_rounds(2);
  grpc::ClientContext context;
  ASSERT_TRUE(federation.lead().Resume(&context, request, &reply).ok());
  HILUM_ASSERT_OK(PlayRound(kJob, 2, sites));
  HILUM_ASSERT_OK_AND_ASSIGN(const wire::JobStatus done, federation.WaitForJob(kJob, IsDone));
  EXPECT_EQ(done.rounds(), 2u);
}

TEST(Server, ARestartInEveryStateGivesTheSameModel) {
  std::string expected;
  for (int restart_after = -1; restart_after <= 3; ++restart_after) {
    TestFederation federation;
    auto sites = federation.AddSites(3);
    HILUM_ASSERT_OK(LaunchAndApprove(federation, MakePlan(kJob, 300'000), sites));
    const auto restart = [&] {
      federation.Stop();
      federation.Start();
      for (const auto& site : sites) {
        site->Connect(federation.address());
        site->Arrive();
      }
    };
    if (restart_after == 0) restart();
    for (size_t i = 0; i < sites.size(); ++i) {
      HILUM_ASSERT_OK_AND_ASSIGN(const OpenRound open, sites[i]->WaitForRound(kJob, 1));
      // Half an update is on its way when the server goes down.
      if (restart_after == static_cast<int>(i) + 1) {
        EXPECT_FALSE(
            sites[i]
                ->Submit(open, MakeVector(open.config, {.seed = 5}), {.stop_after_chunks = 1})
                .ok());
        restart();
      }
      HILUM_ASSERT_OK(
          sites[i]
              ->Submit(open, MakeVector(open.config, {.seed = 1000 + i,
                                                      .weight = static_cast<uint32_t>(10 + i)}))
              .status());
    }
    HILUM_ASSERT_OK_AND_ASSIGN(const wire::JobStatus status,
                               federation.WaitForJob(kJob, Closed(1)));
    const std::string model = LastModel(status).empty() ? "" : status.history(0).model_sha256();
    if (expected.empty()) expected = model;
    EXPECT_EQ(ToHex(AsBytes(model)), ToHex(AsBytes(expected))) << restart_after;
  }
}

TEST(Server, CancelClosesTheOpenRoundAsAborted) {
  TestFederation federation;
  const auto sites = federation.AddSites(2);
  HILUM_ASSERT_OK(LaunchAndApprove(federation, MakePlan(kJob, 50), sites));
  HILUM_ASSERT_OK(sites[0]->WaitForRound(kJob, 1).status());
  wire::JobRequest request;
  request.set_job(kJob);
  wire::JobStatus reply;
  grpc::ClientContext context;
  ASSERT_TRUE(federation.lead().Cancel(&context, request, &reply).ok());
  HILUM_ASSERT_OK_AND_ASSIGN(const wire::JobStatus status, federation.WaitForJob(kJob, Closed(1)));
  EXPECT_EQ(status.state(), "cancelled");
  EXPECT_EQ(status.history(0).reason(), "the job was cancelled");
}

TEST(Server, OneJobRunsAtATime) {
  TestFederation federation;
  const auto sites = federation.AddSites(2);
  HILUM_ASSERT_OK(LaunchAndApprove(federation, MakePlan(kJob, 50), sites));
  const Digest model = federation.PutModel(MakeModelFile(MakeSpec(50), 1));
  EXPECT_THAT(federation.Launch(MakePlan("other", 50), model),
              StatusIs(absl::StatusCode::kFailedPrecondition, "job cxr-test is"));
  EXPECT_THAT(federation.Launch(MakePlan(kJob, 50), model),
              StatusIs(absl::StatusCode::kAlreadyExists, "another name"));
}

TEST(Server, LaunchRefusesWhatCannotRun) {
  TestFederation federation;
  const auto sites = federation.AddSites(2);
  const Digest model = federation.PutModel(MakeModelFile(MakeSpec(50), 1));
  EXPECT_THAT(federation.Launch(MakePlan(kJob, 50), Digest{}),
              StatusIs(absl::StatusCode::kNotFound, "send it first"));
  EXPECT_THAT(federation.Launch(MakePlan(kJob, 51), model),
              StatusIs(absl::StatusCode::kInvalidArgument, "tensor head.bias"));
  proto::RoundPlan plan = MakePlan(kJob, 50);
  plan.cohort.minimum = 3;
  EXPECT_THAT(federation.Launch(plan, model),
              StatusIs(absl::StatusCode::kFailedPrecondition, "has 2 sites"));
  plan = MakePlan(kJob, 50);
  plan.aggregation.value_bits = 31;
  plan.aggregation.ring_bits = 31;
  EXPECT_THAT(federation.Launch(plan, model),
              StatusIs(absl::StatusCode::kInvalidArgument, "value_bits"));
  plan.aggregation.value_bits = 30;
  plan.aggregation.ring_bits = 30;
  EXPECT_FALSE(federation.Launch(plan, model).ok());
}

TEST(Server, TooFewApprovalsEndTheJobWithTheNumbers) {
  TestFederation federation;
  const auto sites = federation.AddSites(2);
  const proto::RoundPlan plan = MakePlan(kJob, 50);
  HILUM_ASSERT_OK(
      federation.Launch(plan, federation.PutModel(MakeModelFile(plan.spec, 1))).status());
  HILUM_ASSERT_OK(sites[0]->Answer(kJob, true));
  HILUM_ASSERT_OK(sites[1]->Answer(kJob, false));
  HILUM_ASSERT_OK_AND_ASSIGN(
      const wire::JobStatus status,
      federation.WaitForJob(kJob, [](const auto& s) { return s.state() == "failed"; }));
  EXPECT_EQ(status.message(),
            "1 of 2 sites approved the job, the minimum is 2; the job is over and its name taken: "
            "to ask the sites again, launch it under another name");
  EXPECT_EQ(status.sites(1).answer(), "denied");
}

TEST(Server, ARemovedSiteIsOutOfTheRoundAndItsCertificateIsRefused) {
  TestFederation federation;
  auto sites = federation.AddSites(3);
  HILUM_ASSERT_OK(LaunchAndApprove(federation, MakePlan(kJob, 50), sites));
  HILUM_ASSERT_OK_AND_ASSIGN(const OpenRound open, sites[1]->WaitForRound(kJob, 1));
  {
    HILUM_ASSERT_OK_AND_ASSIGN(const auto state, State::Open(federation.folder() / "state.sqlite"));
    HILUM_ASSERT_OK(state->RequestRemoval({"site-01"}));
  }
  HILUM_ASSERT_OK(federation.WaitForJob(kJob, [](const auto& s) { return s.sites_size() == 2; }));
  EXPECT_THAT(sites[1]->Submit(open, MakeVector(open.config, {.seed = 1})),
              StatusIs(absl::StatusCode::kPermissionDenied, "not the one of a member"));
  sites.erase(sites.begin() + 1);
  HILUM_ASSERT_OK(PlayRound(kJob, 1, sites));
  HILUM_ASSERT_OK_AND_ASSIGN(const wire::JobStatus status, federation.WaitForJob(kJob, Closed(1)));
  EXPECT_EQ(status.history(0).dropped(0), "site-01");
}

}  // namespace
}  // namespace hilum::aggregator

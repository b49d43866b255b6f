// The sites' witnesses: policies that operators pin, rounds that wait for a quorum.
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "aggregator/federation.h"
#include "aggregator/membership.h"
#include "base/version.h"
#include "client/ledger_gate.h"
#include "client/policy.h"
#include "ledger_anchor/fetch.h"
#include "ledger_anchor/policy.h"
#include "ledger_anchor/reader.h"
#include "proto/channel.h"
#include "proto/hilum/v1/services.grpc.pb.h"
#include "tests/client/two_hospitals.h"

namespace hilum::client {
namespace {

using absl::StatusCode;

int64_t Now() { return SystemClock().NowSeconds(); }

// Two hospitals: with one dishonest witness both must cosign.
class Witnessed : public ::testing::Test, public TwoHospitals {
 protected:
  Witnessed() {
    for (auto& [name, site] : sites_) {
      site.options.witness_program = fs::path(HILUM_BIN_DIR) / "hilum-ledger";
    }
    const auto identity = aggregator::ReadIdentity(server_.folder());
    const auto state = aggregator::State::Open(server_.folder() / "state.sqlite");
    policy_ = aggregator::MakeWitnessPolicy(*identity, **state, 1)->text;
  }
  // As `hilum server policy --install` and a restart.
  void InstallPolicy() {
    HILUM_ASSERT_OK_AND_ASSIGN(const auto identity, aggregator::ReadIdentity(server_.folder()));
    HILUM_ASSERT_OK(aggregator::InstallPolicy(identity, policy_));
    server_.Stop();
    server_.Start();
  }
  absl::StatusOr<PolicyReport> Pin(const std::string& site, const std::string& policy) {
    return PinPolicy(sites_[site].folder, sites_[site].options, policy, Now());
  }
  bool SawSoon(const std::string& site, const std::string& event) {
    return WaitUntil([&] { return sites_[site].agent->Saw(event); });
  }
  std::string policy_;
};

TEST_F(Witnessed, EachRoundIsCosignedByTheSites) {
  InstallPolicy();
  for (const char* site : {"hospital-a", "hospital-b"}) {
    HILUM_ASSERT_OK_AND_ASSIGN(const PolicyReport report, Pin(site, policy_));
    EXPECT_EQ(report.quorum, 2u);
    EXPECT_EQ(report.faults, 1u);
    EXPECT_EQ(report.may_be_away, 0u);
    ASSERT_EQ(report.witnesses.size(), 2u);
    EXPECT_EQ(report.witnesses[1].member, "hospital-b");
    EXPECT_EQ(report.witnesses[1].join_index, 2u);
  }
  RunJob();
  HILUM_ASSERT_OK_AND_ASSIGN(const auto proof, server_.server().Proof({kJob}, {2}, "round-close"));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto policy, ledger_anchor::ParsePolicy(policy_));
  const std::string note = proof.proof.substr(proof.proof.find("\n\n") + 2);
  HILUM_ASSERT_OK_AND_ASSIGN(
      const auto vouched,
      ledger_anchor::CheckPolicy(policy, note, {.now_s = static_cast<uint64_t>(Now())}));
  EXPECT_EQ(vouched.witnesses.size(), 2u);
  // What an auditor sees who has the files alone.
  HILUM_ASSERT_OK_AND_ASSIGN(const auto place,
                             ledger_anchor::LocateLedger(server_.folder().string()));
  HILUM_ASSERT_OK_AND_ASSIGN(auto view, ledger_anchor::VerifyLog(place.fetch, {}));
  EXPECT_THAT(ledger_anchor::CosignersOf(view).value(),
              ::testing::ElementsAre("hospital-a", "hospital-b"));
  const std::string whole = view.checkpoint_note;
  char& last = view.checkpoint_note[view.checkpoint_note.size() - 10];
  last = last == 'A' ? 'B' : 'A';
  EXPECT_THAT(ledger_anchor::CosignersOf(view), StatusIs(StatusCode::kDataLoss, "does not verify"));
  view.checkpoint_note = absl::StrCat(whole, whole.substr(whole.rfind("\u2014")));
  EXPECT_THAT(ledger_anchor::CosignersOf(view),
              StatusIs(StatusCode::kDataLoss, "two cosignatures"));
  EXPECT_TRUE(SawSoon("hospital-a", "witnessing"));
}

// A site's consents are under the quorum before it says that it takes part.
TEST_F(Witnessed, AnApprovalWaitsForTheQuorumAndThenTheJobGoesOn) {
  InstallPolicy();
  for (const char* site : {"hospital-a", "hospital-b"}) HILUM_ASSERT_OK(Pin(site, policy_));
  SiteOptions& silent = sites_["hospital-b"].options;
  const fs::path program = std::exchange(silent.witness_program, fs::path());
  StartAgents();
  server_.Launch(SmallPlan(kJob), VersionZero(SmallPlan(kJob)));
  Approve();
  EXPECT_FALSE(WaitUntil([&] { return sites_["hospital-a"].agent->Saw("job_answered"); }, 3));
  EXPECT_TRUE(server_.Job(kJob).history.empty());
  EXPECT_EQ(server_.server().Counters().witnesses_connected, 1u);
  sites_["hospital-b"].agent.reset();
  silent.witness_program = program;
  sites_["hospital-b"].agent = std::make_unique<TestAgent>(sites_["hospital-b"].folder, silent);
  ASSERT_TRUE(WaitUntil([&] { return Finished(2); })) << server_.Job(kJob).message;
}

// The processes whose parent is this one.
std::vector<pid_t> Children() {
  std::vector<pid_t> children;
  for (const auto& task : fs::directory_iterator("/proc/self/task")) {
    std::ifstream list(task.path() / "children");
    for (pid_t pid = 0; list >> pid;) children.push_back(pid);
  }
  return children;
}

TEST_F(Witnessed, AWitnessThatDiesIsStartedAgain) {
  InstallPolicy();
  for (const char* site : {"hospital-a", "hospital-b"}) HILUM_ASSERT_OK(Pin(site, policy_));
  StartAgents();
  ASSERT_TRUE(SawSoon("hospital-a", "witnessing") && SawSoon("hospital-b", "witnessing"));
  const std::vector<pid_t> children = Children();
  ASSERT_EQ(children.size(), 2u);
  for (const pid_t pid : children) kill(pid, SIGKILL);
  server_.Launch(SmallPlan(kJob), VersionZero(SmallPlan(kJob)));
  Approve();
  ASSERT_TRUE(WaitUntil([&] { return Finished(2); })) << server_.Job(kJob).message;
}

TEST_F(Witnessed, ARestoredOlderCopyStopsTheServer) {
  InstallPolicy();
  StartAgents();
  ASSERT_TRUE(SawSoon("hospital-a", "witnessing") && SawSoon("hospital-b", "witnessing"));
  server_.Stop();
  const fs::path copy = server_.folder().string() + ".copy";
  fs::copy(server_.folder(), copy, fs::copy_options::recursive);
  server_.Start();
  const SiteFolder third{NewFolder("hospital-c")};
  HILUM_ASSERT_OK(Join(third, {server_.Invite("hospital-c"), server_.address(), Now()}))
      << "the join waits until both witnesses have cosigned it";
  server_.Stop();
  fs::remove_all(server_.folder());
  fs::rename(copy, server_.folder());
  server_.Start();
  ASSERT_TRUE(WaitUntil([&] { return !server_.server().failure().ok(); }));
  EXPECT_THAT(server_.server().failure(), StatusIs(StatusCode::kDataLoss, "hospital-"));
  int n_kept = 0;
  for (const auto& file : fs::directory_iterator(server_.folder() / "ledger")) {
    n_kept += file.path().filename().string().starts_with("fork-");
  }
  EXPECT_GE(n_kept, 1);
}

TEST_F(Witnessed, AServerWithoutAPolicyAsksNobody) {
  StartAgents();
  ASSERT_TRUE(SawSoon("hospital-a", "not_witnessing"));
  for (const AgentEvent& event : sites_["hospital-a"].agent->Events()) {
    if (event.event != "not_witnessing") continue;
    EXPECT_THAT(event.fields[0].second, ::testing::HasSubstr("asks no witnesses"));
  }
  EXPECT_TRUE(Children().empty()) << "a witness that nobody asks needs no process";
}

// What `hilum site policy` shows without a file.
TEST_F(Witnessed, AShownPolicyNamesTheMembersOfItsWitnesses) {
  HILUM_ASSERT_OK_AND_ASSIGN(const PolicyReport report, DescribePolicy(policy_));
  ASSERT_EQ(report.witnesses.size(), 2u);
  EXPECT_EQ(report.witnesses[0].member, "hospital-a");
  EXPECT_EQ(report.witnesses[1].member, "hospital-b");
  EXPECT_EQ(report.witnesses[1].join_index, 0u);
}

// Two of two witnesses must cosign, whether one may be dishonest or none: one may.
TEST_F(Witnessed, ServerAndSiteNameTheSameNumberOfDishonestWitnesses) {
  const auto identity = aggregator::ReadIdentity(server_.folder());
  HILUM_ASSERT_OK_AND_ASSIGN(const auto state,
                             aggregator::State::Open(server_.folder() / "state.sqlite"));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto made, aggregator::MakeWitnessPolicy(*identity, *state, 0));
  HILUM_ASSERT_OK_AND_ASSIGN(const PolicyReport report, DescribePolicy(made.text));
  EXPECT_EQ(made.faults, 1u);
  EXPECT_EQ(report.faults, 1u);
  EXPECT_THAT(made.text, testing::HasSubstr("2 of 2 witnesses must cosign; 1 may be dishonest, 0"));
}

TEST_F(Witnessed, OnlyASoundPolicyIsPinned) {
  EXPECT_THAT(Pin("hospital-a", "quorum"), StatusIs(StatusCode::kInvalidArgument, "policy"));
  const std::string one = absl::StrReplaceAll(policy_, {{"witnesses 2", "witnesses 1"}});
  sites_["hospital-a"].options.faults = 1;
  EXPECT_THAT(Pin("hospital-a", one),
              StatusIs(StatusCode::kPermissionDenied, "does not cover 1 dishonest"));
  const auto log_at = policy_.find("log ");
  std::string other = policy_;
  other.replace(log_at, other.find('\n', log_at) - log_at,
                absl::StrCat("log ", FormatVerifierKey(ledger_anchor::MakeVerifierKey(
                                         "other.example/ledger", ledger_anchor::KeyType::kEd25519,
                                         crypto::SigningKey::FromSeed({1}).public_key()))));
  EXPECT_THAT(Pin("hospital-a", other), StatusIs(StatusCode::kInvalidArgument, "the pinned one"));
  HILUM_EXPECT_OK(Pin("hospital-a", policy_));
  const std::string none =
      absl::StrCat(policy_.substr(log_at, policy_.find('\n', log_at) - log_at), "\nquorum none\n");
  EXPECT_THAT(Pin("hospital-a", none), StatusIs(StatusCode::kPermissionDenied, "asks for none"));
}

// An operator who is sent a policy with another key in a hospital's name.
TEST_F(Witnessed, AStrangersKeyUnderAHospitalsNameIsRefused) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto policy, ledger_anchor::ParsePolicy(policy_));
  const ledger_anchor::VerifierKey& real = *policy.members[1].key;
  const ledger_anchor::VerifierKey stranger =
      ledger_anchor::MakeVerifierKey(real.name, ledger_anchor::KeyType::kCosignature,
                                     crypto::SigningKey::FromSeed({5}).public_key());
  const std::string forged =
      absl::StrReplaceAll(policy_, {{FormatVerifierKey(real), FormatVerifierKey(stranger)}});
  EXPECT_THAT(Pin("hospital-a", forged),
              StatusIs(StatusCode::kDataLoss, "names another witness of hospital-b"));
  EXPECT_THAT(Pin("hospital-b", forged),
              StatusIs(StatusCode::kDataLoss, "as this site's own witness"));
  HILUM_ASSERT_OK_AND_ASSIGN(const LedgerGate gate,
                             LedgerGate::Open(sites_["hospital-a"].folder.ledger(), {}));
  EXPECT_FALSE(gate.pins().policy.quorum.has_value()) << "nothing was pinned";
}

TEST_F(Witnessed, ThePolicyOfARunningAgentStays) {
  StartAgents();
  EXPECT_THAT(Pin("hospital-a", policy_),
              StatusIs(StatusCode::kFailedPrecondition, "the agent runs"));
}

// What the published checkpoint lacks, the gate refuses, whatever the server says.
TEST_F(Witnessed, AServerWithoutWitnessesIsRefusedBySitesThatAskForThem) {
  HILUM_ASSERT_OK(Pin("hospital-a", policy_));
  HILUM_ASSERT_OK(Pin("hospital-b", policy_));
  StartAgents();
  server_.Launch(SmallPlan(kJob), VersionZero(SmallPlan(kJob)));
  Approve();
  ASSERT_TRUE(SawSoon("hospital-a", "waiting"));
  for (const AgentEvent& event : sites_["hospital-a"].agent->Events()) {
    if (event.event != "waiting") continue;
    EXPECT_THAT(event.fields.back().second, ::testing::HasSubstr("quorum"));
  }
  EXPECT_FALSE(sites_["hospital-a"].agent->Saw("job_answered"));
  EXPECT_TRUE(server_.Job(kJob).history.empty());
}

// A member whose program speaks on the Witness stream as it likes.
class HostileWitness : public Witnessed {
 protected:
  HostileWitness() {
    InstallPolicy();
    const SiteFolder& site = sites_["hospital-a"].folder;
    const auto read = [](const fs::path& file) { return ReadTextFile(file, 1 << 16).value(); };
    stub_ = v1::Federation::NewStub(proto::OpenChannel(
        server_.address(),
        {read(site.ca_pem()), read(site.tls_certificate()), read(site.tls_key())}));
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    stream_ = stub_->Witness(&context_);
  }
  void Say(const v1::WitnessAnswer& answer) { EXPECT_TRUE(stream_->Write(answer)); }
  void Hello(uint32_t version = kProtocolVersion) {
    v1::WitnessAnswer hello;
    hello.set_protocol_version(version);
    Say(hello);
  }
  uint64_t LedgerSize() { return server_.server().Counters().ledger_size; }

  std::unique_ptr<v1::Federation::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::WitnessAnswer, v1::WitnessQuestion>> stream_;
};

TEST_F(HostileWitness, LiesGoOnRecordOnceAndNothingIsPublished) {
  const uint64_t size = LedgerSize();
  const uint64_t published = server_.server().Counters().published_size;
  Hello();
  v1::WitnessQuestion question;
  ASSERT_TRUE(stream_->Read(&question));
  v1::WitnessAnswer lie;
  lie.set_id(question.id());
  lie.set_status(200);
  lie.set_body("no cosignature\n");
  Say(lie);
  ASSERT_TRUE(WaitUntil([&] { return LedgerSize() > size; }));
  EXPECT_EQ(LedgerSize(), size + 1) << "one incident";
  EXPECT_EQ(server_.server().Counters().published_size, published);
}

TEST_F(HostileWitness, AnAnswerThatIsTooLongOrToNoQuestionEndsTheStream) {
  Hello();
  v1::WitnessQuestion question;
  ASSERT_TRUE(stream_->Read(&question));
  v1::WitnessAnswer vast;
  vast.set_id(question.id());
  vast.set_status(200);
  vast.set_body(std::string(100'000, 'x'));
  Say(vast);
  while (stream_->Read(&question)) continue;
  EXPECT_EQ(stream_->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(WaitUntil([&] { return server_.server().Counters().witnesses_connected == 0; }));
}

TEST_F(HostileWitness, AnotherProtocolVersionIsNamed) {
  Hello(77);
  v1::WitnessQuestion question;
  EXPECT_FALSE(stream_->Read(&question));
  EXPECT_THAT(stream_->Finish().error_message(), ::testing::HasSubstr("version 77"));
}

}  // namespace
}  // namespace hilum::client

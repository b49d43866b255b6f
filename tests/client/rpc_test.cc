// The site's side of the wire against a server that misbehaves.
#include "client/rpc.h"

#include <thread>

#include "base/clock.h"
#include "base/version.h"
#include "client/agent.h"
#include "client/doctor.h"
#include "client/ledger_gate.h"
#include "crypto/certificate.h"
#include "crypto/hash.h"
#include "ledger_anchor/witness_folder.h"
#include "proto/channel.h"
#include "proto/hilum/v1/services.grpc.pb.h"
#include "proto/hilum/v1/update.pb.h"
#include "tests/client/films.h"
#include "tests/client/round_site.h"
#include "tests/client/server.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

using absl::StatusCode;

// Answers as a test says, and keeps what it was sent.
class FakeService : public v1::Federation::Service {
 public:
  grpc::Status Watch(grpc::ServerContext*, const v1::WatchRequest* request,
                     grpc::ServerWriter<v1::SiteSnapshot>* writer) override {
    version = request->protocol_version();
    if (!watch_ends.ok()) return watch_ends;
    writer->Write(snapshot);
    return grpc::Status::OK;
  }
  grpc::Status FetchModel(grpc::ServerContext*, const v1::ModelRequest*,
                          grpc::ServerWriter<v1::ModelChunk>* writer) override {
    v1::ModelChunk chunk;
    for (const std::string& part : model) {
      chunk.set_data(part);
      if (!writer->Write(chunk)) break;
    }
    return grpc::Status::OK;
  }
  grpc::Status SubmitUpdate(grpc::ServerContext*, grpc::ServerReader<v1::UpdateMessage>* reader,
                            v1::UpdateReceipt* receipt) override {
    v1::UpdateMessage message;
    while (reader->Read(&message)) update.push_back(message);
    receipt->set_root(other_root.empty() ? update.back().close().root() : other_root);
    return grpc::Status::OK;
  }
  grpc::Status ProveConsistency(grpc::ServerContext*, const v1::ConsistencyRequest*,
                                v1::ConsistencyReply* reply) override {
    for (const std::string& hash : hashes) reply->add_proof(hash);
    return grpc::Status::OK;
  }

  uint32_t version = 0;
  grpc::Status watch_ends;
  v1::SiteSnapshot snapshot;
  std::vector<std::string> model;
  std::vector<v1::UpdateMessage> update;
  std::string other_root;
  std::vector<std::string> hashes;
};

class RpcTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const int64_t now = SystemClock().NowSeconds();
    ca_ = crypto::MakeCa("test", now).value();
    const crypto::CertifiedKey server = Certify("server", "server", {proto::kServerName});
    const crypto::CertifiedKey site = Certify("hospital-a", "site", {});
    credentials_ = {ca_.certificate_pem, site.certificate_pem, site.key_pem};
    grpc::ServerBuilder builder;
    proto::SetServerLimits(builder);
    int port = 0;
    builder.AddListeningPort(
        "127.0.0.1:0",
        proto::MakeServerCredentials({ca_.certificate_pem, server.certificate_pem, server.key_pem}),
        &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    address_ = "127.0.0.1:" + std::to_string(port);
    connection_ = std::make_unique<Connection>(address_, credentials_);
  }

  crypto::CertifiedKey Certify(const std::string& name, const std::string& role,
                               std::vector<std::string> hosts) {
    const std::string key = crypto::MakeTlsKey().value();
    const std::string certificate =
        crypto::IssueCertificate(ca_,
                                 {.request_pem = crypto::MakeRequest(key, {name, role}).value(),
                                  .subject = {name, role},
                                  .now = SystemClock().NowSeconds(),
                                  .hosts = std::move(hosts)})
            .value();
    return {certificate, key};
  }

  // A folder that an agent can start with.
  SiteFolder Joined() {
    const SiteFolder folder{NewFolder("joined")};
    fs::create_directories(folder.tls_key().parent_path());
    WriteText(folder.ca_pem(), credentials_.ca_pem);
    WriteText(folder.tls_certificate(), credentials_.certificate_pem);
    HILUM_EXPECT_OK(
        WriteFileDurably(folder.tls_key(), AsBytes(credentials_.key_pem), FileMode::kPrivate));
    HILUM_EXPECT_OK(crypto::SigningKey::Generate().Save(folder.entry_key()));
    HILUM_EXPECT_OK(MakeSiteSecret(folder.pseudonym_secret()));
    const ledger_anchor::Federation federation;
    HILUM_EXPECT_OK(LedgerGate::Pin(folder.ledger(),
                                    ledger_anchor::MakePolicyWithoutWitnesses(federation.LogVkey()),
                                    federation.ServerKey().public_key()));
    return folder;
  }
  SiteOptions Options() {
    SiteOptions options;
    options.site = "hospital-a";
    options.server = address_;
    return options;
  }

  crypto::CertifiedKey ca_;
  Credentials credentials_;
  FakeService service_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
  std::unique_ptr<Connection> connection_;
};

TEST_F(RpcTest, AModelIsTheBytesThatWereAskedFor) {
  service_.model = {"abc", "def"};
  const Digest digest = crypto::Sha256("abcdef");
  HILUM_ASSERT_OK_AND_ASSIGN(const Bytes file, connection_->FetchModel(digest, 6));
  EXPECT_EQ(AsText(file), "abcdef");
  service_.model = {"abc", "deg"};
  EXPECT_THAT(connection_->FetchModel(digest, 6),
              StatusIs(StatusCode::kDataLoss, "other bytes than"));
}

TEST_F(RpcTest, AModelNeverGrowsBeyondItsLimit) {
  service_.model.assign(100, std::string(1 << 20, 'x'));
  EXPECT_THAT(connection_->FetchModel({}, 3 << 20),
              StatusIs(StatusCode::kDataLoss, "more than 3145728 bytes"));
}

TEST_F(RpcTest, AnUpdateGoesInChunksInOrder) {
  RoundSite site(2);
  site.OpenRound();
  HILUM_ASSERT_OK_AND_ASSIGN(const SignedUpdate update, site.Take());
  HILUM_ASSERT_OK(connection_->SubmitUpdate(update));
  const size_t n_chunks = (update.words().size() + (1 << 18) - 1) >> 18;
  ASSERT_GT(n_chunks, 2u);
  ASSERT_EQ(service_.update.size(), n_chunks + 2);
  EXPECT_EQ(service_.update[0].header().n_words(), update.words().size());
  EXPECT_EQ(service_.update[0].header().config_hash(), AsText(update.cfg_hash()));
  EXPECT_EQ(service_.update[0].header().profile_digest(), AsText(site.plan.model.profile_digest));
  std::string bytes;
  for (size_t i = 0; i < n_chunks; ++i) {
    EXPECT_EQ(service_.update[i + 1].chunk().index(), i);
    EXPECT_EQ(service_.update[i + 1].chunk().data().size() == 1 << 20, i + 1 < n_chunks);
    bytes += service_.update[i + 1].chunk().data();
  }
  EXPECT_EQ(crypto::Sha256(bytes), update.Sha256());
  EXPECT_EQ(service_.update.back().close().signature(), AsText(update.signature().bytes));
}

TEST_F(RpcTest, AReceiptForAnotherUpdateIsNoReceipt) {
  RoundSite site(2);
  site.OpenRound();
  HILUM_ASSERT_OK_AND_ASSIGN(const SignedUpdate update, site.Take());
  service_.other_root = std::string(32, 'x');
  EXPECT_THAT(connection_->SubmitUpdate(update), StatusIs(StatusCode::kDataLoss, "another update"));
  service_.other_root = "short";
  EXPECT_THAT(connection_->SubmitUpdate(update), StatusIs(StatusCode::kDataLoss, "5 bytes"));
}

TEST_F(RpcTest, AConsistencyProofIsBounded) {
  service_.hashes = {std::string(32, 'a')};
  HILUM_ASSERT_OK_AND_ASSIGN(const auto proof, connection_->ProveConsistency(1, 2));
  EXPECT_EQ(proof.size(), 1u);
  service_.hashes = {std::string(31, 'a')};
  EXPECT_THAT(connection_->ProveConsistency(1, 2), StatusIs(StatusCode::kDataLoss, "31 bytes"));
  service_.hashes.assign(65, std::string(32, 'a'));
  EXPECT_THAT(connection_->ProveConsistency(1, 2), StatusIs(StatusCode::kDataLoss, "65 hashes"));
}

TEST_F(RpcTest, ASnapshotIsBounded) {
  for (int i = 0; i < 1001; ++i) service_.snapshot.add_jobs();
  int seen = 0;
  EXPECT_THAT(connection_->Watch([&](const Snapshot&) { ++seen; }),
              StatusIs(StatusCode::kDataLoss, "more than 1000"));
  EXPECT_EQ(seen, 0);
  EXPECT_EQ(service_.version, kProtocolVersion);
}

TEST_F(RpcTest, AStoppedWatchStaysStopped) {
  connection_->StopWatch();
  EXPECT_THAT(connection_->Watch([](const Snapshot&) {}), StatusIs(StatusCode::kCancelled, ""));
}

TEST_F(RpcTest, AnUnreachableServerIsUnavailable) {
  server_->Shutdown();
  EXPECT_THAT(connection_->ProveConsistency(1, 2),
              StatusIs(StatusCode::kUnavailable, address_.c_str()));
}

TEST_F(RpcTest, AnAgentOfAnotherProtocolVersionEnds) {
  service_.watch_ends = {grpc::StatusCode::FAILED_PRECONDITION, "speak version 2"};
  TestAgent agent(Joined(), Options());
  EXPECT_THAT(agent.Ended(), StatusIs(StatusCode::kFailedPrecondition, "speak version 2"));
}

TEST_F(RpcTest, AnAgentThatIsNoMemberEnds) {
  service_.watch_ends = {grpc::StatusCode::PERMISSION_DENIED, "hospital-a has left"};
  TestAgent agent(Joined(), Options());
  EXPECT_THAT(agent.Ended(), StatusIs(StatusCode::kPermissionDenied, "has left"));
}

TEST_F(RpcTest, ABrokenPlanIsDeniedAndTheAgentLives) {
  v1::JobOffer& offer = *service_.snapshot.add_jobs();
  offer.set_job("bad");
  offer.set_plan("{}");
  offer.set_state("recruiting");
  const SiteFolder folder = Joined();
  TestAgent agent(folder, Options());
  HILUM_ASSERT_OK_AND_ASSIGN(const auto state, State::Open(folder.database()));
  ASSERT_TRUE(WaitUntil([&] { return (*state->Job("bad")).has_value(); }));
  EXPECT_EQ((*state->Job("bad"))->answer, Answer::kDenied);
}

std::map<std::string, absl::Status> Diagnosis(const SiteFolder& folder,
                                              const SiteOptions& options) {
  std::map<std::string, absl::Status> findings;
  for (const ProbeResult& finding : Diagnose(folder, options, SystemClock().NowSeconds())) {
    findings[finding.probe] = finding.status;
  }
  return findings;
}

TEST_F(RpcTest, DoctorFindsNothingWhereNothingIsWrong) {
  service_.snapshot.set_server_time_s(SystemClock().NowSeconds());
  for (const auto& [probe, status] : Diagnosis(Joined(), Options())) {
    EXPECT_TRUE(status.ok()) << probe << ": " << status;
  }
}

TEST_F(RpcTest, DoctorLooksAtTheWitness) {
  const SiteFolder folder = Joined();
  const auto detail = [&](const std::string& probe) -> std::string {
    for (const ProbeResult& found : Diagnose(folder, Options(), SystemClock().NowSeconds())) {
      if (found.probe == probe) return found.detail;
    }
    return "no such probe";
  };
  EXPECT_THAT(detail("policy"), testing::HasSubstr("quorum none"));
  std::error_code error;
  fs::remove_all(folder.witness(), error);
  EXPECT_EQ(detail("witness"), "this site joined without one");
  HILUM_ASSERT_OK(ledger_anchor::CreateWitness(folder.witness(), "w.example").status());
  EXPECT_EQ(detail("witness"), "w.example, has cosigned nothing yet");
  HILUM_ASSERT_OK_AND_ASSIGN(auto witness, ledger_anchor::OpenWitness(folder.witness()));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto gate, LedgerGate::Open(folder.ledger(), {}));
  HILUM_ASSERT_OK(witness.store->Advance(
      gate.origin(), 0, {.size = 7, .root = {}, .time_s = 1'767'000'000, .note = "a note"}));
  EXPECT_THAT(detail("witness"), testing::HasSubstr("cosigned 7 entries on 2025-12-29"));
  HILUM_ASSERT_OK(witness.store->KeepEvidence(
      {.origin = gate.origin(), .is_fork = true, .cosigned = "a", .refused = "b"}));
  EXPECT_THAT(Diagnosis(folder, Options())["witness"],
              StatusIs(StatusCode::kDataLoss, "evidence of 1 fork"));
}

TEST_F(RpcTest, DoctorNamesTheStepThatFails) {
  const SiteFolder folder = Joined();
  SiteOptions options = Options();
  service_.snapshot.set_server_time_s(SystemClock().NowSeconds() + 1000);
  EXPECT_THAT(Diagnosis(folder, options)["clock"],
              StatusIs(StatusCode::kFailedPrecondition, "1000 s ahead"));
  options.server = "127.0.0.1:1";
  auto findings = Diagnosis(folder, options);
  HILUM_EXPECT_OK(findings["name"]);
  EXPECT_THAT(findings["connection"], StatusIs(StatusCode::kUnavailable, "nothing accepts"));
  EXPECT_EQ(findings.count("tls"), 0u);
  options.server = "no-such-host.invalid:1";
  EXPECT_THAT(Diagnosis(folder, options)["name"],
              StatusIs(StatusCode::kUnavailable, "does not resolve"));
  ca_ = crypto::MakeCa("other", SystemClock().NowSeconds()).value();
  WriteText(folder.ca_pem(), ca_.certificate_pem);
  findings = Diagnosis(folder, Options());
  EXPECT_THAT(findings["certificate"], StatusIs(StatusCode::kDataLoss, ""));
  EXPECT_THAT(findings["tls"], StatusIs(StatusCode::kUnavailable, "not of this federation"));
}

TEST_F(RpcTest, DoctorSeesWhatServerSays) {
  service_.watch_ends = {grpc::StatusCode::PERMISSION_DENIED, "hospital-a has left"};
  EXPECT_THAT(Diagnosis(Joined(), Options())["server"],
              StatusIs(StatusCode::kPermissionDenied, "has left"));
}

TEST_F(RpcTest, DoctorChecksTheKeys) {
  const SiteFolder folder = Joined();
  fs::permissions(folder.entry_key(), fs::perms::others_read, fs::perm_options::add);
  EXPECT_THAT(Diagnosis(folder, Options())["keys"], StatusIs(StatusCode::kPermissionDenied, ""));
}

}  // namespace
}  // namespace hilum::client

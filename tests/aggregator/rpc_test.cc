// Every bad input over real gRPC: what is refused, with which sentence, and that the round goes on.
#include "aggregator/rpc.h"

#include <gtest/gtest.h>

#include "base/version.h"
#include "crypto/certificate.h"
#include "crypto/hash.h"
#include "crypto/labels.h"
#include "privacy/transcript.h"
#include "tests/aggregator/test_federation.h"
#include "tests/status_matchers.h"

namespace hilum::aggregator {
namespace {

using absl::StatusCode;

constexpr char kJob[] = "cxr-test";
constexpr int64_t kParams = 300'000;  // two chunks

absl::Status AsStatus(const grpc::Status& status) {
  return proto::FromGrpcStatus(status, "server");
}

// Two sites in the open first round.
class Rpc : public testing::Test {
 protected:
  void SetUp() override {
    sites_ = federation_.AddSites(2);
    HILUM_ASSERT_OK(LaunchAndApprove(federation_, MakePlan(kJob, kParams), sites_));
    for (const auto& site : sites_) {
      HILUM_ASSERT_OK_AND_ASSIGN(OpenRound open, site->WaitForRound(kJob, 1));
      open_.push_back(std::move(open));
    }
    words_ = MakeVector(open_[0].config, {.seed = 1});
  }

  // After every refusal: the right update is taken, and the round ends with both.
  void ExpectTheRoundGoesOn() {
    HILUM_EXPECT_OK(sites_[0]->Submit(open_[0], words_).status());
    HILUM_EXPECT_OK(sites_[1]->Submit(open_[1], MakeVector(open_[1].config, {.seed = 2})).status());
    HILUM_ASSERT_OK_AND_ASSIGN(const wire::JobStatus status,
                               federation_.WaitForJob(kJob, [](const auto& s) {
                                 return s.history_size() > 0 && s.history(0).status() != "open";
                               }));
    EXPECT_EQ(status.history(0).status(), "ok");
    EXPECT_EQ(status.history(0).total_weight(), 20u);
    if (clean_model_.empty()) return;
    EXPECT_EQ(status.history(0).model_sha256(), clean_model_);
  }

  TestFederation federation_;
  std::vector<std::unique_ptr<TestSite>> sites_;
  std::vector<OpenRound> open_;
  std::vector<uint32_t> words_;
  std::string clean_model_;
};

TEST_F(Rpc, AnUpdateOfTheWrongLengthIsRefused) {
  const UpdateChanges longer{.header = [](auto& h) { h.set_n_words(kParams + 5); }};
  EXPECT_THAT(
      sites_[0]->Submit(open_[0], words_, longer),
      StatusIs(StatusCode::kInvalidArgument, "the site sends 300005 values, the round has 300003"));
  ExpectTheRoundGoesOn();
}

TEST_F(Rpc, AnUpdateForAnotherRoundIsRefused) {
  const UpdateChanges later{.header = [](auto& h) { h.set_round(2); }};
  EXPECT_THAT(sites_[0]->Submit(open_[0], words_, later),
              StatusIs(StatusCode::kFailedPrecondition, "the update is for round 2"));
  const UpdateChanges attempt{.header = [](auto& h) { h.set_attempt(1); }};
  EXPECT_THAT(sites_[0]->Submit(open_[0], words_, attempt),
              StatusIs(StatusCode::kFailedPrecondition, "attempt 1"));
  const UpdateChanges job{.header = [](auto& h) { h.set_job("other"); }};
  EXPECT_THAT(sites_[0]->Submit(open_[0], words_, job),
              StatusIs(StatusCode::kFailedPrecondition, "round 1 of job other is not open"));
  ExpectTheRoundGoesOn();
}

TEST_F(Rpc, AnUpdateForAnotherConfigurationOrProfileIsRefused) {
  const UpdateChanges config{.header = [](auto& h) { (*h.mutable_config_hash())[3] ^= 1; }};
  EXPECT_THAT(sites_[0]->Submit(open_[0], words_, config),
              StatusIs(StatusCode::kInvalidArgument, "the update is for configuration"));
  const UpdateChanges profile{.header = [](auto& h) { (*h.mutable_profile_digest())[0] ^= 1; }};
  EXPECT_THAT(sites_[0]->Submit(open_[0], words_, profile),
              StatusIs(StatusCode::kInvalidArgument, "prepared with profile"));
  const UpdateChanges cut{.header = [](auto& h) { h.mutable_config_hash()->resize(31); }};
  EXPECT_THAT(sites_[0]->Submit(open_[0], words_, cut),
              StatusIs(StatusCode::kInvalidArgument, "has 31 bytes, 32 are right"));
  ExpectTheRoundGoesOn();
}

TEST_F(Rpc, AnotherSitesIndexIsRefused) {
  const UpdateChanges other{.header = [](auto& h) { h.set_site_index(1); }};
  EXPECT_THAT(sites_[0]->Submit(open_[0], words_, other),
              StatusIs(StatusCode::kPermissionDenied, "names site index 1, the sender's is 0"));
  ExpectTheRoundGoesOn();
}

TEST_F(Rpc, AWrongSignatureLeavesNoTraceInTheSum) {
  const UpdateChanges forged{.close = [](auto& c) { (*c.mutable_signature())[5] ^= 1; }};
  EXPECT_THAT(sites_[0]->Submit(open_[0], words_, forged),
              StatusIs(StatusCode::kDataLoss, "signature is not of the key that the ledger has"));
  // Signed by a key that is not the member's.
  TestSite& other = *sites_[1];
  OpenRound as_first = open_[0];
  EXPECT_THAT(other.Submit(as_first, words_), StatusIs(StatusCode::kPermissionDenied, "index"));
  ExpectTheRoundGoesOn();
}

TEST_F(Rpc, AChangedChunkIsRefusedByItsRoot) {
  const UpdateChanges flipped{.chunk = [](auto& c) {
    if (c.index() == 1) (*c.mutable_data())[0] ^= 1;
  }};
  EXPECT_THAT(sites_[0]->Submit(open_[0], words_, flipped),
              StatusIs(StatusCode::kDataLoss, "the bytes received have the root"));
  ExpectTheRoundGoesOn();
}

TEST_F(Rpc, AHalfUploadLeavesNoTraceInTheSum) {
  EXPECT_THAT(sites_[0]->Submit(open_[0], words_, {.stop_after_chunks = 1}),
              StatusIs(StatusCode::kInvalidArgument, "the update ended before its close"));
  ExpectTheRoundGoesOn();
}

TEST_F(Rpc, ChunksOutOfOrderOrSizeAreRefused) {
  const UpdateChanges skipped{.chunk = [](auto& c) { c.set_index(c.index() + 1); }};
  EXPECT_THAT(sites_[0]->Submit(open_[0], words_, skipped),
              StatusIs(StatusCode::kInvalidArgument, "site site-00 sent chunk 1, chunk 0 of 2"));
  const UpdateChanges shorter{.chunk = [](auto& c) { c.mutable_data()->resize(12); }};
  EXPECT_THAT(sites_[0]->Submit(open_[0], words_, shorter),
              StatusIs(StatusCode::kInvalidArgument, "chunk 0 with 12 bytes, it has 1048576"));
  ExpectTheRoundGoesOn();
}

TEST_F(Rpc, AMessageAboveTheLimitEndsTheCallAndNothingElse) {
  const UpdateChanges huge{
      .chunk = [](auto& c) { c.mutable_data()->resize(proto::kMessageLimitBytes + 1); }};
  EXPECT_FALSE(sites_[0]->Submit(open_[0], words_, huge).ok());
  ExpectTheRoundGoesOn();
}

TEST_F(Rpc, StatisticsOutOfRangeAreRefused) {
  std::vector<uint32_t> words = words_;
  words[kParams] = 1001;
  EXPECT_THAT(sites_[0]->Submit(open_[0], words),
              StatusIs(StatusCode::kInvalidArgument, "the weight 1001, the range is 1 to 1000"));
  words[kParams] = 0;
  EXPECT_THAT(sites_[0]->Submit(open_[0], words),
              StatusIs(StatusCode::kInvalidArgument, "the weight 0"));
  words = words_;
  words[kParams + 1] = 2;
  EXPECT_THAT(sites_[0]->Submit(open_[0], words),
              StatusIs(StatusCode::kInvalidArgument, "the count 2"));
  words = words_;
  words[kParams + 2] = (64U << 16) + 1;
  EXPECT_THAT(sites_[0]->Submit(open_[0], words),
              StatusIs(StatusCode::kInvalidArgument, "the loss 64"));
  ExpectTheRoundGoesOn();
}

TEST_F(Rpc, TheSameUpdateTwiceIsOneUpdateAndAnotherOneIsRefused) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto first, sites_[0]->Submit(open_[0], words_));
  EXPECT_FALSE(first.repeated_send());
  HILUM_ASSERT_OK_AND_ASSIGN(const auto second, sites_[0]->Submit(open_[0], words_));
  EXPECT_TRUE(second.repeated_send());
  EXPECT_EQ(first.root(), second.root());
  EXPECT_THAT(sites_[0]->Submit(open_[0], MakeVector(open_[0].config, {.seed = 99})),
              StatusIs(StatusCode::kAlreadyExists, "a second, different update"));
  ExpectTheRoundGoesOn();
}

TEST_F(Rpc, TheSameUpdateOnTwoConnectionsAtOnceCountsOnce) {
  // Both are under way before either ends, as after a connection whose break nobody noticed.
  const Digest root = privacy::UpdateRoot(words_, privacy::LayoutOf(open_[0].config));
  UpdateSeal seal{.root = root};
  const Bytes message = privacy::UpdateMessage({.root = root, .n_coords = words_.size()});
  seal.signature = crypto::SignLabelled(sites_[0]->entry_key(),
                                        {.label = crypto::kLabelR2Root,
                                         .rid = privacy::RidOf(open_[0].config, 0),
                                         .sender = 0,
                                         .cfg_hash = privacy::HashConfig(open_[0].config),
                                         .message = message});
  UpdateClaim claim;
  claim.job.name = kJob;
  claim.round.number = 1;
  claim.cfg_hash = privacy::HashConfig(open_[0].config);
  claim.n_words = words_.size();
  claim.profile_digest = open_[0].plan.model.profile_digest;
  std::vector<std::unique_ptr<UpdateSession>> sessions;
  const ByteView bytes(reinterpret_cast<const uint8_t*>(words_.data()), words_.size() * 4);
  for (int i = 0; i < 2; ++i) {
    HILUM_ASSERT_OK_AND_ASSIGN(auto session, federation_.server().BeginUpdate({"site-00"}, claim));
    HILUM_ASSERT_OK(session->AddChunk(0, bytes.first(proto::kModelChunkBytes)));
    HILUM_ASSERT_OK(session->AddChunk(1, bytes.subspan(proto::kModelChunkBytes)));
    sessions.push_back(std::move(session));
  }
  EXPECT_THAT(federation_.server().BeginUpdate({"site-00"}, claim),
              StatusIs(StatusCode::kResourceExhausted, "has 2 updates on their way"));
  HILUM_ASSERT_OK_AND_ASSIGN(const Receipt first, sessions[0]->Finish(seal));
  HILUM_ASSERT_OK_AND_ASSIGN(const Receipt second, sessions[1]->Finish(seal));
  EXPECT_FALSE(first.repeated);
  EXPECT_TRUE(second.repeated);
  sessions.clear();
  HILUM_EXPECT_OK(sites_[1]->Submit(open_[1], MakeVector(open_[1].config, {.seed = 2})).status());
  HILUM_ASSERT_OK_AND_ASSIGN(const auto status, federation_.WaitForJob(kJob, [](const auto& s) {
    return s.history_size() > 0 && s.history(0).status() != "open";
  }));
  EXPECT_EQ(status.history(0).total_weight(), 20u);
}

TEST_F(Rpc, AnotherProtocolVersionIsNamed) {
  grpc::ClientContext context;
  wire::WatchRequest request;
  request.set_protocol_version(kProtocolVersion + 1);
  const auto reader = sites_[0]->stub().Watch(&context, request);
  wire::SiteSnapshot snapshot;
  EXPECT_FALSE(reader->Read(&snapshot));
  EXPECT_THAT(AsStatus(reader->Finish()),
              StatusIs(StatusCode::kFailedPrecondition,
                       "speaks protocol version 2, this server (hilum 0.1.0) speaks version 1"));
}

TEST_F(Rpc, ACallerWithoutACertificateMayOnlyJoin) {
  proto::TlsIdentity nobody{.ca_pem = sites_[0]->tls().ca_pem};
  const auto stub = wire::Federation::NewStub(proto::OpenChannel(federation_.address(), nobody));
  grpc::ClientContext context;
  wire::ProofReply reply;
  EXPECT_THAT(AsStatus(stub->FetchProof(&context, {}, &reply)),
              StatusIs(StatusCode::kPermissionDenied, "showed no certificate"));
}

TEST_F(Rpc, ACertificateOfAnotherCaIsRefusedByTls) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto ca, crypto::MakeCa("foreign", SystemClock().NowSeconds()));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string key, crypto::MakeTlsKey());
  const crypto::Subject subject{.common_name = "site-00", .role = "site"};
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string request, crypto::MakeRequest(key, subject));
  HILUM_ASSERT_OK_AND_ASSIGN(
      const std::string certificate,
      crypto::IssueCertificate(
          ca, {.request_pem = request, .subject = subject, .now = SystemClock().NowSeconds()}));
  const auto stub = wire::Federation::NewStub(proto::OpenChannel(
      federation_.address(),
      {.ca_pem = sites_[0]->tls().ca_pem, .certificate_pem = certificate, .key_pem = key}));
  grpc::ClientContext context;
  wire::JobAnswerReply reply;
  EXPECT_THAT(AsStatus(stub->Answer(&context, {}, &reply)),
              StatusIs(StatusCode::kUnavailable, "could not be reached"));
}

TEST_F(Rpc, ACertificateThatTheCaIssuedToNoMemberIsRefused) {
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string ca_key,
                             ReadTextFile(federation_.folder() / "ca/ca.key", 1 << 16));
  const crypto::CertifiedKey ca{.certificate_pem = sites_[0]->tls().ca_pem, .key_pem = ca_key};
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string key, crypto::MakeTlsKey());
  const crypto::Subject subject{.common_name = "site-00", .role = "lead"};
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string request, crypto::MakeRequest(key, subject));
  HILUM_ASSERT_OK_AND_ASSIGN(
      const std::string certificate,
      crypto::IssueCertificate(
          ca, {.request_pem = request, .subject = subject, .now = SystemClock().NowSeconds()}));
  const auto stub = wire::Jobs::NewStub(proto::OpenChannel(
      federation_.address(),
      {.ca_pem = sites_[0]->tls().ca_pem, .certificate_pem = certificate, .key_pem = key}));
  grpc::ClientContext context;
  wire::JobList reply;
  EXPECT_THAT(AsStatus(stub->ListJobs(&context, {}, &reply)),
              StatusIs(StatusCode::kPermissionDenied, "is not the one of a member"));
}

TEST_F(Rpc, ASiteMayNotLaunchAndTheLeadMayNotSend) {
  const auto jobs =
      wire::Jobs::NewStub(proto::OpenChannel(federation_.address(), sites_[0]->tls()));
  grpc::ClientContext context;
  wire::JobList reply;
  EXPECT_THAT(AsStatus(jobs->ListJobs(&context, {}, &reply)),
              StatusIs(StatusCode::kPermissionDenied, "is for the role lead"));
}

TEST_F(Rpc, OnlyModelsCanBeFetchedNeverUpdates) {
  HILUM_ASSERT_OK(sites_[0]->Submit(open_[0], words_).status());
  const Digest object =
      crypto::Sha256(ByteView(reinterpret_cast<const uint8_t*>(words_.data()), words_.size() * 4));
  EXPECT_TRUE(fs::exists(federation_.folder() / "objects/sha256" / ToHex(object).substr(0, 2) /
                         ToHex(object).substr(2)));
  EXPECT_THAT(federation_.FetchModel(std::string(AsText(object))),
              StatusIs(StatusCode::kNotFound, "no model with the SHA-256"));
}

TEST_F(Rpc, ConsistencyIsProvenToTheSizeThatTheSiteAsksFor) {
  wire::ConsistencyRequest request;
  request.set_size(1);
  request.set_new_size(3);
  wire::ConsistencyReply reply;
  {
    grpc::ClientContext context;
    HILUM_ASSERT_OK(AsStatus(sites_[0]->stub().ProveConsistency(&context, request, &reply)));
  }
  EXPECT_EQ(reply.proof_size(), 2);
  request.set_new_size(1000);
  grpc::ClientContext context;
  EXPECT_THAT(AsStatus(sites_[0]->stub().ProveConsistency(&context, request, &reply)),
              StatusIs(StatusCode::kInvalidArgument, "asked was for 1000"));
}

TEST_F(Rpc, ASecondListenerOnTheSamePortIsRefused) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto ca, crypto::MakeCa("x", SystemClock().NowSeconds()));
  EXPECT_THAT(
      RpcListener::Start(&federation_.server(), {.address = federation_.address(),
                                                 .ca_pem = ca.certificate_pem,
                                                 .certificate_pem = ca.certificate_pem,
                                                 .key_pem = ca.key_pem}),
      StatusIs(StatusCode::kFailedPrecondition, "cannot listen on " + federation_.address()));
}

TEST_F(Rpc, OneSiteCannotTakeTheUploadsOfTheOthers) {
  struct Idle {
    grpc::ClientContext context;
    wire::UpdateReceipt reply;
    std::unique_ptr<grpc::ClientWriter<wire::UpdateMessage>> writer;
  };
  std::vector<std::unique_ptr<wire::Federation::Stub>> stubs;
  std::vector<std::unique_ptr<Idle>> idle;
  for (int i = 0; i < 300; ++i) {  // more than the server takes in all; none sends its header
    if (i % 30 == 0) {
      stubs.push_back(
          wire::Federation::NewStub(proto::OpenChannel(federation_.address(), sites_[0]->tls())));
    }
    idle.push_back(std::make_unique<Idle>());
    idle.back()->writer = stubs.back()->SubmitUpdate(&idle.back()->context, &idle.back()->reply);
  }
  absl::SleepFor(absl::Seconds(1));
  HILUM_EXPECT_OK(sites_[1]->Submit(open_[1], MakeVector(open_[1].config, {.seed = 2})).status());
  for (const auto& one : idle) one->context.TryCancel();
  for (const auto& one : idle) one->writer->Finish();
}

TEST_F(Rpc, OneSiteCannotTakeTheWatchStreamsOfTheOthers) {
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<wire::SiteSnapshot>>> readers;
  wire::WatchRequest request;
  request.set_protocol_version(kProtocolVersion);
  wire::SiteSnapshot snapshot;
  absl::Status refused;
  for (int i = 0; i < 20 && refused.ok(); ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(sites_[0]->stub().Watch(contexts.back().get(), request));
    if (!readers.back()->Read(&snapshot)) refused = AsStatus(readers.back()->Finish());
  }
  EXPECT_THAT(refused, StatusIs(StatusCode::kResourceExhausted,
                                "site-00 has 8 Watch streams open, which is the limit"));
  for (const auto& context : contexts) context->TryCancel();
  ExpectTheRoundGoesOn();
}

TEST_F(Rpc, TheDiskFullAtAnUploadIsSaidAndTheRoundGoesOn) {
  // The store's folder for unfinished objects cannot be written to.
  const fs::path unfinished = federation_.folder() / "objects/tmp";
  fs::remove_all(unfinished);
  EXPECT_FALSE(sites_[0]->Submit(open_[0], words_).ok());
  fs::create_directories(unfinished);
  ExpectTheRoundGoesOn();
}

}  // namespace
}  // namespace hilum::aggregator

#include "cli/job_rpc.h"

#include <thread>

#include "absl/strings/match.h"
#include "base/clock.h"
#include "cli/job_watch.h"
#include "crypto/certificate.h"
#include "proto/channel.h"
#include "proto/hilum/v1/services.grpc.pb.h"
#include "tests/cli/job_fixture.h"

namespace hilum::cli {
namespace {

using absl::StatusCode;

std::string AsString(ByteView bytes) { return std::string(bytes.begin(), bytes.end()); }

// A certificate of the CA for `role`.
proto::TlsIdentity Issue(const crypto::CertifiedKey& ca, const std::string& role) {
  const std::string key = *crypto::MakeTlsKey();
  const crypto::Subject subject{.common_name = role, .role = role};
  crypto::IssueOptions options{.request_pem = *crypto::MakeRequest(key, subject),
                               .subject = subject,
                               .now = SystemClock().NowSeconds()};
  if (role == "server") options.hosts = {proto::kServerName};
  return {.ca_pem = ca.certificate_pem,
          .certificate_pem = *crypto::IssueCertificate(ca, options),
          .key_pem = key};
}

// A server that misbehaves as a test tells it to.
class FakeServer : public v1::Jobs::Service {
 public:
  grpc::Status PutModel(grpc::ServerContext*, grpc::ServerReader<v1::ModelChunk>* reader,
                        v1::PutModelReply* reply) override {
    v1::ModelChunk chunk;
    while (reader->Read(&chunk)) {
      ++n_chunks;
      AppendText(model, chunk.data());
    }
    reply->set_sha256(AsString(lie ? Digest{} : crypto::Sha256(model)));
    return grpc::Status::OK;
  }
  grpc::Status ListJobs(grpc::ServerContext*, const v1::JobRequest*, v1::JobList* list) override {
    list->add_jobs()->set_job("cxr-demo");
    return grpc::Status::OK;
  }
  grpc::Status Cancel(grpc::ServerContext*, const v1::JobRequest*, v1::JobStatus*) override {
    return proto::ToGrpcStatus(absl::NotFoundError("there is no such job"));
  }
  grpc::Status Resume(grpc::ServerContext*, const v1::ResumeRequest*, v1::JobStatus*) override {
    return proto::ToGrpcStatus(absl::NotFoundError("there is no such job"));
  }
  grpc::Status Launch(grpc::ServerContext*, const v1::LaunchRequest* request,
                      v1::JobStatus*) override {
    return proto::ToGrpcStatus(absl::FailedPreconditionError(
        absl::StrCat("job other is active; plan of ", request->plan().size(), " bytes refused.")));
  }
  grpc::Status FetchModel(grpc::ServerContext*, const v1::ModelRequest*,
                          grpc::ServerWriter<v1::ModelChunk>* writer) override {
    v1::ModelChunk chunk;
    chunk.set_data(AsString(model));
    writer->Write(chunk);
    return grpc::Status::OK;
  }
  grpc::Status WatchJob(grpc::ServerContext* context, const v1::JobRequest* request,
                        grpc::ServerWriter<v1::JobStatus>* writer) override {
    if (request->job() != "cxr-demo") {
      return proto::ToGrpcStatus(absl::NotFoundError("there is no such job"));
    }
    v1::JobStatus status;
    status.set_job("cxr-demo");
    status.set_state("running");
    writer->Write(status);
    if (++n_watches == 1 && breaks) return {grpc::StatusCode::UNAVAILABLE, "going away"};
    if (hangs) {
      while (!context->IsCancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      return grpc::Status::CANCELLED;
    }
    status.set_state(final_state);
    status.set_message(final_message);
    writer->Write(status);
    return grpc::Status::OK;
  }

  Bytes model;
  int n_chunks = 0;
  int n_watches = 0;
  bool lie = false, breaks = false, hangs = false;
  std::string final_state = "done", final_message;
};

class JobRpc : public testing::Test {
 protected:
  void SetUp() override {
    const crypto::CertifiedKey ca = *crypto::MakeCa("demo", SystemClock().NowSeconds());
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", proto::MakeServerCredentials(Issue(ca, "server")),
                             &port);
    builder.RegisterService(&fake_);
    proto::SetServerLimits(builder);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    const proto::TlsIdentity lead = Issue(ca, "lead");
    credentials_ = {.ca_pem = lead.ca_pem,
                    .certificate_pem = lead.certificate_pem,
                    .key_pem = lead.key_pem,
                    .address = absl::StrCat("127.0.0.1:", port)};
    client_ = std::make_unique<JobClient>(credentials_);
  }
  void TearDown() override { server_->Shutdown(); }

  FakeServer fake_;
  std::unique_ptr<grpc::Server> server_;
  LeadCredentials credentials_;
  std::unique_ptr<JobClient> client_;
};

TEST_F(JobRpc, SendsAModelInChunks) {
  const Bytes file((2 << 20) + 7, 5);
  uint64_t sent = 0;
  HILUM_EXPECT_OK(
      client_->PutModel(file, crypto::Sha256(file), [&](uint64_t bytes) { sent = bytes; }));
  EXPECT_EQ(fake_.n_chunks, 3);
  EXPECT_EQ(fake_.model, file);
  EXPECT_EQ(sent, file.size());
}

TEST_F(JobRpc, NoticesAServerThatStoredAnotherModel) {
  fake_.lie = true;
  const Bytes file(10, 5);
  EXPECT_THAT(client_->PutModel(file, crypto::Sha256(file), [](uint64_t) {}),
              StatusIs(StatusCode::kDataLoss, "another model"));
}

TEST_F(JobRpc, PassesTheServersSentenceOn) {
  EXPECT_THAT(client_->Launch("12345", Digest{}),
              StatusIs(StatusCode::kFailedPrecondition, "job other is active; plan of 5 bytes"));
}

TEST_F(JobRpc, SaysWhichJobsThereAre) {
  HILUM_EXPECT_OK(client_->Job("cxr-demo"));
  const auto names_them = StatusIs(StatusCode::kNotFound, "has no job nope; it has cxr-demo");
  EXPECT_THAT(client_->Job("nope"), names_them);
  EXPECT_THAT(client_->Cancel("nope"), names_them);
  EXPECT_THAT(client_->Resume("nope", 0), names_them);
  EXPECT_THAT(Watch(*client_, {.job = "nope"}), names_them);
}

TEST_F(JobRpc, RefusesAModelThatIsTooLongOrAnother) {
  fake_.model = Bytes(100, 1);
  const auto ignore = [](uint64_t) {};
  const Digest digest = crypto::Sha256(fake_.model);
  HILUM_EXPECT_OK(client_->FetchModel(digest, 100, ignore));
  EXPECT_THAT(client_->FetchModel(digest, 99, ignore),
              StatusIs(StatusCode::kDataLoss, "more than 99 bytes"));
  EXPECT_THAT(client_->FetchModel(Digest{}, 100, ignore),
              StatusIs(StatusCode::kDataLoss, "the ledger says"));
}

TEST_F(JobRpc, NamesTheServerThatCannotBeReached) {
  server_->Shutdown();
  const absl::Status status = JobClient(credentials_).Jobs().status();
  EXPECT_THAT(status,
              StatusIs(StatusCode::kUnavailable, absl::StrCat("the server ", credentials_.address,
                                                              " could not be reached in ")));
  EXPECT_THAT(status, StatusIs(StatusCode::kUnavailable, " s: nothing listens there; check that"));
}

TEST_F(JobRpc, TrustsNoServerOfAnotherFederation) {
  credentials_.ca_pem = crypto::MakeCa("other", SystemClock().NowSeconds())->certificate_pem;
  EXPECT_THAT(JobClient(credentials_).Jobs(),
              StatusIs(StatusCode::kUnavailable, "not a server of this federation; check the"));
}

TEST_F(JobRpc, WatchWaitsForAServerThatComesBack) {
  fake_.breaks = true;
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  HILUM_EXPECT_OK(Watch(*client_, {.job = "cxr-demo"}));
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::HasSubstr("waiting for it"));
  EXPECT_THAT(testing::internal::GetCapturedStdout(), testing::HasSubstr("job cxr-demo is done"));
  EXPECT_EQ(fake_.n_watches, 2);
}

TEST_F(JobRpc, WatchFailsWhenTheJobDoes) {
  fake_.final_message = "too few sites approved it";
  for (const char* state : {"failed", "cancelled", "paused"}) {
    fake_.final_state = state;
    testing::internal::CaptureStdout();
    const absl::Status watched = Watch(*client_, {.job = "cxr-demo"});
    testing::internal::GetCapturedStdout();
    EXPECT_THAT(watched,
                StatusIs(StatusCode::kAborted,
                         absl::StrCat("job cxr-demo is ", state, ": too few sites approved it")));
    EXPECT_EQ(absl::StrContains(watched.message(), "hilum job resume cxr-demo"),
              absl::string_view(state) == "paused");
  }
  fake_.final_message = "3 rounds were aborted; `hilum job resume cxr-demo` goes on";
  testing::internal::CaptureStdout();
  const absl::Status watched = Watch(*client_, {.job = "cxr-demo"});
  testing::internal::GetCapturedStdout();
  EXPECT_EQ(watched, absl::AbortedError("job cxr-demo is paused: " + fake_.final_message));
}

TEST_F(JobRpc, StopEndsAWatchThatHangs) {
  fake_.hangs = true;
  std::atomic<bool> stop{false};
  const absl::Status ended = client_->Watch("cxr-demo", stop, [&](const v1::JobStatus&) {
    stop = true;
    return true;
  });
  EXPECT_THAT(ended, StatusIs(StatusCode::kCancelled, ""));
}

}  // namespace
}  // namespace hilum::cli

#include "cli/job_rpc.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "base/version.h"
#include "crypto/hash.h"
#include "proto/channel.h"
#include "proto/hilum/v1/services.grpc.pb.h"

namespace hilum::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kCallTimeout = std::chrono::seconds(30);
constexpr auto kTransferTimeout = std::chrono::hours(1);
constexpr auto kStopPoll = std::chrono::milliseconds(50);
// How long a watch waits for a connection before it says that there is none. A server of this
// computer is found within 10 ms.
constexpr int64_t kConnectMs = 1000;

std::string AsString(ByteView bytes) { return std::string(AsText(bytes).data(), bytes.size()); }

template <class Duration>
void SetTimeout(grpc::ClientContext& context, Duration timeout) {
  context.set_deadline(std::chrono::system_clock::now() + timeout);
}

// Cancels a call when a flag that a signal handler sets becomes true; ends with the call.
class Canceller {
 public:
  Canceller(grpc::ClientContext& context, const std::atomic<bool>& stop)
      : thread_([this, &context, &stop] {
          while (!done_ && !stop) std::this_thread::sleep_for(kStopPoll);
          if (stop) context.TryCancel();
        }) {}
  ~Canceller() {
    done_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> done_{false};
  std::thread thread_;
};

}  // namespace

struct JobClient::Impl {
  std::string address;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::Jobs::Stub> stub;

  // `started`: when the call was, unless it was answered first and failed then.
  absl::Status ToStatus(const grpc::Status& status,
                        std::optional<Clock::time_point> started) const {
    std::optional<double> waited_s;
    if (started) waited_s = std::chrono::duration<double>(Clock::now() - *started).count();
    return proto::FromGrpcStatus(status, absl::StrCat("the server ", address), waited_s);
  }

  // A call with one request and one reply.
  template <class Reply, class Request, class Method>
  absl::StatusOr<Reply> Call(Method method, const Request& request) const {
    grpc::ClientContext context;
    SetTimeout(context, kCallTimeout);
    const Clock::time_point started = Clock::now();
    Reply reply;
    HILUM_RETURN_IF_ERROR(ToStatus(((*stub).*method)(&context, request, &reply), started));
    return reply;
  }
};

JobClient::JobClient(const LeadCredentials& credentials) : impl_(std::make_unique<Impl>()) {
  impl_->address = credentials.address;
  impl_->channel =
      proto::OpenChannel(credentials.address, {.ca_pem = credentials.ca_pem,
                                               .certificate_pem = credentials.certificate_pem,
                                               .key_pem = credentials.key_pem});
  impl_->stub = v1::Jobs::NewStub(impl_->channel);
}

JobClient::~JobClient() = default;

absl::StatusOr<v1::FederationStatus> JobClient::Federation() {
  return impl_->Call<v1::FederationStatus>(&v1::Jobs::Stub::Status, google::protobuf::Empty());
}

absl::Status JobClient::PutModel(ByteView file, const Digest& sha256,
                                 const std::function<void(uint64_t)>& on_sent) {
  grpc::ClientContext context;
  SetTimeout(context, kTransferTimeout);
  const Clock::time_point started = Clock::now();
  v1::PutModelReply reply;
  const auto writer = impl_->stub->PutModel(&context, &reply);
  v1::ModelChunk chunk;
  bool open = true;
  for (size_t offset = 0; open && offset < file.size(); offset += proto::kModelChunkBytes) {
    const size_t size = std::min(proto::kModelChunkBytes, file.size() - offset);
    chunk.set_data(file.data() + offset, size);
    open = writer->Write(chunk);
    on_sent(offset + size);
  }
  writer->WritesDone();
  HILUM_RETURN_IF_ERROR(impl_->ToStatus(writer->Finish(), started));
  if (reply.sha256() != AsString(sha256)) {
    return absl::DataLossError(
        absl::StrCat("the server ", impl_->address, " stored another model than was sent."));
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::JobStatus> JobClient::Launch(absl::string_view plan,
                                                const Digest& model_sha256) {
  v1::LaunchRequest request;
  request.set_protocol_version(kProtocolVersion);
  request.set_plan(plan.data(), plan.size());
  request.set_model_sha256(AsString(model_sha256));
  return impl_->Call<v1::JobStatus>(&v1::Jobs::Stub::Launch, request);
}

absl::StatusOr<v1::JobStatus> JobClient::Resume(const std::string& job, uint64_t rounds) {
  v1::ResumeRequest request;
  request.set_job(job);
  request.set_rounds(rounds);
  absl::StatusOr<v1::JobStatus> reply =
      impl_->Call<v1::JobStatus>(&v1::Jobs::Stub::Resume, request);
  if (!reply.ok()) return Explained(job, reply.status());
  return reply;
}

absl::StatusOr<v1::JobStatus> JobClient::Cancel(const std::string& job) {
  v1::JobRequest request;
  request.set_job(job);
  absl::StatusOr<v1::JobStatus> reply =
      impl_->Call<v1::JobStatus>(&v1::Jobs::Stub::Cancel, request);
  if (!reply.ok()) return Explained(job, reply.status());
  return reply;
}

absl::StatusOr<v1::JobList> JobClient::Jobs() {
  return impl_->Call<v1::JobList>(&v1::Jobs::Stub::ListJobs, v1::JobRequest());
}

absl::StatusOr<v1::JobStatus> JobClient::Job(const std::string& job) {
  v1::JobRequest request;
  request.set_job(job);
  const absl::StatusOr<v1::JobList> named =
      impl_->Call<v1::JobList>(&v1::Jobs::Stub::ListJobs, request);
  if (named.ok() && named->jobs_size() == 1 && named->jobs(0).job() == job) return named->jobs(0);
  if (!named.ok() && !absl::IsNotFound(named.status())) return named.status();
  HILUM_ASSIGN_OR_RETURN(const v1::JobList list, Jobs());
  std::vector<std::string> names;
  for (const v1::JobStatus& status : list.jobs()) names.push_back(status.job());
  return absl::NotFoundError(
      absl::StrCat("the server ", impl_->address, " has no job ", job, "; it has ",
                   names.empty() ? std::string("none") : absl::StrJoin(names, ", "), "."));
}

absl::Status JobClient::Explained(const std::string& job, const absl::Status& status) {
  if (!absl::IsNotFound(status)) return status;
  const absl::Status which = Job(job).status();
  return absl::IsNotFound(which) ? which : status;
}

absl::Status JobClient::Watch(const std::string& job, const std::atomic<bool>& stop,
                              const std::function<bool(const v1::JobStatus&)>& on_status) {
  const Clock::time_point started = Clock::now();
  proto::AwaitConnection(*impl_->channel, kConnectMs, [&stop] { return stop.load(); });
  grpc::ClientContext context;
  v1::JobRequest request;
  request.set_job(job);
  const Canceller canceller(context, stop);
  const auto reader = impl_->stub->WatchJob(&context, request);
  v1::JobStatus status;
  bool wanted = true, answered = false;
  while (wanted && reader->Read(&status)) {
    answered = true;
    wanted = on_status(status);
  }
  if (!wanted) context.TryCancel();
  const grpc::Status ended = reader->Finish();
  if (!wanted) return absl::OkStatus();
  if (stop) return absl::CancelledError("stopped.");
  if (answered) return impl_->ToStatus(ended, std::nullopt);
  return Explained(job, impl_->ToStatus(ended, started));
}

absl::StatusOr<v1::ProofReply> JobClient::FetchProof(const RoundEntry& entry) {
  v1::ProofRequest request;
  request.set_job(entry.job);
  request.set_round(entry.round);
  request.set_type(entry.type);
  return impl_->Call<v1::ProofReply>(&v1::Jobs::Stub::FetchProof, request);
}

absl::StatusOr<Bytes> JobClient::FetchModel(const Digest& sha256, uint64_t limit_bytes,
                                            const std::function<void(uint64_t)>& on_received) {
  grpc::ClientContext context;
  SetTimeout(context, kTransferTimeout);
  const Clock::time_point started = Clock::now();
  v1::ModelRequest request;
  request.set_sha256(AsString(sha256));
  const auto reader = impl_->stub->FetchModel(&context, request);
  Bytes file;
  v1::ModelChunk chunk;
  while (reader->Read(&chunk)) {
    if (chunk.data().size() > limit_bytes - file.size()) {
      context.TryCancel();
      reader->Finish();
      return absl::DataLossError(absl::StrCat("the server ", impl_->address,
                                              " sent a model of more than ", limit_bytes,
                                              " bytes, which its layout allows."));
    }
    AppendText(file, chunk.data());
    on_received(file.size());
  }
  HILUM_RETURN_IF_ERROR(impl_->ToStatus(reader->Finish(), started));
  const Digest found = crypto::Sha256(file);
  if (found != sha256) {
    return absl::DataLossError(absl::StrCat("the server ", impl_->address,
                                            " sent a model with SHA-256 ", ToHex(found),
                                            ", the ledger says ", ToHex(sha256), "."));
  }
  return file;
}

}  // namespace hilum::cli

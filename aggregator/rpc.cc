#include "aggregator/rpc.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "aggregator/rpc_services.h"
#include "base/status_macros.h"
#include "base/version.h"
#include "proto/channel.h"

namespace hilum::aggregator {
namespace {

// 500 sites watch, some of them send, the lead looks on; one thread each.
constexpr int kThreadLimit = 2048;

}  // namespace

struct RpcListener::Impl {
  Impl(Server* server, absl::Duration stream_idle)
      : federation(server, stream_idle), jobs(server) {}
  FederationService federation;
  JobsService jobs;
  std::unique_ptr<grpc::Server> listener;
};

RpcListener::RpcListener(std::unique_ptr<Impl> impl, std::string address)
    : impl_(std::move(impl)), address_(std::move(address)) {}

RpcListener::~RpcListener() { Stop(); }

void RpcListener::Stop() {
  if (impl_->listener == nullptr) return;
  impl_->listener->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(2));
  impl_->listener->Wait();
  impl_->listener.reset();
}

absl::StatusOr<std::unique_ptr<RpcListener>> RpcListener::Start(Server* server,
                                                                const RpcOptions& options) {
  auto impl = std::make_unique<Impl>(server, options.stream_idle);
  grpc::ServerBuilder builder;
  proto::SetServerLimits(builder);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS,
                             static_cast<int>(absl::ToInt64Milliseconds(options.connection_idle)));
  grpc::ResourceQuota quota;
  quota.SetMaxThreads(kThreadLimit);
  builder.SetResourceQuota(quota);
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MAX_POLLERS, 4);
  int port = 0;
  builder.AddListeningPort(options.address,
                           proto::MakeServerCredentials({.ca_pem = options.ca_pem,
                                                         .certificate_pem = options.certificate_pem,
                                                         .key_pem = options.key_pem}),
                           &port);
  builder.RegisterService(&impl->federation);
  builder.RegisterService(&impl->jobs);
  impl->listener = builder.BuildAndStart();
  if (impl->listener == nullptr || port == 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "cannot listen on ", options.address,
        " for gRPC: the port is in use or the address is not of this computer; choose another ",
        "with --grpc or [listen] grpc in server.toml"));
  }
  const std::string host = options.address.substr(0, options.address.rfind(':'));
  return std::unique_ptr<RpcListener>(
      new RpcListener(std::move(impl), absl::StrCat(host, ":", port)));
}

absl::StatusOr<StreamLimit::Slot> StreamLimit::Take(absl::string_view what,
                                                    const std::string& member) {
  const absl::MutexLock lock(&mutex_);
  if (n_open_ >= limit_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the server has ", limit_, " ", what, " open, which is its limit: try later"));
  }
  int& n_own = n_of_[member];
  if (n_own >= limit_each_) {
    return absl::ResourceExhaustedError(absl::StrCat(
        member, " has ", n_own, " ", what, " open, which is the limit of one member: try later"));
  }
  ++n_own;
  ++n_open_;
  return Slot(this, member);
}

void StreamLimit::Give(const std::string& member) {
  const absl::MutexLock lock(&mutex_);
  --n_open_;
  if (--n_of_[member] == 0) n_of_.erase(member);
}

absl::StatusOr<Caller> RequireRole(Server& server, const grpc::ServerContext& context,
                                   absl::string_view role) {
  HILUM_ASSIGN_OR_RETURN(const std::string certificate, proto::PeerCertificate(context));
  HILUM_ASSIGN_OR_RETURN(Caller caller, server.Authenticate(certificate));
  if (role.empty() || caller.role == role) return caller;
  return absl::PermissionDeniedError(absl::StrCat("this call is for the role ", role, ", ",
                                                  caller.name, " has the role ", caller.role));
}

absl::Status CheckProtocolVersion(uint32_t peer_version) {
  if (peer_version == kProtocolVersion) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "the caller speaks protocol version ", peer_version, ", this server (hilum ",
      std::string(kVersion), ") speaks version ", kProtocolVersion, ": update the older one"));
}

absl::StatusOr<Digest> ReadAddress(const std::string& sha256) {
  Digest digest{};
  if (sha256.size() != digest.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a SHA-256 has 32 bytes, the request has ", sha256.size()));
  }
  std::copy(sha256.begin(), sha256.end(), digest.begin());
  return digest;
}

absl::Status SendModel(Server& server, const wire::ModelRequest& request,
                       grpc::ServerWriter<wire::ModelChunk>* writer,
                       const std::function<void()>& on_moved) {
  HILUM_ASSIGN_OR_RETURN(const Digest digest, ReadAddress(request.sha256()));
  HILUM_ASSIGN_OR_RETURN(ledger_anchor::StoreReader reader, server.OpenModel(digest));
  return SendObject(std::move(reader), writer, on_moved);
}

absl::Status SendObject(ledger_anchor::StoreReader reader,
                        grpc::ServerWriter<wire::ModelChunk>* writer,
                        const std::function<void()>& on_moved) {
  Bytes buffer(proto::kModelChunkBytes);
  for (;;) {
    HILUM_ASSIGN_OR_RETURN(const size_t n_read, reader.Read(buffer));
    if (n_read == 0) return absl::OkStatus();
    wire::ModelChunk chunk;
    chunk.set_data(buffer.data(), n_read);
    if (!writer->Write(chunk)) return absl::CancelledError("the caller went away");
    on_moved();
  }
}

absl::Status AnswerProof(Server& server, const wire::ProofRequest& request,
                         wire::ProofReply* reply) {
  if (request.type() != "round-open" && request.type() != "round-close" &&
      request.type() != "model-release" && request.type() != "join" &&
      request.type() != "key-rotate") {
    return absl::InvalidArgumentError(absl::StrCat(
        "the entry type is \"", request.type().substr(0, 32),
        "\", allowed are round-open, round-close, model-release, join and key-rotate"));
  }
  HILUM_ASSIGN_OR_RETURN(const ProofView view,
                         server.Proof({request.job()}, {request.round()}, request.type()));
  reply->set_proof(view.proof);
  if (view.model != Digest{}) reply->set_sha256(view.model.data(), view.model.size());
  return absl::OkStatus();
}

absl::Status AnswerConsistency(Server& server, const wire::ConsistencyRequest& request,
                               wire::ConsistencyReply* reply) {
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::HashList proof,
                         server.ProveConsistency(request.size(), request.new_size()));
  for (const Digest& hash : proof) reply->add_proof(hash.data(), hash.size());
  return absl::OkStatus();
}

}  // namespace hilum::aggregator

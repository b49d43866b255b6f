#include "client/rpc.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/process.h"
#include "base/status_macros.h"
#include "base/version.h"
#include "crypto/certificate.h"
#include "crypto/hash.h"
#include "crypto/tree.h"
#include "proto/channel.h"
#include "proto/hilum/v1/services.grpc.pb.h"
#include "proto/hilum/v1/update.pb.h"

namespace hilum::client {
namespace {

constexpr int kCallSeconds = 20;
constexpr int kShortCallSeconds = 3;  // of answers and reports, which are sent again anyway
// A line slower than this cannot take part: 100 kB/s.
constexpr uint64_t kSlowestBytesPerSecond = 100'000;
constexpr int64_t kConnectMs = 2000;     // how long a call waits for a connection before it fails
constexpr size_t kSnapshotLimit = 1000;  // jobs, and rounds, of one snapshot

void SetDeadline(grpc::ClientContext& context, uint64_t seconds) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(seconds));
}

std::string ToText(ByteView bytes) { return std::string(AsText(bytes)); }

absl::StatusOr<Digest> DigestOf(absl::string_view what, const std::string& bytes) {
  Digest digest;
  if (bytes.size() != digest.size()) {
    return absl::DataLossError(absl::StrCat("the server's ", what, " has ", bytes.size(),
                                            " bytes, a digest has ", digest.size()));
  }
  std::copy(bytes.begin(), bytes.end(), digest.begin());
  return digest;
}

absl::StatusOr<Snapshot> ToSnapshot(const v1::SiteSnapshot& message) {
  if (static_cast<size_t>(message.jobs_size()) > kSnapshotLimit ||
      static_cast<size_t>(message.rounds_size()) > kSnapshotLimit) {
    return absl::DataLossError(
        absl::StrCat("the server's snapshot holds more than ", kSnapshotLimit, " jobs or rounds"));
  }
  Snapshot snapshot;
  snapshot.server_time_s = message.server_time_s();
  for (const v1::JobOffer& job : message.jobs()) {
    snapshot.jobs.push_back({.job = job.job(),
                             .plan = job.plan(),
                             .approved = job.approved(),
                             .denied = job.denied(),
                             .state = job.state(),
                             .round = job.round()});
  }
  for (const v1::RoundNotice& round : message.rounds()) {
    const ByteView config = AsBytes(round.config());
    RoundNotice notice{.job = round.job(),
                       .round = round.round(),
                       .attempt = round.attempt(),
                       .config = Bytes(config.begin(), config.end()),
                       .plan = round.plan(),
                       .open_proof = round.open_proof(),
                       .close_proof = round.close_proof(),
                       .update_accepted = round.update_accepted(),
                       .flight = round.flight(),
                       .flight_digest = {},
                       .flight_bytes = round.flight_bytes(),
                       .flight_answered = round.flight_answered()};
    if (notice.flight_bytes > 0) {
      HILUM_ASSIGN_OR_RETURN(notice.flight_digest,
                             DigestOf("message of a masked round", round.flight_sha256()));
    }
    snapshot.rounds.push_back(std::move(notice));
  }
  return snapshot;
}

v1::UpdateMessage HeaderOf(const SignedUpdate& update) {
  v1::UpdateMessage message;
  v1::UpdateHeader& header = *message.mutable_header();
  header.set_job(update.facts().job);
  header.set_round(update.facts().round);
  header.set_attempt(update.facts().attempt);
  header.set_config_hash(ToText(update.cfg_hash()));
  header.set_site_index(update.facts().site_index);
  header.set_n_words(update.words().size());
  header.set_profile_digest(ToText(update.facts().profile_digest));
  return message;
}

// Header, chunks in order, close. False: the stream broke; Finish says why.
bool WriteParts(const SignedUpdate& update, grpc::ClientWriter<v1::UpdateMessage>& writer) {
  if (!writer.Write(HeaderOf(update))) return false;
  v1::UpdateMessage message;
  for (uint32_t index = 0; index < update.layout().n_chunks(); ++index) {
    message.mutable_chunk()->set_index(index);
    message.mutable_chunk()->set_data(ToText(update.Chunk(index)));
    if (!writer.Write(message)) return false;
  }
  v1::UpdateMessage close;
  close.mutable_close()->set_root(ToText(update.root()));
  close.mutable_close()->set_signature(ToText(update.signature().bytes));
  return writer.Write(close) && writer.WritesDone();
}

}  // namespace

absl::StatusOr<Credentials> ReadCredentials(const SiteFolder& folder) {
  constexpr uint64_t kLimit = crypto::kCertificateLimitBytes;
  Credentials credentials;
  HILUM_ASSIGN_OR_RETURN(credentials.ca_pem, ReadTextFile(folder.ca_pem(), kLimit));
  HILUM_ASSIGN_OR_RETURN(credentials.certificate_pem,
                         ReadTextFile(folder.tls_certificate(), kLimit));
  HILUM_ASSIGN_OR_RETURN(credentials.key_pem, ReadTextFile(folder.tls_key(), kLimit));
  return credentials;
}

struct Connection::Impl {
  // The call after these says what is wrong where there is no connection.
  void WaitUntilConnected() const { proto::AwaitConnection(*channel, kConnectMs); }
  // The same for a watch, which may be stopped meanwhile.
  void WaitForWatch() {
    proto::AwaitConnection(*channel, kConnectMs, [this] {
      const std::lock_guard lock(mutex);
      return stopped;
    });
  }

  // A stream that StopWatch ends. Cancelled: it was called before.
  absl::Status Enter(grpc::ClientContext* context) {
    const std::lock_guard lock(mutex);
    if (stopped) return absl::CancelledError("the connection was stopped");
    open.insert(context);
    return absl::OkStatus();
  }
  // How the stream ended: `broken` is what this side found wrong with it.
  absl::Status Leave(grpc::ClientContext* context, const absl::Status& broken,
                     const absl::Status& ended) {
    const std::lock_guard lock(mutex);
    open.erase(context);
    if (stopped) return absl::CancelledError("the connection was stopped");
    return broken.ok() ? ended : broken;
  }

  absl::StatusOr<std::string> FetchProof(const std::string& type, const std::string& member,
                                         uint64_t nth);
  struct Wanted {
    Digest sha256;
    uint64_t limit_bytes = 0;
    const std::atomic<bool>* cancel = nullptr;
  };
  absl::StatusOr<Bytes> ReadFile(grpc::ClientContext& context,
                                 grpc::ClientReader<v1::ModelChunk>& stream, const Wanted& wanted);

  std::string peer;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::Federation::Stub> stub;
  std::mutex mutex;
  std::set<grpc::ClientContext*> open;  // streams
  bool stopped = false;
};

Connection::Connection(const std::string& address, const Credentials& credentials)
    : impl_(std::make_unique<Impl>()) {
  impl_->peer = absl::StrCat("the server ", address);
  impl_->channel = proto::OpenChannel(
      address, {credentials.ca_pem, credentials.certificate_pem, credentials.key_pem});
  impl_->stub = v1::Federation::NewStub(impl_->channel);
}

Connection::~Connection() = default;

void Connection::WaitUntilConnected() { impl_->WaitUntilConnected(); }

absl::StatusOr<JoinAnswer> Connection::Join(const JoinCall& call) {
  v1::JoinRequest request;
  request.set_protocol_version(kProtocolVersion);
  request.set_member(call.member);
  request.set_secret(ToText(call.secret));
  request.set_certificate_request(call.certificate_request);
  request.set_entry_key(ToText(call.entry_key));
  request.set_member_signature(ToText(call.member_signature));
  request.set_joined_at_s(call.joined_at_s);
  request.set_witness_vkey(call.witness_vkey);
  request.set_age_recipient(call.age_recipient);
  const auto started = std::chrono::steady_clock::now();
  grpc::ClientContext context;
  SetDeadline(context, kCallSeconds);
  v1::JoinReply reply;
  const grpc::Status joined = impl_->stub->Join(&context, request, &reply);
  const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - started;
  HILUM_RETURN_IF_ERROR(proto::FromGrpcStatus(joined, impl_->peer, waited.count()));
  return JoinAnswer{reply.certificate(), reply.federation(), reply.genesis_proof(),
                    reply.join_proof()};
}

absl::Status Connection::Watch(const std::function<void(Snapshot)>& on_snapshot) {
  impl_->WaitForWatch();
  grpc::ClientContext context;
  HILUM_RETURN_IF_ERROR(impl_->Enter(&context));
  v1::WatchRequest request;
  request.set_protocol_version(kProtocolVersion);
  request.set_program_version(std::string(kVersion));
  absl::Status broken;
  const auto stream = impl_->stub->Watch(&context, request);
  v1::SiteSnapshot message;
  while (broken.ok() && stream->Read(&message)) {
    absl::StatusOr<Snapshot> snapshot = ToSnapshot(message);
    broken = snapshot.status();
    if (snapshot.ok()) on_snapshot(*std::move(snapshot));
  }
  if (!broken.ok()) context.TryCancel();
  const grpc::Status ended = stream->Finish();
  const absl::Status why =
      ended.ok() ? absl::UnavailableError(absl::StrCat(impl_->peer, " ended the watch stream"))
                 : proto::FromGrpcStatus(ended, impl_->peer);
  return impl_->Leave(&context, broken, why);
}

void Connection::StopWatch() {
  const std::lock_guard lock(impl_->mutex);
  impl_->stopped = true;
  for (grpc::ClientContext* context : impl_->open) context->TryCancel();
}

absl::Status Connection::Witness(const AskWitness& ask) {
  impl_->WaitForWatch();
  grpc::ClientContext context;
  HILUM_RETURN_IF_ERROR(impl_->Enter(&context));
  const auto stream = impl_->stub->Witness(&context);
  v1::WitnessAnswer answer;
  answer.set_protocol_version(kProtocolVersion);
  absl::Status broken;
  v1::WitnessQuestion question;
  while (stream->Write(answer) && stream->Read(&question)) {
    const bool adds = question.has_add_checkpoint();
    const absl::StatusOr<ledger_anchor::WitnessReply> reply =
        ask(adds ? ledger_anchor::WitnessCall::kAddCheckpoint
                 : ledger_anchor::WitnessCall::kGetCheckpoint,
            adds ? question.add_checkpoint() : question.get_checkpoint());
    broken = reply.status();
    if (!broken.ok()) break;
    answer.Clear();
    answer.set_id(question.id());
    answer.set_status(static_cast<uint32_t>(reply->status));
    answer.set_content_type(reply->content_type);
    answer.set_body(reply->body);
  }
  if (!broken.ok()) context.TryCancel();
  const grpc::Status ended = stream->Finish();
  return impl_->Leave(&context, broken, proto::FromGrpcStatus(ended, impl_->peer));
}

absl::Status Connection::Answer(const std::string& job, bool approve, const std::string& reason) {
  v1::JobAnswer request;
  request.set_job(job);
  request.set_approve(approve);
  request.set_reason(reason.substr(0, 200));
  grpc::ClientContext context;
  SetDeadline(context, kShortCallSeconds);
  v1::JobAnswerReply reply;
  return proto::FromGrpcStatus(impl_->stub->Answer(&context, request, &reply), impl_->peer);
}

absl::Status Connection::Report(const ProgressReport& report) {
  v1::Progress request;
  request.set_job(report.job);
  request.set_round(report.round);
  request.set_phase(report.phase);
  request.set_percent(report.percent);
  request.set_reason(report.reason);
  request.set_attempt(report.attempt);
  grpc::ClientContext context;
  SetDeadline(context, kShortCallSeconds);
  v1::ProgressReply reply;
  return proto::FromGrpcStatus(impl_->stub->Report(&context, request, &reply), impl_->peer);
}

absl::StatusOr<Bytes> Connection::FetchModel(const Digest& sha256, uint64_t limit_bytes,
                                             const std::atomic<bool>* cancel) {
  v1::ModelRequest request;
  request.set_sha256(ToText(sha256));
  impl_->WaitUntilConnected();
  grpc::ClientContext context;
  SetDeadline(context, 60 + limit_bytes / kSlowestBytesPerSecond);
  const auto stream = impl_->stub->FetchModel(&context, request);
  return impl_->ReadFile(context, *stream, {sha256, limit_bytes, cancel});
}

absl::StatusOr<Bytes> Connection::FetchObject(const RoundObject& object, uint64_t limit_bytes,
                                              const std::atomic<bool>* cancel) {
  v1::ObjectRequest request;
  request.set_job(object.job);
  request.set_round(object.round);
  request.set_sha256(ToText(object.sha256));
  impl_->WaitUntilConnected();
  grpc::ClientContext context;
  SetDeadline(context, 60 + limit_bytes / kSlowestBytesPerSecond);
  const auto stream = impl_->stub->FetchObject(&context, request);
  return impl_->ReadFile(context, *stream, {object.sha256, limit_bytes, cancel});
}

// All pieces of a stream, which must be the file of that digest.
absl::StatusOr<Bytes> Connection::Impl::ReadFile(grpc::ClientContext& context,
                                                 grpc::ClientReader<v1::ModelChunk>& stream,
                                                 const Wanted& wanted) {
  const auto is_cancelled = [&wanted] { return wanted.cancel != nullptr && *wanted.cancel; };
  Bytes file;
  bool too_long = false;
  v1::ModelChunk chunk;
  while (!too_long && !is_cancelled() && stream.Read(&chunk)) {
    too_long = file.size() + chunk.data().size() > wanted.limit_bytes;
    if (!too_long) AppendText(file, chunk.data());
  }
  const bool cancelled = is_cancelled();
  if (too_long || cancelled) context.TryCancel();
  const grpc::Status ended = stream.Finish();
  if (cancelled) return absl::CancelledError("the download was stopped");
  if (too_long) {
    return absl::DataLossError(absl::StrCat("the server sent more than ", wanted.limit_bytes,
                                            " bytes for ", ToHex(wanted.sha256)));
  }
  HILUM_RETURN_IF_ERROR(proto::FromGrpcStatus(ended, peer));
  if (crypto::Sha256(file) == wanted.sha256) return file;
  return absl::DataLossError(
      absl::StrCat("the server sent other bytes than ", ToHex(wanted.sha256)));
}

absl::StatusOr<Receipt> Connection::SubmitUpdate(const SignedUpdate& update) {
  impl_->WaitUntilConnected();
  grpc::ClientContext context;
  SetDeadline(context, 60 + update.n_bytes() / kSlowestBytesPerSecond);
  v1::UpdateReceipt reply;
  const auto writer = impl_->stub->SubmitUpdate(&context, &reply);
  CrashPoint("update send begins");
  WriteParts(update, *writer);
  const grpc::Status sent = writer->Finish();
  CrashPoint("update send ends");
  HILUM_RETURN_IF_ERROR(proto::FromGrpcStatus(sent, impl_->peer));
  HILUM_ASSIGN_OR_RETURN(const Digest root, DigestOf("receipt", reply.root()));
  if (root != update.root()) {
    return absl::DataLossError("the server's receipt names another update than the one sent");
  }
  return Receipt{root, reply.repeated_send()};
}

absl::Status Connection::SendFlight(const FlightPlace& place, ByteView message) {
  v1::FlightMessage request;
  request.set_job(place.job);
  request.set_round(place.round);
  request.set_attempt(place.attempt);
  request.set_flight(place.flight);
  request.set_message(ToText(message));
  impl_->WaitUntilConnected();
  grpc::ClientContext context;
  SetDeadline(context, kCallSeconds);
  v1::FlightReceipt reply;
  CrashPoint("flight send begins");
  const grpc::Status sent = impl_->stub->SendFlight(&context, request, &reply);
  CrashPoint("flight send ends");
  return proto::FromGrpcStatus(sent, impl_->peer);
}

absl::StatusOr<Bytes> Connection::FetchFlight(const FlightPlace& place, uint64_t limit_bytes) {
  v1::FlightRequest request;
  request.set_job(place.job);
  request.set_round(place.round);
  request.set_attempt(place.attempt);
  request.set_flight(place.flight);
  impl_->WaitUntilConnected();
  grpc::ClientContext context;
  SetDeadline(context, kCallSeconds + limit_bytes / kSlowestBytesPerSecond);
  const auto stream = impl_->stub->FetchFlight(&context, request);
  Bytes message;
  bool too_long = false;
  v1::FlightPart part;
  while (!too_long && stream->Read(&part)) {
    too_long = message.size() + part.data().size() > limit_bytes;
    if (!too_long) AppendText(message, part.data());
  }
  if (too_long) context.TryCancel();
  const grpc::Status ended = stream->Finish();
  if (too_long) {
    return absl::DataLossError(absl::StrCat("the server sent more than ", limit_bytes,
                                            " bytes for flight ", place.flight));
  }
  HILUM_RETURN_IF_ERROR(proto::FromGrpcStatus(ended, impl_->peer));
  return message;
}

absl::StatusOr<EntryReceipt> Connection::SubmitEntry(const std::string& entry) {
  v1::EntrySubmission request;
  request.set_entry(entry);
  impl_->WaitUntilConnected();
  grpc::ClientContext context;
  SetDeadline(context, kCallSeconds);
  v1::EntryReceipt reply;
  HILUM_RETURN_IF_ERROR(
      proto::FromGrpcStatus(impl_->stub->SubmitEntry(&context, request, &reply), impl_->peer));
  EntryReceipt receipt{reply.index(), {}, reply.proof(), reply.repeated_send()};
  HILUM_ASSIGN_OR_RETURN(receipt.leaf_hash, DigestOf("entry receipt", reply.leaf_hash()));
  if (receipt.leaf_hash != crypto::LeafHash(AsBytes(entry))) {
    return absl::DataLossError("the server's receipt names another entry than the one sent");
  }
  return receipt;
}

// The proof of an entry about a member, or of a job's round.
absl::StatusOr<std::string> Connection::Impl::FetchProof(const std::string& type,
                                                         const std::string& member, uint64_t nth) {
  v1::ProofRequest request;
  request.set_job(member);
  request.set_round(nth);
  request.set_type(type);
  WaitUntilConnected();
  grpc::ClientContext context;
  SetDeadline(context, kCallSeconds);
  v1::ProofReply reply;
  HILUM_RETURN_IF_ERROR(proto::FromGrpcStatus(stub->FetchProof(&context, request, &reply), peer));
  return reply.proof();
}

absl::StatusOr<std::string> Connection::FetchJoinProof(const std::string& member) {
  return impl_->FetchProof("join", member, 0);
}

absl::StatusOr<std::string> Connection::FetchRotationProof(const std::string& member,
                                                           uint64_t nth) {
  return impl_->FetchProof("key-rotate", member, nth);
}

absl::StatusOr<std::string> Connection::FetchRoundProof(const std::string& job, uint64_t round,
                                                        const std::string& type) {
  return impl_->FetchProof(type, job, round);
}

absl::StatusOr<std::vector<Digest>> Connection::ProveConsistency(uint64_t old_size,
                                                                 uint64_t new_size) {
  v1::ConsistencyRequest request;
  request.set_size(old_size);
  request.set_new_size(new_size);
  grpc::ClientContext context;
  SetDeadline(context, kCallSeconds);
  v1::ConsistencyReply reply;
  HILUM_RETURN_IF_ERROR(
      proto::FromGrpcStatus(impl_->stub->ProveConsistency(&context, request, &reply), impl_->peer));
  if (reply.proof_size() > 64) {
    return absl::DataLossError(absl::StrCat("the server's consistency proof has ",
                                            reply.proof_size(), " hashes, the limit is 64"));
  }
  std::vector<Digest> proof;
  for (const std::string& hash : reply.proof()) {
    HILUM_ASSIGN_OR_RETURN(const Digest digest, DigestOf("consistency proof", hash));
    proof.push_back(digest);
  }
  return proof;
}

}  // namespace hilum::client

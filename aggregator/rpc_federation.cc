// The service for sites.
#include <utility>

#include "absl/strings/str_cat.h"
#include "aggregator/rpc_services.h"
#include "base/log.h"
#include "base/process.h"
#include "base/status_macros.h"
#include "base/version.h"
#include "proto/channel.h"

namespace hilum::aggregator {
namespace {

// A stream is written at least this often, and looked at for a caller that went away this often.
constexpr absl::Duration kSnapshotEvery = absl::Seconds(10);
constexpr absl::Duration kLookEvery = absl::Milliseconds(500);

wire::SiteSnapshot ToMessage(const SiteView& view) {
  wire::SiteSnapshot message;
  for (const OfferView& offer : view.jobs) {
    wire::JobOffer* out = message.add_jobs();
    out->set_job(offer.job);
    out->set_plan(offer.plan);
    out->set_approved(offer.approved);
    out->set_denied(offer.denied);
    out->set_state(std::string(ToText(offer.state)));
    out->set_round(offer.closed_round);
  }
  for (const NoticeView& notice : view.rounds) {
    wire::RoundNotice* out = message.add_rounds();
    out->set_job(notice.job);
    out->set_round(notice.round);
    out->set_attempt(notice.attempt);
    out->set_config(notice.config.data(), notice.config.size());
    out->set_plan(notice.plan);
    out->set_open_proof(notice.open_proof);
    out->set_close_proof(notice.close_proof);
    out->set_update_accepted(notice.update_accepted);
    if (notice.flight == 0) continue;
    out->set_flight(notice.flight);
    out->set_flight_answered(notice.flight_answered);
    out->set_flight_bytes(notice.flight_bytes);
    if (notice.flight_bytes == 0) continue;
    out->set_flight_sha256(notice.flight_digest.data(), notice.flight_digest.size());
  }
  return message;
}

absl::Status BadLength(absl::string_view what, size_t expected, size_t found) {
  return absl::InvalidArgumentError(
      absl::StrCat(what, " has ", found, " bytes, ", expected, " are right"));
}

absl::StatusOr<Digest> ReadDigest(absl::string_view what, const std::string& bytes) {
  Digest digest{};
  if (bytes.size() != digest.size()) return BadLength(what, digest.size(), bytes.size());
  std::copy(bytes.begin(), bytes.end(), digest.begin());
  return digest;
}

absl::StatusOr<UpdateClaim> ReadHeader(const wire::UpdateHeader& header) {
  UpdateClaim claim{.job = {header.job()},
                    .round = {header.round()},
                    .attempt = header.attempt(),
                    .cfg_hash = {},
                    .site_index = header.site_index(),
                    .n_words = header.n_words(),
                    .profile_digest = {}};
  HILUM_ASSIGN_OR_RETURN(claim.cfg_hash,
                         ReadDigest("the update's config_hash", header.config_hash()));
  HILUM_ASSIGN_OR_RETURN(claim.profile_digest,
                         ReadDigest("the update's profile_digest", header.profile_digest()));
  return claim;
}

absl::StatusOr<UpdateSeal> ReadClose(const wire::UpdateClose& close) {
  UpdateSeal seal;
  HILUM_ASSIGN_OR_RETURN(seal.root, ReadDigest("the update's root", close.root()));
  if (close.signature().size() != seal.signature.bytes.size()) {
    return BadLength("the update's signature", seal.signature.bytes.size(),
                     close.signature().size());
  }
  std::copy(close.signature().begin(), close.signature().end(), seal.signature.bytes.begin());
  return seal;
}

// header, chunks in order, close; anything else ends the call.
absl::StatusOr<Receipt> ReceiveUpdate(Server& server, const SiteId& site,
                                      StreamWatch::Stream& stream,
                                      grpc::ServerReader<wire::UpdateMessage>* reader) {
  wire::UpdateMessage message;
  const auto read = [&] {
    const bool more = reader->Read(&message);
    stream.Moved();
    return more;
  };
  if (!read() || !message.has_header()) {
    return absl::InvalidArgumentError(
        absl::StrCat("site ", site.name, ": an update starts with its header"));
  }
  HILUM_ASSIGN_OR_RETURN(const UpdateClaim claim, ReadHeader(message.header()));
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<UpdateSession> session,
                         server.BeginUpdate(site, claim));
  stream.EndWhen([&server, claim] { return !server.IsCollecting(claim.job, claim.round); });
  while (read()) {
    if (message.has_chunk()) {
      HILUM_RETURN_IF_ERROR(
          session->AddChunk(message.chunk().index(), AsBytes(message.chunk().data())));
      continue;
    }
    if (!message.has_close()) break;
    HILUM_ASSIGN_OR_RETURN(const UpdateSeal seal, ReadClose(message.close()));
    stream.Leave();  // this update may be the one that ends the round
    return session->Finish(seal);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("site ", site.name, ": the update ended before its close"));
}

}  // namespace

grpc::Status FederationService::Join(grpc::ServerContext*, const wire::JoinRequest* request,
                                     wire::JoinReply* reply) {
  const auto join = [&]() -> absl::Status {
    HILUM_RETURN_IF_ERROR(CheckProtocolVersion(request->protocol_version()));
    HILUM_ASSIGN_OR_RETURN(
        const JoinAnswer answer,
        server_.Join({.member = request->member(),
                      .secret = Bytes(request->secret().begin(), request->secret().end()),
                      .certificate_request = request->certificate_request(),
                      .entry_key = Bytes(request->entry_key().begin(), request->entry_key().end()),
                      .member_signature = Bytes(request->member_signature().begin(),
                                                request->member_signature().end()),
                      .joined_at_s = request->joined_at_s(),
                      .witness_vkey = request->witness_vkey(),
                      .age_recipient = request->age_recipient()}));
    const FederationIdentity& identity = server_.identity();
    reply->set_certificate(answer.certificate);
    reply->set_origin(identity.origin);
    reply->set_log_vkey(identity.log_vkey);
    reply->set_aggregator_entry_key(identity.entry_key.bytes.data(),
                                    identity.entry_key.bytes.size());
    reply->set_federation(identity.name);
    reply->set_genesis_proof(answer.genesis_proof);
    reply->set_join_proof(answer.join_proof);
    return absl::OkStatus();
  };
  const absl::Status status = join();
  if (!status.ok()) {
    Log(LogLevel::kWarning, "join refused",
        {{"site", request->member().substr(0, 63)}, {"reason", status}});
  }
  return proto::ToGrpcStatus(status);
}

grpc::Status FederationService::Watch(grpc::ServerContext* context,
                                      const wire::WatchRequest* request,
                                      grpc::ServerWriter<wire::SiteSnapshot>* writer) {
  const auto watch = [&]() -> absl::Status {
    HILUM_ASSIGN_OR_RETURN(const Caller caller, RequireRole(server_, *context, "site"));
    HILUM_RETURN_IF_ERROR(CheckProtocolVersion(request->protocol_version()));
    HILUM_ASSIGN_OR_RETURN(const StreamLimit::Slot slot,
                           watches_.Take("Watch streams", caller.name));
    const std::unique_ptr<SiteWatch> stream = server_.Watch({caller.name});
    std::string last;
    absl::Time last_sent = absl::InfinitePast();
    do {
      HILUM_ASSIGN_OR_RETURN(const SiteView view, stream->View());
      wire::SiteSnapshot snapshot = ToMessage(view);
      std::string bytes = snapshot.SerializeAsString();
      if (bytes == last && absl::Now() - last_sent < kSnapshotEvery) continue;
      last = std::move(bytes);
      last_sent = absl::Now();
      snapshot.set_server_time_s(absl::ToUnixSeconds(last_sent));
      if (!writer->Write(snapshot)) return absl::CancelledError("the site went away");
    } while (stream->Wait(kLookEvery) && !context->IsCancelled());
    return absl::UnavailableError("the server stops; connect again");
  };
  return proto::ToGrpcStatus(watch());
}

grpc::Status FederationService::Answer(grpc::ServerContext* context, const wire::JobAnswer* request,
                                       wire::JobAnswerReply*) {
  const auto answer = [&]() -> absl::Status {
    HILUM_ASSIGN_OR_RETURN(const Caller caller, RequireRole(server_, *context, "site"));
    HILUM_RETURN_IF_ERROR(answers_.Take("answers", caller.name));
    return server_.Answer(
        {caller.name}, {request->job()},
        {.site = {caller.name}, .approved = request->approve(), .reason = request->reason()});
  };
  return proto::ToGrpcStatus(answer());
}

grpc::Status FederationService::Report(grpc::ServerContext* context, const wire::Progress* request,
                                       wire::ProgressReply*) {
  const auto report = [&]() -> absl::Status {
    HILUM_ASSIGN_OR_RETURN(const Caller caller, RequireRole(server_, *context, "site"));
    HILUM_RETURN_IF_ERROR(reports_.Take("reports", caller.name));
    return server_.Report({caller.name}, {.job = {request->job()},
                                          .round = {request->round()},
                                          .phase = request->phase(),
                                          .percent = request->percent(),
                                          .reason = request->reason(),
                                          .attempt = request->attempt()});
  };
  return proto::ToGrpcStatus(report());
}

grpc::Status FederationService::FetchModel(grpc::ServerContext* context,
                                           const wire::ModelRequest* request,
                                           grpc::ServerWriter<wire::ModelChunk>* writer) {
  const auto fetch = [&]() -> absl::Status {
    HILUM_ASSIGN_OR_RETURN(const Caller caller, RequireRole(server_, *context, "site"));
    HILUM_ASSIGN_OR_RETURN(const StreamLimit::Slot slot, fetches_.Take("models", caller.name));
    StreamWatch::Stream stream(&streams_, context);
    return SendModel(server_, *request, writer, [&stream] { stream.Moved(); });
  };
  return proto::ToGrpcStatus(fetch());
}

grpc::Status FederationService::FetchObject(grpc::ServerContext* context,
                                            const wire::ObjectRequest* request,
                                            grpc::ServerWriter<wire::ModelChunk>* writer) {
  const auto fetch = [&]() -> absl::Status {
    HILUM_ASSIGN_OR_RETURN(const Caller caller, RequireRole(server_, *context, "site"));
    HILUM_ASSIGN_OR_RETURN(const StreamLimit::Slot slot, fetches_.Take("objects", caller.name));
    HILUM_ASSIGN_OR_RETURN(const Digest digest, ReadAddress(request->sha256()));
    HILUM_ASSIGN_OR_RETURN(ledger_anchor::StoreReader reader,
                           server_.OpenObject({request->job()}, {request->round()}, digest));
    StreamWatch::Stream stream(&streams_, context);
    return SendObject(std::move(reader), writer, [&stream] { stream.Moved(); });
  };
  return proto::ToGrpcStatus(fetch());
}

grpc::Status FederationService::SubmitUpdate(grpc::ServerContext* context,
                                             grpc::ServerReader<wire::UpdateMessage>* reader,
                                             wire::UpdateReceipt* reply) {
  const auto submit = [&]() -> absl::Status {
    HILUM_ASSIGN_OR_RETURN(const Caller caller, RequireRole(server_, *context, "site"));
    HILUM_ASSIGN_OR_RETURN(const StreamLimit::Slot slot, uploads_.Take("updates", caller.name));
    StreamWatch::Stream stream(&streams_, context);
    const absl::StatusOr<Receipt> receipt = ReceiveUpdate(server_, {caller.name}, stream, reader);
    if (!receipt.ok()) {
      const absl::Status why = stream.ended().ok() ? receipt.status() : stream.ended();
      Log(LogLevel::kWarning, "update refused", {{"site", caller.name}, {"reason", why}});
      return why;
    }
    CrashPoint("update acknowledged");
    reply->set_root(receipt->root.data(), receipt->root.size());
    reply->set_repeated_send(receipt->repeated);
    return absl::OkStatus();
  };
  return proto::ToGrpcStatus(submit());
}

grpc::Status FederationService::SubmitEntry(grpc::ServerContext* context,
                                            const wire::EntrySubmission* request,
                                            wire::EntryReceipt* reply) {
  const auto submit = [&]() -> absl::Status {
    HILUM_ASSIGN_OR_RETURN(const Caller caller, RequireRole(server_, *context, "site"));
    HILUM_RETURN_IF_ERROR(entries_.Take("ledger entries", caller.name));
    const absl::StatusOr<SubmittedEntry> entry =
        server_.SubmitEntry({caller.name}, request->entry());
    if (!entry.ok()) {
      Log(LogLevel::kWarning, "entry refused", {{"site", caller.name}, {"reason", entry.status()}});
      return entry.status();
    }
    reply->set_index(entry->index);
    reply->set_leaf_hash(entry->leaf_hash.data(), entry->leaf_hash.size());
    reply->set_proof(entry->proof);
    reply->set_repeated_send(entry->repeated);
    return absl::OkStatus();
  };
  return proto::ToGrpcStatus(submit());
}

grpc::Status FederationService::ProveConsistency(grpc::ServerContext* context,
                                                 const wire::ConsistencyRequest* request,
                                                 wire::ConsistencyReply* reply) {
  const absl::StatusOr<Caller> caller = RequireRole(server_, *context, "");
  if (!caller.ok()) return proto::ToGrpcStatus(caller.status());
  return proto::ToGrpcStatus(AnswerConsistency(server_, *request, reply));
}

grpc::Status FederationService::FetchProof(grpc::ServerContext* context,
                                           const wire::ProofRequest* request,
                                           wire::ProofReply* reply) {
  const absl::StatusOr<Caller> caller = RequireRole(server_, *context, "");
  if (!caller.ok()) return proto::ToGrpcStatus(caller.status());
  return proto::ToGrpcStatus(AnswerProof(server_, *request, reply));
}

}  // namespace hilum::aggregator

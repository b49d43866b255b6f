// The service for the ML lead.
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "aggregator/rpc_services.h"
#include "base/status_macros.h"
#include "base/version.h"
#include "proto/channel.h"

namespace hilum::aggregator {
namespace {

constexpr absl::Duration kStatusEvery = absl::Seconds(10);
constexpr absl::Duration kLookEvery = absl::Milliseconds(500);
constexpr absl::Duration kLeastGap = absl::Milliseconds(100);  // progress of 500 sites is no flood
// The rest of a message of 2 MiB is for the plan (at most 512 KiB) and the sites.
constexpr size_t kHistoryLimitBytes = 1 << 20;

void FillSite(const SiteStatusView& view, wire::SiteStatus* out) {
  out->set_site(view.site);
  out->set_connected(view.connected);
  out->set_answer(view.answer);
  out->set_phase(view.phase);
  out->set_percent(view.percent);
  out->set_reason(view.reason);
  out->set_has_statistics(view.statistics.has_value());
  if (!view.statistics.has_value()) return;
  out->set_weight(view.statistics->weight);
  out->set_loss(view.statistics->loss);
}

wire::RoundSummary ToMessage(const RoundView& view) {
  wire::RoundSummary out;
  out.set_round(view.round);
  out.set_status(view.status);
  for (const std::string& site : view.cohort) out.add_cohort(site);
  for (const std::string& site : view.dropped) out.add_dropped(site);
  out.set_total_weight(view.total_weight);
  out.set_mean_loss(view.mean_loss);
  out.set_model_sha256(view.model.data(), view.model.size());
  out.set_seconds(view.seconds);
  out.set_received_bytes(view.received_bytes);
  out.set_reason(view.reason);
  return out;
}

// The newest rounds, as many as fit, in ascending order.
void FillHistory(const std::vector<RoundView>& history, wire::JobStatus* out) {
  size_t first = history.size();
  size_t size_bytes = 0;
  std::vector<wire::RoundSummary> rounds;
  while (first > 0) {
    wire::RoundSummary round = ToMessage(history[first - 1]);
    size_bytes += round.ByteSizeLong();
    if (size_bytes > kHistoryLimitBytes) break;
    rounds.push_back(std::move(round));
    --first;
  }
  for (auto round = rounds.rbegin(); round != rounds.rend(); ++round) {
    *out->add_history() = std::move(*round);
  }
}

void FillJob(const JobView& view, wire::JobStatus* out) {
  out->set_job(view.job);
  out->set_state(std::string(ToText(view.state)));
  out->set_rounds(view.rounds);
  for (const SiteStatusView& site : view.sites) FillSite(site, out->add_sites());
  FillHistory(view.history, out);
  out->set_message(view.message);
  out->set_plan(view.plan);
  out->set_ledger_size(view.ledger_size);
}

// Runs `body` when the caller is the lead.
template <class Body>
grpc::Status AsLead(Server& server, grpc::ServerContext* context, Body body) {
  const absl::StatusOr<Caller> caller = RequireRole(server, *context, "lead");
  return proto::ToGrpcStatus(caller.ok() ? body() : caller.status());
}

}  // namespace

grpc::Status JobsService::Status(grpc::ServerContext* context, const google::protobuf::Empty*,
                                 wire::FederationStatus* reply) {
  return AsLead(server_, context, [&]() -> absl::Status {
    const FederationView view = server_.Status();
    reply->set_federation(view.federation);
    reply->set_origin(view.origin);
    reply->set_log_vkey(view.log_vkey);
    reply->set_version(std::string(kVersion));
    reply->set_ledger_size(view.ledger_size);
    for (const MemberView& member : view.members) {
      wire::MemberStatus* out = reply->add_members();
      out->set_member(member.name);
      out->set_role(member.role);
      out->set_connected(member.connected);
      out->set_joined_at_s(member.joined_s);
    }
    return absl::OkStatus();
  });
}

grpc::Status JobsService::PutModel(grpc::ServerContext* context,
                                   grpc::ServerReader<wire::ModelChunk>* reader,
                                   wire::PutModelReply* reply) {
  return AsLead(server_, context, [&]() -> absl::Status {
    Bytes file;
    wire::ModelChunk chunk;
    while (reader->Read(&chunk)) {
      if (file.size() + chunk.data().size() > server_.max_model_bytes()) {
        return absl::InvalidArgumentError(absl::StrCat("the model has more than ",
                                                       server_.max_model_bytes(),
                                                       " bytes, which is the server's limit"));
      }
      AppendText(file, chunk.data());
    }
    HILUM_ASSIGN_OR_RETURN(const Digest digest, server_.PutModel(file));
    reply->set_sha256(digest.data(), digest.size());
    return absl::OkStatus();
  });
}

grpc::Status JobsService::Launch(grpc::ServerContext* context, const wire::LaunchRequest* request,
                                 wire::JobStatus* reply) {
  return AsLead(server_, context, [&]() -> absl::Status {
    HILUM_RETURN_IF_ERROR(CheckProtocolVersion(request->protocol_version()));
    Digest model{};
    if (request->model_sha256().size() != model.size()) {
      return absl::InvalidArgumentError("the launch does not name a model by its SHA-256");
    }
    std::copy(request->model_sha256().begin(), request->model_sha256().end(), model.begin());
    HILUM_ASSIGN_OR_RETURN(const JobView view, server_.Launch(request->plan(), model));
    FillJob(view, reply);
    return absl::OkStatus();
  });
}

grpc::Status JobsService::Resume(grpc::ServerContext* context, const wire::ResumeRequest* request,
                                 wire::JobStatus* reply) {
  return AsLead(server_, context, [&]() -> absl::Status {
    HILUM_ASSIGN_OR_RETURN(const JobView view, server_.Resume({request->job()}, request->rounds()));
    FillJob(view, reply);
    return absl::OkStatus();
  });
}

grpc::Status JobsService::Cancel(grpc::ServerContext* context, const wire::JobRequest* request,
                                 wire::JobStatus* reply) {
  return AsLead(server_, context, [&]() -> absl::Status {
    HILUM_ASSIGN_OR_RETURN(const JobView view, server_.Cancel({request->job()}));
    FillJob(view, reply);
    return absl::OkStatus();
  });
}

grpc::Status JobsService::ListJobs(grpc::ServerContext* context, const wire::JobRequest* request,
                                   wire::JobList* reply) {
  return AsLead(server_, context, [&]() -> absl::Status {
    if (!request->job().empty()) {
      HILUM_ASSIGN_OR_RETURN(const JobView view, server_.Job({request->job()}));
      FillJob(view, reply->add_jobs());
      return absl::OkStatus();
    }
    // A list without plans, so that it fits whatever was launched.
    for (const JobView& view : server_.Jobs()) {
      FillJob(view, reply->add_jobs());
      reply->mutable_jobs(reply->jobs_size() - 1)->clear_plan();
    }
    return absl::OkStatus();
  });
}

grpc::Status JobsService::WatchJob(grpc::ServerContext* context, const wire::JobRequest* request,
                                   grpc::ServerWriter<wire::JobStatus>* writer) {
  return AsLead(server_, context, [&]() -> absl::Status {
    HILUM_ASSIGN_OR_RETURN(const StreamLimit::Slot slot, watches_.Take("WatchJob streams", "lead"));
    uint64_t seen = 0;
    std::string last;
    absl::Time last_sent = absl::InfinitePast();
    while (!server_.IsStopping() && !context->IsCancelled()) {
      HILUM_ASSIGN_OR_RETURN(const JobView view, server_.Job({request->job()}));
      wire::JobStatus status;
      FillJob(view, &status);
      std::string bytes = status.SerializeAsString();
      if (bytes != last || absl::Now() - last_sent >= kStatusEvery) {
        if (!writer->Write(status)) return absl::CancelledError("the lead went away");
        last = std::move(bytes);
        last_sent = absl::Now();
      }
      absl::SleepFor(kLeastGap);
      seen = server_.WaitForChange(seen, kLookEvery);
    }
    return absl::UnavailableError("the server stops; connect again");
  });
}

grpc::Status JobsService::FetchProof(grpc::ServerContext* context,
                                     const wire::ProofRequest* request, wire::ProofReply* reply) {
  return AsLead(server_, context, [&] { return AnswerProof(server_, *request, reply); });
}

grpc::Status JobsService::ProveConsistency(grpc::ServerContext* context,
                                           const wire::ConsistencyRequest* request,
                                           wire::ConsistencyReply* reply) {
  return AsLead(server_, context, [&] { return AnswerConsistency(server_, *request, reply); });
}

grpc::Status JobsService::FetchModel(grpc::ServerContext* context,
                                     const wire::ModelRequest* request,
                                     grpc::ServerWriter<wire::ModelChunk>* writer) {
  return AsLead(server_, context, [&] { return SendModel(server_, *request, writer, [] {}); });
}

}  // namespace hilum::aggregator

// The calls of masked rounds.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "aggregator/masked_attempt.h"
#include "aggregator/rpc_services.h"
#include "base/log.h"
#include "base/process.h"
#include "base/status_macros.h"
#include "proto/channel.h"

namespace hilum::aggregator {
namespace {

constexpr size_t kFlightMessageLimitBytes = 1 << 20;

template <class Message>
absl::StatusOr<FlightClaim> ReadClaim(const Message& message) {
  if (!privacy::secagg::IsFlight(message.flight())) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no flight ", message.flight(), ", they are 1 to 7"));
  }
  return FlightClaim{.job = {message.job()},
                     .round = {message.round()},
                     .attempt = message.attempt(),
                     .flight = message.flight()};
}

}  // namespace

grpc::Status FederationService::SendFlight(grpc::ServerContext* context,
                                           const wire::FlightMessage* request,
                                           wire::FlightReceipt* reply) {
  const auto send = [&]() -> absl::Status {
    HILUM_ASSIGN_OR_RETURN(const Caller caller, RequireRole(server_, *context, "site"));
    HILUM_RETURN_IF_ERROR(flights_.Take("messages of masked rounds", caller.name));
    HILUM_ASSIGN_OR_RETURN(const FlightClaim claim, ReadClaim(*request));
    if (request->message().size() > kFlightMessageLimitBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("a message of a flight has ", request->message().size(),
                       " bytes, the limit is ", kFlightMessageLimitBytes));
    }
    const absl::StatusOr<bool> is_new =
        server_.TakeFlight({caller.name}, claim, AsBytes(request->message()));
    if (!is_new.ok()) {
      Log(LogLevel::kWarning, "message of a masked round refused",
          {{"site", caller.name}, {"flight", claim.flight}, {"reason", is_new.status()}});
      return is_new.status();
    }
    reply->set_repeated_send(!*is_new);
    CrashPoint("flight acknowledged");
    return absl::OkStatus();
  };
  return proto::ToGrpcStatus(send());
}

grpc::Status FederationService::FetchFlight(grpc::ServerContext* context,
                                            const wire::FlightRequest* request,
                                            grpc::ServerWriter<wire::FlightPart>* writer) {
  const auto fetch = [&]() -> absl::Status {
    HILUM_ASSIGN_OR_RETURN(const Caller caller, RequireRole(server_, *context, "site"));
    HILUM_ASSIGN_OR_RETURN(const StreamLimit::Slot slot,
                           fetches_.Take("messages of masked rounds", caller.name));
    HILUM_ASSIGN_OR_RETURN(const FlightClaim claim, ReadClaim(*request));
    HILUM_ASSIGN_OR_RETURN(const FlightDown down, server_.FlightFor({caller.name}, claim));
    StreamWatch::Stream stream(&streams_, context);
    CrashPoint("flight shown");
    for (size_t at = 0; at < down.message.size(); at += proto::kModelChunkBytes) {
      const ByteView part =
          down.message.subspan(at, std::min(proto::kModelChunkBytes, down.message.size() - at));
      wire::FlightPart message;
      message.set_data(part.data(), part.size());
      if (!writer->Write(message)) return absl::CancelledError("the caller went away");
      stream.Moved();
    }
    return absl::OkStatus();
  };
  return proto::ToGrpcStatus(fetch());
}

}  // namespace hilum::aggregator

#include "proto/channel.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/optional.h"
#include "base/log.h"

namespace hilum::proto {
namespace {

constexpr size_t kSentenceLimitBytes = 2000;
constexpr int64_t kStopPollMs = 100;
constexpr char kOurs[] = "hilum";  // details of a status whose sentence is a program's of ours
// A connection that does not finish its TLS handshake by then is closed. gRPC's two minutes would
// let a stranger hold every file descriptor of the server.
constexpr int kHandshakeTimeoutMs = 15'000;

// gRPC writes lines of its own to standard error, where people read our one sentence: they go to
// the log, at the debug level. Once for the process, before its first channel or server.
void RouteGrpcLog() {
  static const bool routed = [] {
    gpr_set_log_function([](gpr_log_func_args* line) {
      // After this one its listener takes no connection any more.
      const bool is_deaf = absl::StrContains(line->message, "Failed accept");
      Log(is_deaf ? LogLevel::kError : LogLevel::kDebug, "grpc", {{"text", line->message}});
    });
    return true;
  }();
  static_cast<void>(routed);
}

constexpr char kStepPayload[] = "hilum/connection-step";

// Why a call found no answer and what to do about it, and the step that failed.
struct Unreachable {
  absl::string_view words;  // of gRPC
  absl::string_view reason;
  ConnectionStep step;
};

Unreachable WhyUnreachable(const grpc::Status& status) {
  using enum ConnectionStep;
  constexpr Unreachable kReasons[] = {
      {"connection refused",
       "nothing listens there; check that it runs and that the address is right", kConnection},
      {"dns resolution failed", "its name is unknown; check the address and the network's DNS",
       kName},
      {"handshake failed",
       "what answers there is not a server of this federation; check the address, and that nothing "
       "on the way opens TLS",
       kTls},
      {"unreachable", "no way leads there; check the address and the network", kConnection},
      {"no route to host", "no way leads there; check the address and the network", kConnection}};
  const std::string said = absl::AsciiStrToLower(status.error_message());
  for (const Unreachable& known : kReasons) {
    if (absl::StrContains(said, known.words)) return known;
  }
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED ||
      absl::StrContains(said, "timed out") || absl::StrContains(said, "timeout")) {
    return {"", "no answer came; check the address, the network and the firewall, then try again",
            kConnection};
  }
  return {"", "the connection broke; try again, and where it always breaks, check your certificate",
          kConnection};
}

}  // namespace

std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(const TlsIdentity& identity) {
  grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = identity.ca_pem;
  options.pem_key_cert_pairs.push_back({identity.key_pem, identity.certificate_pem});
  return grpc::SslServerCredentials(options);
}

void SetServerLimits(grpc::ServerBuilder& builder) {
  RouteGrpcLog();
  builder.SetMaxReceiveMessageSize(kMessageLimitBytes);
  builder.SetMaxSendMessageSize(kMessageLimitBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsPerConnection);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kKeepaliveMs / 4);
  // Two servers must never share a port: the second must fail to start.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address,
                                           const TlsIdentity& identity) {
  RouteGrpcLog();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = identity.ca_pem;
  options.pem_cert_chain = identity.certificate_pem;
  options.pem_private_key = identity.key_pem;
  grpc::ChannelArguments arguments;
  arguments.SetSslTargetNameOverride(kServerName);
  arguments.SetMaxReceiveMessageSize(kMessageLimitBytes);
  arguments.SetMaxSendMessageSize(kMessageLimitBytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // A server that restarts is found again within seconds, not after gRPC's two minutes. MIN is, in
  // spite of its name, the time that one attempt gets: TLS over a slow line takes a while.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 10'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  // A channel of its own: two identities in one process never share a connection.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, grpc::SslCredentials(options), arguments);
}

bool AwaitConnection(grpc::Channel& channel, int64_t wait_ms, const std::function<bool()>& stop) {
  using Clock = std::chrono::system_clock;
  const Clock::time_point end = Clock::now() + std::chrono::milliseconds(wait_ms);
  while (!stop || !stop()) {
    const Clock::time_point look = Clock::now() + std::chrono::milliseconds(kStopPollMs);
    if (channel.WaitForConnected(std::min(look, end))) return true;
    if (Clock::now() >= end) return false;
  }
  return false;
}

absl::StatusOr<std::string> PeerCertificate(const grpc::ServerContext& context) {
  const std::shared_ptr<const grpc::AuthContext> auth = context.auth_context();
  if (auth != nullptr && auth->IsPeerAuthenticated()) {
    const std::vector<grpc::string_ref> found = auth->FindPropertyValues("x509_pem_cert");
    if (found.size() == 1) return std::string(found[0].data(), found[0].size());
  }
  return absl::PermissionDeniedError(
      "the caller showed no certificate of this federation: join first");
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                      std::string(status.message().substr(0, kSentenceLimitBytes)), kOurs);
}

absl::Status FromGrpcStatus(const grpc::Status& status, absl::string_view peer,
                            std::optional<double> waited_s) {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  const bool no_answer = code == absl::StatusCode::kDeadlineExceeded ||
                         code == absl::StatusCode::kUnavailable ||
                         code == absl::StatusCode::kCancelled;
  if (no_answer) {
    if (status.error_details() == kOurs) {
      return absl::UnavailableError(
          absl::StrCat(peer, " cannot answer now: ", status.error_message()));
    }
    Log(LogLevel::kDebug, "grpc", {{"text", status.error_message()}});
    const std::string within = waited_s ? absl::StrFormat(" in %.1f s", *waited_s) : "";
    const Unreachable why = WhyUnreachable(status);
    absl::Status unreachable = absl::UnavailableError(
        absl::StrCat(peer, " could not be reached", within, ": ", why.reason));
    unreachable.SetPayload(kStepPayload, absl::Cord(std::string(1, static_cast<char>(why.step))));
    return unreachable;
  }
  return absl::Status(code, status.error_message());
}

ConnectionStep FailedStep(const absl::Status& status) {
  const absl::optional<absl::Cord> step = status.GetPayload(kStepPayload);
  if (!step.has_value() || step->size() != 1) return ConnectionStep::kServer;
  return static_cast<ConnectionStep>((*step)[0]);
}

}  // namespace hilum::proto

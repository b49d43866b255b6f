// The TLS channel between sites, lead and server: credentials, limits, and status codes.
#ifndef HILUM_PROTO_CHANNEL_H_
#define HILUM_PROTO_CHANNEL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "grpcpp/grpcpp.h"
#include "proto/join_token.h"  // kServerName

namespace hilum::proto {

// Models travel in chunks of 1 MiB; no message is larger than twice that.
inline constexpr int kMessageLimitBytes = 2 << 20;
inline constexpr size_t kModelChunkBytes = 1 << 20;
inline constexpr int kKeepaliveMs = 20'000;         // a dead link is noticed after this ...
inline constexpr int kKeepaliveTimeoutMs = 10'000;  // ... and this
inline constexpr int kStreamsPerConnection = 32;

// All PEM text. The client's certificate and key are empty before Join.
struct TlsIdentity {
  std::string ca_pem;
  std::string certificate_pem;
  std::string key_pem;
};

// Asks each peer for a certificate of the CA and refuses a wrong one, but does not demand one:
// Join has none yet. Every other call must check PeerCertificate.
std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(const TlsIdentity& identity);

// Message limit, streams per connection, keepalive.
void SetServerLimits(grpc::ServerBuilder& builder);

// A channel to HOST:PORT; it connects with the first call, and again after each failure.
std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address, const TlsIdentity& identity);

// True as soon as there is a connection; false after `wait_ms` without one, or soon after `stop`
// says so. Call it before each call that a server may have to return for: gRPC reads a socket only
// while a thread waits for one of the channel's events. Calls that fail at once, since the try
// before them failed, do not wait, so between them a TLS handshake stands still until its time is
// over, however often one tries.
bool AwaitConnection(grpc::Channel& channel, int64_t wait_ms,
                     const std::function<bool()>& stop = nullptr);

// The certificate, PEM, that TLS verified for the peer of this call.
// PermissionDenied: the peer showed none.
absl::StatusOr<std::string> PeerCertificate(const grpc::ServerContext& context);

// Code and sentence are kept. Both enums share their numbers (google.rpc.Code). A sentence over
// 2,000 bytes is cut, so that it always fits into a header. The details are "hilum": a program of
// ours wrote the sentence, not gRPC.
grpc::Status ToGrpcStatus(const absl::Status& status);

// The status that the other side sent. Where the call itself failed (unreachable, deadline, broken
// connection), Unavailable and one sentence: that `peer` could not be reached, within how long
// where `waited_s` says it, why, and what to do. gRPC's own words go to the log, at the debug
// level.
absl::Status FromGrpcStatus(const grpc::Status& status, absl::string_view peer,
                            std::optional<double> waited_s = std::nullopt);

// The step of a connection at which a call failed: the name did not resolve, nothing accepted, TLS
// failed; or all went well and the server itself said no.
enum class ConnectionStep : char { kName = 1, kConnection, kTls, kServer };
// Of a status that FromGrpcStatus returned.
ConnectionStep FailedStep(const absl::Status& status);

}  // namespace hilum::proto

#endif  // HILUM_PROTO_CHANNEL_H_

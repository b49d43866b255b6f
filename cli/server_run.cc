// `hilum server run`: opens the folder, listens, waits for a signal.
#include <csignal>
#include <ctime>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "aggregator/compute.h"
#include "aggregator/http.h"
#include "aggregator/rpc.h"
#include "aggregator/seal.h"
#include "aggregator/server.h"
#include "base/log.h"
#include "base/process.h"
#include "base/status_macros.h"
#include "base/version.h"
#include "cli/output.h"
#include "cli/server_commands.h"

namespace hilum::cli {
namespace {

using Json = nlohmann::ordered_json;

// Returns at a signal, or when the server cannot go on.
void WaitForEnd(const sigset_t& signals, const aggregator::Server& server) {
  const std::timespec slice{.tv_sec = 0, .tv_nsec = 200'000'000};
  while (!server.IsStopping()) {
    if (sigtimedwait(&signals, nullptr, &slice) > 0) return;
  }
}

absl::Status StartLog(const ServerFlags& flags, const ServerConfig& config) {
  LogOptions options{.program = "hilum-server", .file = ""};
  if (!config.log_file.empty()) {
    const fs::path file = fs::path(flags.dir) / config.log_file;  // an absolute path stays
    HILUM_RETURN_IF_ERROR(MakeFolder(file.parent_path()));
    options.file = file.string();
  }
  options.level = config.log_level == "debug"     ? LogLevel::kDebug
                  : config.log_level == "warning" ? LogLevel::kWarning
                  : config.log_level == "error"   ? LogLevel::kError
                                                  : LogLevel::kInfo;
  return OpenLog(options);
}

// What the server itself keeps open: ledger, state, logs, 80 callers of HTTP, strangers who join.
constexpr uint64_t kOwnFiles = 256;
// A site's connection, one that broke and is not noticed yet, and the files of its update.
constexpr uint64_t kFilesOfASite = 4;

constexpr uint64_t kAuthorityBytes = 1 << 20;  // of the file with an authority's certificates

// gRPC accepts nobody any more once it has run out of descriptors.
void WarnOfFewFiles(uint64_t limit, aggregator::Server& server) {
  uint64_t n_sites = 0;
  for (const aggregator::MemberView& member : server.Status().members) {
    n_sites += member.role == "site";
  }
  const uint64_t wanted = kOwnFiles + kFilesOfASite * n_sites;
  if (limit >= wanted) return;
  Log(LogLevel::kWarning, "too few open files",
      {{"reason", absl::StrCat("the system lets this server have ", limit, " open files, ", n_sites,
                               " sites need ", wanted, ": raise the hard limit (ulimit -Hn, or ",
                               "LimitNOFILE= in systemd), or the server can lose its listener")}});
}

absl::StatusOr<std::optional<aggregator::AnchorSettings>> ReadAnchor(const ServerFlags& flags,
                                                                     const ServerConfig& config) {
  if (config.anchor.url.empty()) return std::nullopt;
  aggregator::AnchorSettings settings{.url = config.anchor.url,
                                      .ca_pem = "",
                                      .policy = config.anchor.policy,
                                      .every_s = config.anchor.every_s};
  HILUM_ASSIGN_OR_RETURN(settings.ca_pem,
                         ReadTextFile(fs::path(flags.dir) / config.anchor.ca, kAuthorityBytes));
  return settings;
}

struct Listeners {
  std::unique_ptr<aggregator::RpcListener> rpc;
  std::unique_ptr<HttpService> http;
};

absl::StatusOr<Listeners> Listen(aggregator::Server& server, const ServerConfig& config,
                                 aggregator::RpcOptions tls) {
  Listeners listeners;
  tls.address = config.grpc;
  HILUM_ASSIGN_OR_RETURN(listeners.rpc, aggregator::RpcListener::Start(&server, tls));
  HILUM_ASSIGN_OR_RETURN(listeners.http, aggregator::ServeHttp(&server, config.http));
  return listeners;
}

// Where the server listens now, for programs on this computer and for the lead.
absl::Status WriteAddresses(const aggregator::FederationIdentity& known, const Json& addresses) {
  const std::string text = addresses.dump(2) + "\n";
  HILUM_RETURN_IF_ERROR(MakeFolder(known.folder / "run"));
  HILUM_RETURN_IF_ERROR(WriteFileDurably(known.folder / "run/addresses.json", AsBytes(text)));
  aggregator::FederationIdentity identity = known;
  identity.address = addresses["grpc"].get<std::string>();
  if (identity.address == known.address) return absl::OkStatus();
  return aggregator::WriteIdentity(identity);
}

absl::Status Serve(const ServerFlags& flags, const ServerConfig& config, uint64_t file_limit,
                   const sigset_t& signals) {
  HILUM_ASSIGN_OR_RETURN(const aggregator::Compute compute,
                         aggregator::ChooseCompute({.device = config.device,
                                                    .threads = config.threads,
                                                    .device_memory_mib = config.gpu_mib}));
  HILUM_ASSIGN_OR_RETURN(std::unique_ptr<aggregator::Federation> federation,
                         aggregator::OpenFederation(flags.dir));
  const aggregator::RpcOptions tls{.address = "",
                                   .ca_pem = federation->ca.certificate_pem,
                                   .certificate_pem = federation->tls.certificate_pem,
                                   .key_pem = federation->tls.key_pem};
  HILUM_ASSIGN_OR_RETURN(const auto recipients, aggregator::ParseRecipients(config.recipients));
  HILUM_ASSIGN_OR_RETURN(std::optional<aggregator::AnchorSettings> anchor,
                         ReadAnchor(flags, config));
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<aggregator::Server> server,
                         aggregator::Server::Create(std::move(federation),
                                                    {.audit_days = config.audit_days,
                                                     .licence = config.licence,
                                                     .max_model_bytes = config.max_model_mib << 20,
                                                     .compute = compute,
                                                     .seal = config.seal,
                                                     .recipients = recipients,
                                                     .anchor = std::move(anchor)}));
  WarnOfFewFiles(file_limit, *server);
  HILUM_ASSIGN_OR_RETURN(const Listeners listeners, Listen(*server, config, tls));
  const Json addresses{{"grpc", listeners.rpc->address()}, {"http", listeners.http->address()}};
  HILUM_RETURN_IF_ERROR(WriteAddresses(server->identity(), addresses));
  server->Start();
  aggregator::LogCompute(compute);
  Log(LogLevel::kInfo, "listening",
      {{"grpc", listeners.rpc->address()}, {"http", listeners.http->address()}});
  if (flags.json) {
    Json event{{"event", "listening"}};
    event.update(addresses);
    PrintJsonLine(event);
  } else {
    Print(absl::StrCat("hilum-server ", kVersion, " of federation ", server->identity().name,
                       ": gRPC on ", listeners.rpc->address(), ", HTTP on ",
                       listeners.http->address(), "\n"));
  }
  WaitForEnd(signals, *server);
  server->Stop();
  listeners.rpc->Stop();
  listeners.http->Stop();
  HILUM_RETURN_IF_ERROR(server->failure());
  Log(LogLevel::kInfo, "stopped");
  if (!flags.json) {
    Print(absl::StrCat("Stopped. Nothing that was acknowledged is lost; go on with `hilum server ",
                       "run --dir ", flags.dir, "`.\n"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunServer(const ServerFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const ServerConfig config, ReadServerConfig(flags.dir, flags.overrides));
  if (flags.print_config) {
    if (flags.json) {
      PrintJson(Json{
          {"listen", {{"grpc", config.grpc}, {"http", config.http}}},
          {"log", {{"file", config.log_file}, {"level", config.log_level}}},
          {"models", {{"max_mib", config.max_model_mib}, {"licence", config.licence}}},
          {"audit", {{"keep_days", config.audit_days}}},
          {"compute",
           {{"device", config.device}, {"threads", config.threads}, {"gpu_mib", config.gpu_mib}}},
          {"store", {{"seal", config.seal}, {"recipients", config.recipients}}},
          {"anchor",
           {{"url", config.anchor.url},
            {"ca", config.anchor.ca},
            {"policy", config.anchor.policy},
            {"every_s", config.anchor.every_s}}}});
    } else {
      Print(FormatServerConfig(config));
    }
    return absl::OkStatus();
  }
  const sigset_t signals = BlockEndSignals();
  const uint64_t file_limit = RaiseOpenFileLimit();
  HILUM_RETURN_IF_ERROR(StartLog(flags, config));
  return Serve(flags, config, file_limit, signals);
}

}  // namespace hilum::cli

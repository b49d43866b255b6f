#include "aggregator/http.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "aggregator/http_connections.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/version.h"
#include "httplib.h"
#include "ledger_anchor/tiles.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"

namespace hilum::aggregator {
namespace {

constexpr size_t kRequestLimitBytes = 4096;  // no request has a body
constexpr size_t kPathLimitBytes = 256;
constexpr int kStartLimitMs = 5000;

struct HostPort {
  std::string host;
  int port = 0;
};

absl::StatusOr<HostPort> ParseAddress(const std::string& address) {
  const size_t colon = address.rfind(':');
  HostPort parsed;
  uint32_t port = 0;
  if (colon == std::string::npos || colon == 0 ||
      !absl::SimpleAtoi(address.substr(colon + 1), &port) || port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("the address is \"", address, "\", it must be HOST:PORT"));
  }
  parsed.host = address.substr(0, colon);
  if (parsed.host.front() == '[' && parsed.host.back() == ']') {
    parsed.host = parsed.host.substr(1, parsed.host.size() - 2);
  }
  parsed.port = static_cast<int>(port);
  return parsed;
}

void Answer(const absl::StatusOr<Bytes>& file, const char* type, const char* cache,
            httplib::Response& response) {
  if (!file.ok()) {
    const bool missing = absl::IsNotFound(file.status());
    response.status = missing ? 404 : 500;
    // Not the status itself, which names a path of this computer.
    response.set_content(missing ? "no such file\n" : "the file cannot be read\n", "text/plain");
    return;
  }
  response.set_header("Cache-Control", cache);
  response.set_content(std::string(AsText(*file)), type);
}

void AnswerTile(const fs::path& folder, const std::string& path, httplib::Response& response) {
  // Only the one spelling of a tile's path reaches the file system.
  const absl::StatusOr<ledger_anchor::TileId> tile = ledger_anchor::ParseTilePath(path);
  if (!tile.ok()) {
    response.status = 404;
    response.set_content("no such tile\n", "text/plain");
    return;
  }
  const absl::StatusOr<Bytes> file =
      ReadFile(folder / ledger_anchor::TilePath(*tile), ledger_anchor::kBundleLimitBytes);
  Answer(file, "application/octet-stream", "public, max-age=31536000, immutable", response);
}

void AddCounter(prometheus::Registry& registry, const char* name, const char* help, double value) {
  prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({}).Increment(value);
}
void AddGauge(prometheus::Registry& registry, const char* name, const char* help, double value) {
  prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({}).Set(value);
}

}  // namespace

std::string FormatMetrics(const CounterView& counters) {
  prometheus::Registry registry;
  auto& rounds = prometheus::BuildCounter()
                     .Name("hilum_rounds_total")
                     .Help("Closed rounds by status")
                     .Register(registry);
  rounds.Add({{"status", "ok"}}).Increment(static_cast<double>(counters.rounds_ok));
  rounds.Add({{"status", "aborted"}}).Increment(static_cast<double>(counters.rounds_aborted));
  auto& updates = prometheus::BuildCounter()
                      .Name("hilum_updates_total")
                      .Help("Updates of sites by outcome")
                      .Register(registry);
  updates.Add({{"outcome", "accepted"}}).Increment(static_cast<double>(counters.updates_accepted));
  updates.Add({{"outcome", "refused"}}).Increment(static_cast<double>(counters.updates_refused));
  AddCounter(registry, "hilum_received_bytes_total", "Bytes of updates received",
             static_cast<double>(counters.received_bytes));
  AddCounter(registry, "hilum_close_seconds_total",
             "Seconds from the last update to the round's model, all rounds", counters.sum_seconds);
  AddGauge(registry, "hilum_sites_connected", "Sites whose Watch stream is open",
           static_cast<double>(counters.sites_connected));
  AddGauge(registry, "hilum_ledger_entries", "Size of the ledger",
           static_cast<double>(counters.ledger_size));
  prometheus::BuildGauge()
      .Name("hilum_build_info")
      .Help("The running version")
      .Register(registry)
      .Add({{"version", std::string(kVersion)}})
      .Set(1);
  return prometheus::TextSerializer().Serialize(registry.Collect());
}

struct HttpListener::Impl {
  explicit Impl(const HttpLimits& limits) : http(limits) {}
  BoundedHttpServer http;
  std::atomic<bool> stopping = false;
  std::thread thread;
};

HttpListener::HttpListener(std::unique_ptr<Impl> impl, std::string address)
    : impl_(std::move(impl)), address_(std::move(address)) {}

HttpListener::~HttpListener() { Stop(); }

void HttpListener::Stop() {
  impl_->stopping = true;
  impl_->http.CloseConnections();
  impl_->http.stop();
  if (impl_->thread.joinable()) impl_->thread.join();
}

absl::StatusOr<std::unique_ptr<HttpListener>> HttpListener::Start(Server* server,
                                                                  const std::string& address,
                                                                  const HttpLimits& limits) {
  HILUM_ASSIGN_OR_RETURN(const HostPort wanted, ParseAddress(address));
  auto impl = std::make_unique<Impl>(limits);
  BoundedHttpServer& http = impl->http;
  http.set_payload_max_length(kRequestLimitBytes);
  // A pattern is matched with a call a character: a long path must not reach it.
  http.set_pre_routing_handler([](const httplib::Request& request, httplib::Response& response) {
    if (request.path.size() <= kPathLimitBytes) return httplib::Server::HandlerResponse::Unhandled;
    response.status = 414;
    return httplib::Server::HandlerResponse::Handled;
  });
  const fs::path folder = server->LedgerFolder();
  http.Get("/checkpoint", [folder](const httplib::Request&, httplib::Response& response) {
    Answer(ReadFile(folder / "checkpoint", kRequestLimitBytes * 16), "text/plain; charset=utf-8",
           "no-cache", response);
  });
  http.Get(R"(/(tile/.+))", [folder](const httplib::Request& request, httplib::Response& response) {
    AnswerTile(folder, request.matches[1].str(), response);
  });
  http.Get("/healthz", [server](const httplib::Request&, httplib::Response& response) {
    const bool good = !server->IsStopping();
    response.status = good ? 200 : 503;
    response.set_content(good ? "ok\n" : "stopping\n", "text/plain");
  });
  http.Get("/metrics", [server](const httplib::Request&, httplib::Response& response) {
    response.set_content(FormatMetrics(server->Counters()), "text/plain; version=0.0.4");
  });
  // Not the library's SO_REUSEPORT: with it a second server would share the port in silence. This
  // one only lets a server that was killed have its port back at once.
  http.set_socket_options([](socket_t socket) {
    const int on = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  });
  const int port = wanted.port == 0 ? http.bind_to_any_port(wanted.host.c_str())
                   : http.bind_to_port(wanted.host.c_str(), wanted.port) ? wanted.port
                                                                         : -1;
  if (port < 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "cannot listen on ", address, " for HTTP: the port is in use or the address is not of ",
        "this computer; choose another with --http or [listen] http in server.toml"));
  }
  http.LetManyWait();
  impl->thread = std::thread([listener = impl.get()] {
    listener->http.listen_after_bind();
    if (!listener->stopping) {
      Log(LogLevel::kError, "HTTP ended",
          {{"reason", "the system refused a connection; restart the server to serve HTTP again"}});
    }
  });
  // The library's stop() does nothing before its loop runs: a Stop right now would wait for ever.
  for (int waited_ms = 0; !http.is_running() && waited_ms < kStartLimitMs; ++waited_ms) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const std::string host = address.substr(0, address.rfind(':'));
  return std::unique_ptr<HttpListener>(
      new HttpListener(std::move(impl), absl::StrCat(host, ":", port)));
}

}  // namespace hilum::aggregator

#include "aggregator/http.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/version.h"
#include "httplib.h"
#include "ledger_anchor/anchor_folder.h"
#include "ledger_anchor/page.h"
#include "ledger_anchor/policy.h"
#include "ledger_anchor/tiles.h"
#include "nlohmann/json.hpp"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"

namespace hilum::aggregator {
namespace {

constexpr size_t kRequestLimitBytes = 4096;  // no request has a body
constexpr size_t kCheckpointLimitBytes = 64 << 10;

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

// A receipt, its note, the list of them, or the authority's certificates: no other name.
void AnswerAnchor(const fs::path& folder, const std::string& name, httplib::Response& response) {
  const bool list = name == "list" || name == "ca.pem";
  Answer(ReadFile(folder / name, ledger_anchor::kAnchorListLimitBytes),
         list || name.back() == 'e' ? "text/plain; charset=utf-8" : "application/timestamp-reply",
         list ? "no-cache" : "public, max-age=3600", response);
}

// The page of the ledger for people, and the policy that it counts cosignatures under.
void AddPage(httplib::Server& http, const fs::path& policy) {
  for (const ledger_anchor::PageFile& file : ledger_anchor::PageFiles()) {
    // httplib takes paths as patterns; a dot fits itself, and no file's name has other signs.
    http.Get(absl::StrCat("/", file.path),
             [&file](const httplib::Request& request, httplib::Response& response) {
               if (request.path.substr(1) != file.path) {
                 response.status = 404;
                 return;
               }
               response.set_header("Content-Security-Policy",
                                   std::string(ledger_anchor::PageSecurityPolicy()));
               response.set_header("X-Content-Type-Options", "nosniff");
               response.set_header("Referrer-Policy", "no-referrer");
               response.set_header("Cache-Control", "no-cache");
               response.set_content(std::string(file.bytes),
                                    std::string(ledger_anchor::PageType(file.path)));
             });
  }
  http.Get("/", [](const httplib::Request&, httplib::Response& response) {
    response.set_redirect("ledger.html");
  });
  http.Get("/policy", [policy](const httplib::Request&, httplib::Response& response) {
    Answer(ReadFile(policy, ledger_anchor::kPolicyLimitBytes), "text/plain; charset=utf-8",
           "no-cache", response);
  });
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
  AddGauge(registry, "hilum_uploads", "Updates of sites on their way",
           static_cast<double>(counters.uploads));
  AddGauge(registry, "hilum_ledger_entries", "Size of the ledger",
           static_cast<double>(counters.ledger_size));
  AddGauge(registry, "hilum_ledger_published_entries",
           "Entries under the published checkpoint, which a quorum of witnesses has cosigned",
           static_cast<double>(counters.published_size));
  AddGauge(registry, "hilum_witnesses", "Witnesses that the server's policy names",
           static_cast<double>(counters.witnesses));
  AddGauge(registry, "hilum_witnesses_connected", "Witnesses that can be asked now",
           static_cast<double>(counters.witnesses_connected));
  auto& anchors = prometheus::BuildCounter()
                      .Name("hilum_anchors_total")
                      .Help("Attempts to have the published checkpoint time-stamped, by outcome")
                      .Register(registry);
  anchors.Add({{"outcome", "ok"}}).Increment(static_cast<double>(counters.anchor_receipts));
  anchors.Add({{"outcome", "failed"}}).Increment(static_cast<double>(counters.anchor_failures));
  AddGauge(registry, "hilum_ledger_anchored_entries",
           "Entries under the newest checkpoint with a receipt",
           static_cast<double>(counters.anchored_size));
  AddGauge(registry, "hilum_ledger_anchored_time_seconds",
           "The authority's time in that receipt, since 1970; 0: there is none",
           static_cast<double>(counters.anchored_time_s));
  prometheus::BuildGauge()
      .Name("hilum_build_info")
      .Help("The running version")
      .Register(registry)
      .Add({{"version", std::string(kVersion)}})
      .Set(1);
  return prometheus::TextSerializer().Serialize(registry.Collect());
}

std::string FormatStatus(const CounterView& counters) {
  using Json = nlohmann::ordered_json;
  Json witnesses = Json::array();
  for (const WitnessView& witness : counters.each_witness) {
    witnesses.push_back(Json{{"name", witness.name},
                             {"connected", witness.connected},
                             {"cosigned_entries", witness.size},
                             {"trouble", witness.trouble}});
  }
  const Json status{{"sites_connected", counters.sites_connected},
                    {"ledger_entries", counters.ledger_size},
                    {"published_entries", counters.published_size},
                    {"anchored_entries", counters.anchored_size},
                    {"witnesses", std::move(witnesses)}};
  return status.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

absl::StatusOr<std::unique_ptr<HttpService>> ServeHttp(Server* server, const std::string& address,
                                                       const HttpLimits& limits) {
  const auto add_routes = [server](httplib::Server& http) {
    const fs::path folder = server->LedgerFolder();
    http.Get("/checkpoint", [folder](const httplib::Request&, httplib::Response& response) {
      Answer(ReadFile(folder / "checkpoint", kCheckpointLimitBytes), "text/plain; charset=utf-8",
             "no-cache", response);
    });
    http.Get(R"(/(tile/.+))",
             [folder](const httplib::Request& request, httplib::Response& response) {
               AnswerTile(folder, request.matches[1].str(), response);
             });
    http.Get(R"(/anchors/rfc3161/(list|ca\.pem|[1-9][0-9]{0,18}(?:\.note)?))",
             [anchors = server->AnchorFolder()](const httplib::Request& request,
                                                httplib::Response& response) {
               AnswerAnchor(anchors, request.matches[1].str(), response);
             });
    AddPage(http, server->identity().folder / "policy");
    http.Get("/healthz", [server](const httplib::Request&, httplib::Response& response) {
      const bool good = !server->IsStopping();
      response.status = good ? 200 : 503;
      response.set_content(good ? "ok\n" : "stopping\n", "text/plain");
    });
    http.Get("/status", [server](const httplib::Request&, httplib::Response& response) {
      response.set_content(FormatStatus(server->Counters()), "application/json");
    });
    http.Get("/metrics", [server](const httplib::Request&, httplib::Response& response) {
      response.set_content(FormatMetrics(server->Counters()), "text/plain; version=0.0.4");
    });
  };
  return HttpService::Start(
      {.address = address,
       .limits = limits,
       .body_bytes = kRequestLimitBytes,
       .advice = "choose another with --http or [listen] http in server.toml"},
      add_routes);
}

}  // namespace hilum::aggregator

// The operator's HTTP listener: the ledger's files as they stand, health and metrics. Reads only;
// nothing on it is secret within the federation, and it is loopback unless configured otherwise.
//
//   GET /checkpoint, /tile/...   C2SP tlog-tiles; `hilum ledger verify --from http://HOST:PORT`
//   GET /anchors/rfc3161/...     receipts of time-stamp authorities, as ledger_anchor/anchor_folder
//   GET /ledger.html             the ledger for people, checked in the browser (ledger_anchor/page)
//   GET /policy                  the server's tlog-policy, if it has witnesses
//   GET /healthz                 200 "ok" while the server works, else 503
//   GET /metrics                 Prometheus text
//   GET /status                  JSON: the ledger's sizes, each witness and what is wrong with it
#ifndef HILUM_AGGREGATOR_HTTP_H_
#define HILUM_AGGREGATOR_HTTP_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "aggregator/server.h"
#include "base/http_server.h"

namespace hilum::aggregator {

// Answers until the result is stopped or destroyed; `server` must outlive it.
// Errors: as HttpService::Start.
absl::StatusOr<std::unique_ptr<HttpService>> ServeHttp(Server* server, const std::string& address,
                                                       const HttpLimits& limits = {});

// {"sites_connected", "ledger_entries", "published_entries", "anchored_entries", "witnesses":
// [{"name", "connected", "cosigned_entries", "trouble"}]}. A trouble may hold a witness's words.
std::string FormatStatus(const CounterView& counters);

// The counters in Prometheus' text format 0.0.4.
std::string FormatMetrics(const CounterView& counters);

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_HTTP_H_

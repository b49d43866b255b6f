// The operator's HTTP listener: the ledger's files as they stand, health and metrics. Reads only;
// nothing on it is secret within the federation, and it is loopback unless configured otherwise.
//
//   GET /checkpoint, /tile/...   C2SP tlog-tiles; `hilum ledger verify --from http://HOST:PORT`
//   GET /healthz                 200 "ok" while the server works, else 503
//   GET /metrics                 Prometheus text
#ifndef HILUM_AGGREGATOR_HTTP_H_
#define HILUM_AGGREGATOR_HTTP_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "aggregator/server.h"

namespace hilum::aggregator {

// A caller that is slow or silent costs one connection for a while and keeps nobody out.
struct HttpLimits {
  size_t connections = 64;       // where all are taken, the one that has waited longest is closed
  size_t connections_each = 32;  // of one IPv4 address, of one IPv6 network (/64)
  absl::Duration idle = absl::Seconds(5);       // without a request
  absl::Duration request = absl::Seconds(10);   // from a request's first byte to its last
  absl::Duration exchange = absl::Seconds(60);  // from there to the answer's last byte
  size_t request_bytes = 16 << 10;
  int requests = 100;  // of one connection; then it is closed
};

class HttpListener {
 public:
  // `address` is HOST:PORT; port 0: any free one. `server` must outlive it.
  // InvalidArgument: not HOST:PORT. FailedPrecondition: in use, or not of this computer.
  static absl::StatusOr<std::unique_ptr<HttpListener>> Start(Server* server,
                                                             const std::string& address,
                                                             const HttpLimits& limits = {});
  ~HttpListener();
  const std::string& address() const { return address_; }  // with the real port
  void Stop();

 private:
  struct Impl;
  HttpListener(std::unique_ptr<Impl> impl, std::string address);
  std::unique_ptr<Impl> impl_;
  std::string address_;
};

// The counters in Prometheus' text format 0.0.4.
std::string FormatMetrics(const CounterView& counters);

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_HTTP_H_

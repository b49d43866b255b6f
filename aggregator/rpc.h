// gRPC: the two services of proto/hilum/v1/services.proto over Server. Nothing is decided here:
// who calls is read from the certificate, messages become structs, statuses become codes.
#ifndef HILUM_AGGREGATOR_RPC_H_
#define HILUM_AGGREGATOR_RPC_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "aggregator/server.h"

namespace hilum::aggregator {

struct RpcOptions {
  std::string address;  // HOST:PORT; port 0: any free one
  std::string ca_pem;
  std::string certificate_pem;
  std::string key_pem;
  // An upload or a model on its way in which nothing moves for so long is ended.
  absl::Duration stream_idle = absl::Seconds(60);
  // A connection without a call is closed after this time; a site's Watch is a call.
  absl::Duration connection_idle = absl::Seconds(60);
};

// The listener. Stops when destroyed.
class RpcListener {
 public:
  // FailedPrecondition: the address is in use, or not of this computer. `server` must outlive it.
  static absl::StatusOr<std::unique_ptr<RpcListener>> Start(Server* server,
                                                            const RpcOptions& options);
  ~RpcListener();
  // HOST:PORT with the real port.
  const std::string& address() const { return address_; }
  // Calls in flight get two seconds to end. Stop the Server first, so that its streams end.
  void Stop();

 private:
  struct Impl;
  RpcListener(std::unique_ptr<Impl> impl, std::string address);
  std::unique_ptr<Impl> impl_;
  std::string address_;
};

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_RPC_H_

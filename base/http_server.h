// An HTTP listener whose connections are bounded in number and in time: a caller that is slow or
// silent costs one place for a while and keeps nobody out. A target of its own (hilum::http), so
// that only programs that listen link it.
#ifndef HILUM_BASE_HTTP_SERVER_H_
#define HILUM_BASE_HTTP_SERVER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace httplib {
class Server;
}

namespace hilum {

struct HttpLimits {
  size_t connections = 64;       // where all are taken, the one that has waited longest is closed
  size_t connections_each = 32;  // of one IPv4 address, of one IPv6 network (/64)
  absl::Duration idle = absl::Seconds(5);       // without a request
  absl::Duration request = absl::Seconds(10);   // from a request's first byte to its last
  absl::Duration exchange = absl::Seconds(60);  // from there to the answer's last byte
  size_t request_bytes = 16 << 10;              // head and body
  int requests = 100;                           // of one connection; then it is closed
};

// A listener with its thread.
class HttpService {
 public:
  struct Options {
    std::string address;  // HOST:PORT; port 0: any free one
    HttpLimits limits{};
    size_t body_bytes = 4096;  // of a request
    std::string advice;        // what to do when the port is in use; ends the sentence
  };
  // `add_routes` gives the server its handlers, before it listens.
  // InvalidArgument: not HOST:PORT. FailedPrecondition: in use, or not of this computer.
  static absl::StatusOr<std::unique_ptr<HttpService>> Start(
      const Options& options, const std::function<void(httplib::Server&)>& add_routes);
  ~HttpService();
  const std::string& address() const { return address_; }  // with the real port
  void Stop();

 private:
  struct Impl;
  HttpService(std::unique_ptr<Impl> impl, std::string address);
  std::unique_ptr<Impl> impl_;
  std::string address_;
};

}  // namespace hilum

#endif  // HILUM_BASE_HTTP_SERVER_H_

// Accepts TCP connections as open descriptors, for another process to speak on.
#ifndef HILUM_BASE_TCP_LISTENER_H_
#define HILUM_BASE_TCP_LISTENER_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/descriptor.h"

namespace hilum {

struct AcceptedConnection {
  Descriptor socket;
  std::string peer;  // its numeric address; an IPv4 address mapped into IPv6 as IPv4
};

class TcpListener {
 public:
  // HOST:PORT; port 0: any free one. InvalidArgument: another form, or a host that does not
  // resolve. FailedPrecondition: in use, or not of this computer.
  static absl::StatusOr<TcpListener> Open(const std::string& address);

  const std::string& address() const { return address_; }  // with the real port
  // DeadlineExceeded: nobody called within `patience`. Unavailable: the system call failed.
  absl::StatusOr<AcceptedConnection> Accept(absl::Duration patience) const;

 private:
  TcpListener(Descriptor socket, std::string address)
      : socket_(std::move(socket)), address_(std::move(address)) {}
  Descriptor socket_;
  std::string address_;
};

}  // namespace hilum

#endif  // HILUM_BASE_TCP_LISTENER_H_

#include "base/tcp_listener.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "base/system_error.h"

namespace hilum {
namespace {

// Callers that the kernel keeps waiting while all places are taken.
constexpr int kWaitingCallers = 128;

using Addresses = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

absl::StatusOr<Addresses> Resolve(const std::string& address) {
  const size_t colon = address.rfind(':');
  uint32_t port = 0;
  if (colon == std::string::npos || colon == 0 ||
      !absl::SimpleAtoi(address.substr(colon + 1), &port) || port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("the address is \"", address, "\", it must be HOST:PORT"));
  }
  std::string host = address.substr(0, colon);
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("the host of the address \"", address, "\" does not resolve"));
  }
  return Addresses(found, freeaddrinfo);
}

// The host of a socket's name without its port.
std::string NumericHost(const sockaddr_storage& name, socklen_t size) {
  std::array<char, NI_MAXHOST> host{};
  if (getnameinfo(reinterpret_cast<const sockaddr*>(&name), size, host.data(), host.size(), nullptr,
                  0, NI_NUMERICHOST) != 0) {
    return "";
  }
  absl::string_view text = host.data();
  absl::ConsumePrefix(&text, "::ffff:");
  return std::string(text);
}

uint16_t PortOf(const sockaddr_storage& name) {
  return ntohs(name.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(name).sin6_port
                                          : reinterpret_cast<const sockaddr_in&>(name).sin_port);
}

}  // namespace

absl::StatusOr<TcpListener> TcpListener::Open(const std::string& address) {
  HILUM_ASSIGN_OR_RETURN(const Addresses found, Resolve(address));
  Descriptor socket(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int yes = 1;
  if (socket.fd() < 0 ||
      setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0) {
    return SystemUnavailable(absl::StrCat("no socket: ", std::strerror(errno)));
  }
  sockaddr_storage name{};
  socklen_t size = sizeof(name);
  if (bind(socket.fd(), found->ai_addr, found->ai_addrlen) != 0 ||
      listen(socket.fd(), kWaitingCallers) != 0 ||
      getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&name), &size) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot listen at ", address, ": ", std::strerror(errno)));
  }
  const std::string host = NumericHost(name, size);
  const std::string shown = absl::StrContains(host, ':') ? absl::StrCat("[", host, "]") : host;
  return TcpListener(std::move(socket), absl::StrCat(shown, ":", PortOf(name)));
}

absl::StatusOr<AcceptedConnection> TcpListener::Accept(absl::Duration patience) const {
  pollfd waiting{socket_.fd(), POLLIN, 0};
  const int n = poll(&waiting, 1, static_cast<int>(absl::ToInt64Milliseconds(patience)));
  if (n == 0 || (n < 0 && errno == EINTR)) return absl::DeadlineExceededError("nobody called");
  sockaddr_storage name{};
  socklen_t size = sizeof(name);
  Descriptor socket(accept4(socket_.fd(), reinterpret_cast<sockaddr*>(&name), &size, SOCK_CLOEXEC));
  if (socket.fd() >= 0) return AcceptedConnection{std::move(socket), NumericHost(name, size)};
  // The caller was gone before it was heard.
  if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR) {
    return absl::DeadlineExceededError("nobody called");
  }
  return SystemUnavailable(absl::StrCat("cannot accept a connection: ", std::strerror(errno)));
}

}  // namespace hilum

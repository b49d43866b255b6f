#include "base/http_server.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "httplib.h"

namespace hilum {
namespace {

// Threads beyond the places: new callers that make room, and evicted ones that are ending.
constexpr size_t kSpareThreads = 16;
constexpr int kWaitingCallers = 256;
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

// The peer's IPv4 address, also where it comes mapped into IPv6, or the /64 network of its IPv6
// address: one customer has at least that.
std::string PeerOf(socket_t socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  if (getpeername(socket, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return "";
  std::array<char, 8> bytes{};
  if (storage.ss_family == AF_INET) {
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in&>(storage).sin_addr, 4);
    return std::string(bytes.data(), 4);
  }
  if (storage.ss_family != AF_INET6) return "";
  const in6_addr& address = reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&address)) {
    std::memcpy(bytes.data(), address.s6_addr + 12, 4);
    return std::string(bytes.data(), 4);
  }
  std::memcpy(bytes.data(), &address, 8);
  return std::string(bytes.data(), 8);
}

// A socket whose reads and writes end at a point in time, not after a time of silence.
class TimedStream : public httplib::Stream {
 public:
  TimedStream(socket_t socket, const HttpLimits& limits) : socket_(socket), limits_(limits) {}

  // Waits for the first byte of a request. False: none came in time.
  bool WaitForRequest() {
    n_left_ = limits_.request_bytes;
    if (begin_ == end_ && !Fill(absl::Now() + limits_.idle)) return false;
    const absl::Time now = absl::Now();
    read_until_ = now + limits_.request;
    write_until_ = now + limits_.request + limits_.exchange;
    return true;
  }

  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }

  ssize_t read(char* to, size_t size) override {
    if (n_left_ == 0) return -1;
    if (begin_ == end_ && !Fill(read_until_)) return -1;
    const size_t n = std::min({size, end_ - begin_, n_left_});
    std::memcpy(to, buffer_.data() + begin_, n);
    begin_ += n;
    n_left_ -= n;
    return static_cast<ssize_t>(n);
  }

  ssize_t write(const char* from, size_t size) override {
    if (!SetTimeout(SO_SNDTIMEO, write_until_)) return -1;
    return send(socket_, from, size, MSG_NOSIGNAL);
  }

  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    ip.clear();
    port = 0;
  }
  void get_local_ip_and_port(std::string& ip, int& port) const override {
    ip.clear();
    port = 0;
  }
  // httplib asks only in order to refuse descriptors that select() cannot take; nothing selects.
  socket_t socket() const override { return INVALID_SOCKET; }

 private:
  bool Fill(absl::Time until) {
    if (!SetTimeout(SO_RCVTIMEO, until)) return false;
    const ssize_t n = recv(socket_, buffer_.data(), buffer_.size(), 0);
    if (n <= 0) return false;
    begin_ = 0;
    end_ = static_cast<size_t>(n);
    return true;
  }

  // False: the time is over.
  bool SetTimeout(int option, absl::Time until) const {
    const absl::Duration left = until - absl::Now();
    if (left <= absl::ZeroDuration()) return false;
    const timeval value = absl::ToTimeval(std::max(left, absl::Milliseconds(1)));
    return setsockopt(socket_, SOL_SOCKET, option, &value, sizeof(value)) == 0;
  }

  const socket_t socket_;
  const HttpLimits& limits_;
  std::array<char, 4096> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t n_left_ = 0;  // bytes that the request may still have
  absl::Time read_until_;
  absl::Time write_until_;
};

// httplib's server reads with a time limit a byte and one thread a connection: a few callers that
// send a byte now and then hold it for ever. Here every connection has its own thread, the times
// are of whole requests, and where all places are taken, the connection that has held its place
// longest without ending a request makes room for the new one.
class BoundedHttpServer : public httplib::Server {
 public:
  explicit BoundedHttpServer(const HttpLimits& limits);
  // Call after binding. The library lets five callers wait to be accepted; a sixth that comes at
  // the same moment would lose a second.
  void LetManyWait();
  // Closes every connection, now and for ever. Then call stop().
  void CloseConnections() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Place {
    std::string address;
    absl::Time since;
  };
  bool process_and_close_socket(socket_t socket) override;
  void Serve(socket_t socket);
  // False: the server stops.
  bool Enter(socket_t socket) ABSL_LOCKS_EXCLUDED(mutex_);
  void Renew(socket_t socket) ABSL_LOCKS_EXCLUDED(mutex_);
  void Leave(socket_t socket) ABSL_LOCKS_EXCLUDED(mutex_);
  // Of `address`, or of all when it is null.
  size_t Count(const std::string* address) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EvictOldest(const std::string* address) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const HttpLimits limits_;
  absl::Mutex mutex_;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<socket_t, Place> places_ ABSL_GUARDED_BY(mutex_);
};

BoundedHttpServer::BoundedHttpServer(const HttpLimits& limits) : limits_(limits) {
  new_task_queue = [n = limits.connections + kSpareThreads] { return new httplib::ThreadPool(n); };
}

void BoundedHttpServer::LetManyWait() { ::listen(svr_sock_, kWaitingCallers); }

bool BoundedHttpServer::process_and_close_socket(socket_t socket) {
  if (Enter(socket)) {
    Serve(socket);
    Leave(socket);  // before the number may be another connection's
  }
  shutdown(socket, SHUT_RDWR);
  return close(socket) == 0;
}

void BoundedHttpServer::Serve(socket_t socket) {
  TimedStream stream(socket, limits_);
  for (int n = 1; n <= limits_.requests && stream.WaitForRequest(); ++n) {
    bool closed = false;
    // Whole files only: the library would build a copy for each of a request's many ranges.
    const auto whole = [](httplib::Request& request) { request.ranges.clear(); };
    if (!process_request(stream, n == limits_.requests, closed, whole) || closed) return;
    Renew(socket);
  }
}

bool BoundedHttpServer::Enter(socket_t socket) {
  const std::string address = PeerOf(socket);
  const absl::MutexLock lock(&mutex_);
  if (closing_) return false;
  if (Count(&address) >= limits_.connections_each) EvictOldest(&address);
  if (Count(nullptr) >= limits_.connections) EvictOldest(nullptr);
  places_[socket] = {.address = address, .since = absl::Now()};
  return true;
}

void BoundedHttpServer::Renew(socket_t socket) {
  const absl::MutexLock lock(&mutex_);
  const auto place = places_.find(socket);
  if (place != places_.end()) place->second.since = absl::Now();
}

void BoundedHttpServer::Leave(socket_t socket) {
  const absl::MutexLock lock(&mutex_);
  places_.erase(socket);
}

size_t BoundedHttpServer::Count(const std::string* address) const {
  return static_cast<size_t>(std::count_if(places_.begin(), places_.end(), [&](const auto& one) {
    return address == nullptr || one.second.address == *address;
  }));
}

void BoundedHttpServer::EvictOldest(const std::string* address) {
  auto oldest = places_.end();
  for (auto one = places_.begin(); one != places_.end(); ++one) {
    if (address != nullptr && one->second.address != *address) continue;
    if (oldest == places_.end() || one->second.since < oldest->second.since) oldest = one;
  }
  if (oldest == places_.end()) return;
  shutdown(oldest->first, SHUT_RDWR);  // its thread wakes and ends
  places_.erase(oldest);
}

void BoundedHttpServer::CloseConnections() {
  const absl::MutexLock lock(&mutex_);
  closing_ = true;
  for (const auto& [socket, place] : places_) shutdown(socket, SHUT_RDWR);
}

}  // namespace

struct HttpService::Impl {
  explicit Impl(const HttpLimits& limits) : http(limits) {}
  BoundedHttpServer http;
  std::atomic<bool> stopping = false;
  std::thread thread;
};

HttpService::HttpService(std::unique_ptr<Impl> impl, std::string address)
    : impl_(std::move(impl)), address_(std::move(address)) {}

absl::StatusOr<std::unique_ptr<HttpService>> HttpService::Start(
    const Options& options, const std::function<void(httplib::Server&)>& add_routes) {
  HILUM_ASSIGN_OR_RETURN(const HostPort wanted, ParseAddress(options.address));
  auto impl = std::make_unique<Impl>(options.limits);
  BoundedHttpServer& http = impl->http;
  http.set_payload_max_length(options.body_bytes);
  // A pattern is matched with a call a character: a long path must not reach it.
  http.set_pre_routing_handler([](const httplib::Request& request, httplib::Response& response) {
    if (request.path.size() <= kPathLimitBytes) return httplib::Server::HandlerResponse::Unhandled;
    response.status = 414;
    return httplib::Server::HandlerResponse::Handled;
  });
  add_routes(http);
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
        "cannot listen on ", options.address, " for HTTP: the port is in use or the address is ",
        "not of this computer; ", options.advice));
  }
  http.LetManyWait();
  impl->thread = std::thread([listener = impl.get()] {
    listener->http.listen_after_bind();
    if (!listener->stopping) {
      Log(LogLevel::kError, "HTTP ended",
          {{"reason", "the system refused a connection; restart the program to serve HTTP again"}});
    }
  });
  // The library's stop() does nothing before its loop runs: a Stop right now would wait for ever.
  for (int waited_ms = 0; !http.is_running() && waited_ms < kStartLimitMs; ++waited_ms) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const std::string host = options.address.substr(0, options.address.rfind(':'));
  return std::unique_ptr<HttpService>(
      new HttpService(std::move(impl), absl::StrCat(host, ":", port)));
}

HttpService::~HttpService() { Stop(); }

void HttpService::Stop() {
  impl_->stopping = true;
  impl_->http.CloseConnections();
  impl_->http.stop();
  if (impl_->thread.joinable()) impl_->thread.join();
}

}  // namespace hilum

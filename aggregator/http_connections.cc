#include "aggregator/http_connections.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "absl/time/clock.h"

namespace hilum::aggregator {
namespace {

// Threads beyond the places: new callers that make room, and evicted ones that are ending.
constexpr size_t kSpareThreads = 16;
constexpr int kWaitingCallers = 256;

// The peer's IPv4 address, or the /64 network of its IPv6 address: one customer has at least that.
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
  std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr, 8);
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

}  // namespace

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
    if (!process_request(stream, n == limits_.requests, closed, nullptr) || closed) return;
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

}  // namespace hilum::aggregator

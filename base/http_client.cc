#include "base/http_client.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "base/process.h"
#include "httplib.h"

namespace hilum {
namespace {

// Reads a connection in blocks, and no more than so many bytes.
class CountedStream : public httplib::Stream {
 public:
  CountedStream(socket_t socket, SSL* tls, uint64_t* n_left)
      : socket_(socket), tls_(tls), n_left_(n_left) {}

  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }
  // 0: the other side has ended its bytes, as it does after a body without a length.
  ssize_t read(char* to, size_t size) override {
    if (begin_ == end_) {
      if (const ssize_t n = Fill(); n <= 0) return n;
    }
    const size_t n = std::min(size, end_ - begin_);
    std::memcpy(to, buffer_.data() + begin_, n);
    begin_ += n;
    return static_cast<ssize_t>(n);
  }
  ssize_t write(const char* from, size_t size) override {
    if (tls_ != nullptr) {
      return RepeatTls([&] { return SSL_write(tls_, from, static_cast<int>(ToBlock(size))); });
    }
    return Repeat([&] { return send(socket_, from, size, MSG_NOSIGNAL); });
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
  static constexpr size_t kBlock = 4096;
  static size_t ToBlock(uint64_t size) { return std::min<uint64_t>(size, kBlock); }

  ssize_t Fill() {
    const size_t wanted = ToBlock(*n_left_);
    if (wanted == 0) return -1;
    const ssize_t n =
        tls_ != nullptr
            ? RepeatTls([&] { return SSL_read(tls_, buffer_.data(), static_cast<int>(wanted)); })
            : Repeat([&] { return recv(socket_, buffer_.data(), wanted, 0); });
    if (n <= 0) return n;
    begin_ = 0;
    end_ = static_cast<size_t>(n);
    *n_left_ -= end_;
    return n;
  }

  // A signal of the process, such as the end of a child, is no end of the connection.
  template <class Call>
  static ssize_t Repeat(const Call& call) {
    ssize_t n = 0;
    do {
      n = call();
    } while (n < 0 && errno == EINTR);
    return n;
  }
  // The end of TLS is a message of its own: without it somebody has cut the connection.
  template <class Call>
  ssize_t RepeatTls(const Call& call) {
    while (true) {
      ERR_clear_error();  // else SSL_get_error speaks of an earlier one
      const int n = call();
      if (n > 0) return n;
      const int error = SSL_get_error(tls_, n);
      if (error == SSL_ERROR_ZERO_RETURN) return 0;
      if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) return -1;
    }
  }

  const socket_t socket_;
  SSL* const tls_;
  uint64_t* const n_left_;  // bytes that the reply may still have
  std::array<char, kBlock> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

template <class Client>
class CountedClient : public Client {
 public:
  CountedClient(const std::string& host, int port, uint64_t* n_left)
      : Client(host, port), n_left_(n_left) {}

 private:
  bool process_socket(const httplib::ClientImpl::Socket& socket,
                      std::function<bool(httplib::Stream&)> callback) override {
    CountedStream stream(socket.sock, socket.ssl, n_left_);
    return callback(stream);
  }
  uint64_t* const n_left_;
};

// Ends a connection at a point in time, in whatever step it is: the library's own limits are of
// silence, so a byte now and then keeps it waiting for ever. It holds a descriptor of its own, as
// the number of the library's may be another connection's by then.
class Guard {
 public:
  Guard() : thread_([this] { Run(); }) {}
  ~Guard() {
    {
      const absl::MutexLock lock(&mutex_);
      over_ = true;
      changed_.Signal();
    }
    thread_.join();
    Hold(-1);
  }
  void Watch(socket_t socket) { Hold(dup(socket)); }
  void Arm(absl::Time until) {
    const absl::MutexLock lock(&mutex_);
    until_ = std::min(until, cancelled_);
    fired_ = false;
    changed_.Signal();
  }
  void Cancel() {
    const absl::MutexLock lock(&mutex_);
    cancelled_ = until_ = absl::InfinitePast();
    changed_.Signal();
  }
  // Whether the time was over.
  bool Disarm() {
    const absl::MutexLock lock(&mutex_);
    until_ = absl::InfiniteFuture();
    return fired_;
  }

 private:
  void Hold(int descriptor) {
    const absl::MutexLock lock(&mutex_);
    if (descriptor_ >= 0) close(descriptor_);
    descriptor_ = descriptor;
    if (fired_) End();
  }
  void End() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (descriptor_ >= 0) shutdown(descriptor_, SHUT_RDWR);
  }
  void Run() {
    const absl::MutexLock lock(&mutex_);
    while (!over_) {
      changed_.WaitWithDeadline(&mutex_, until_);
      if (absl::Now() < until_) continue;
      until_ = absl::InfiniteFuture();
      fired_ = true;
      End();
    }
  }

  absl::Mutex mutex_;
  absl::CondVar changed_;
  int descriptor_ ABSL_GUARDED_BY(mutex_) = -1;
  absl::Time until_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  absl::Time cancelled_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  bool fired_ ABSL_GUARDED_BY(mutex_) = false;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

// Why there was no answer and what to do, in our words.
absl::string_view WhyUnreachable(httplib::Error error) {
  switch (error) {
    case httplib::Error::Connection:
      return "nothing listens there, or the name is unknown; check that the server runs and that "
             "the address is right";
    case httplib::Error::ConnectionTimeout:
      return "no answer came; check the address, the network and the firewall, then try again";
    case httplib::Error::SSLConnection:
    case httplib::Error::SSLLoadingCerts:
    case httplib::Error::SSLServerVerification:
      return "its TLS certificate was not accepted; check the address";
    default:
      return "what answers there does not speak HTTP, or the connection broke; check that the "
             "address is that of the server's HTTP listener";
  }
}

}  // namespace

struct HttpClient::Impl {
  std::string host;
  HttpClientLimits limits;
  uint64_t n_left = 0;
  std::unique_ptr<httplib::ClientImpl> client;
  Guard guard;
};

HttpClient::HttpClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpClient::~HttpClient() {
  const NoPipeSignal quiet;  // TLS says goodbye
  impl_.reset();
}

absl::StatusOr<std::unique_ptr<HttpClient>> HttpClient::Create(absl::string_view host,
                                                               const HttpClientLimits& limits,
                                                               const std::string& authorities) {
  const bool tls = absl::StartsWith(host, "https://");
  absl::string_view name = host;
  int port = tls ? 443 : 80;
  bool good = absl::ConsumePrefix(&name, tls ? "https://" : "http://");
  const size_t colon = name.rfind(':');
  if (colon != absl::string_view::npos && name.find(']', colon) == absl::string_view::npos) {
    good = good && absl::SimpleAtoi(name.substr(colon + 1), &port) && port > 0 && port < 65536;
    name = name.substr(0, colon);
  }
  if (name.size() > 2 && name.front() == '[' && name.back() == ']') {
    name = name.substr(1, name.size() - 2);
  }
  if (!good || name.empty() || name.find('/') != absl::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", host.substr(0, 100), "\" is not http(s)://host[:port]"));
  }
  auto impl = std::make_unique<Impl>();
  impl->host = std::string(host);
  impl->limits = limits;
  if (tls) {
    impl->client =
        std::make_unique<CountedClient<httplib::SSLClient>>(std::string(name), port, &impl->n_left);
  } else {
    impl->client = std::make_unique<CountedClient<httplib::ClientImpl>>(std::string(name), port,
                                                                        &impl->n_left);
  }
  httplib::ClientImpl& client = *impl->client;
  const auto seconds = absl::ToInt64Seconds(limits.total) + 1;
  client.set_connection_timeout(seconds);
  client.set_read_timeout(seconds);
  client.set_write_timeout(seconds);
  client.set_keep_alive(true);
  if (!authorities.empty()) client.set_ca_cert_path(authorities.c_str());
  client.set_socket_options([guard = &impl->guard](socket_t socket) { guard->Watch(socket); });
  return std::unique_ptr<HttpClient>(new HttpClient(std::move(impl)));
}

void HttpClient::Cancel() { impl_->guard.Cancel(); }

absl::StatusOr<HttpClient::Reply> HttpClient::Exchange(const Request& asked) {
  const std::string url = absl::StrCat(impl_->host, asked.path);
  httplib::Request request;
  request.method = asked.method;
  request.path = asked.path;
  request.body = asked.body;
  if (!asked.content_type.empty()) request.set_header("Content-Type", asked.content_type);
  for (const auto& [name, value] : asked.headers) request.set_header(name, value);
  Reply reply;
  bool too_long = false;
  bool ended = false;  // by the caller
  uint64_t n_bytes = 0;
  bool streams = false;
  request.response_handler = [&](const httplib::Response& response) {
    reply.content_type = response.get_header_value("Content-Type");
    streams = asked.on_body && response.status == 200;
    return true;
  };
  request.content_receiver = [&](const char* data, size_t size, uint64_t, uint64_t) {
    too_long = size > asked.reply_limit_bytes - n_bytes;
    if (too_long) return false;
    n_bytes += size;
    if (!asked.on_body) reply.body.append(data, size);
    if (!streams) return true;
    ended = !asked.on_body(absl::string_view(data, size), reply.content_type);
    return !ended;
  };
  // A body in chunks needs some bytes more: at most as many as the body with the head's limit.
  impl_->n_left = 2 * asked.reply_limit_bytes + impl_->limits.head_bytes;
  const absl::Time started = absl::Now();
  impl_->guard.Arm(started + impl_->limits.total);
  const NoPipeSignal quiet;  // of TLS
  const httplib::Result result = impl_->client->send(request);
  const bool late = impl_->guard.Disarm();
  if (too_long) {
    return absl::ResourceExhaustedError(
        absl::StrCat(url, " has more than ", asked.reply_limit_bytes, " bytes, the limit"));
  }
  if (ended) return absl::CancelledError(absl::StrCat(url, ": the caller wants no more of it"));
  if (!result || late) {  // a body without a length seems to end when the guard ends it
    const absl::string_view why =
        late                 ? "its reply was not complete when the time was over; try again later"
        : impl_->n_left == 0 ? "its reply has more bytes than the limit; check the address"
                             : WhyUnreachable(result.error());
    return absl::UnavailableError(absl::StrFormat("%s could not be reached in %.1f s: %s", url,
                                                  absl::ToDoubleSeconds(absl::Now() - started),
                                                  why));
  }
  reply.status = result->status;
  reply.content_type = result->get_header_value("Content-Type");
  reply.date = result->get_header_value("Date");
  return reply;
}

}  // namespace hilum

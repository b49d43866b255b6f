// Servers that stall, drip or flood: an exchange ends in its time and within its bytes.
#include "base/http_client.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/status_matchers.h"

namespace hilum {
namespace {

using absl::StatusCode;

// Listens on loopback and hands each connection, one after the other, to `serve`.
class RawServer {
 public:
  explicit RawServer(std::function<void(int)> serve) : listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 8), 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    host = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
    thread_ = std::thread([this, serve = std::move(serve)] {
      for (int one; (one = accept(listener_, nullptr, nullptr)) >= 0; close(one)) serve(one);
    });
  }
  ~RawServer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  std::string host;

 private:
  const int listener_;
  std::thread thread_;
};

void ReadHead(int connection) {
  std::string head;
  char c = 0;
  while (head.find("\r\n\r\n") == std::string::npos && recv(connection, &c, 1, 0) == 1) head += c;
}

bool Send(int connection, absl::string_view text) {
  return send(connection, text.data(), text.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(text.size());
}

// `text` for ever, every 20 ms, or as fast as it goes; at most for 20 s.
void Repeat(int connection, absl::string_view text, bool slowly) {
  const absl::Time end = absl::Now() + absl::Seconds(20);
  while (absl::Now() < end && Send(connection, text)) {
    if (slowly) absl::SleepFor(absl::Milliseconds(20));
  }
}

struct Outcome {
  absl::Status status;
  double seconds = 0;
};

Outcome Ask(const RawServer& server, absl::Duration total, const char* scheme = "http://") {
  auto client = HttpClient::Create(scheme + server.host, {.total = total}).value();
  const absl::Time started = absl::Now();
  const absl::Status status =
      client->Exchange({.path = "/", .reply_limit_bytes = 100'000}).status();
  return {status, absl::ToDoubleSeconds(absl::Now() - started)};
}

constexpr char kHead[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";

TEST(HttpClients, EndADrippingReplyInTime) {
  const RawServer body([](int connection) {
    ReadHead(connection);
    Send(connection, absl::StrCat(kHead, "Content-Length: 90000\r\n\r\n"));
    Repeat(connection, "x", /*slowly=*/true);
  });
  const RawServer endless([](int connection) {
    ReadHead(connection);
    Send(connection, absl::StrCat(kHead, "\r\n"));  // no length
    Repeat(connection, "x", /*slowly=*/true);
  });
  const RawServer head([](int connection) {
    ReadHead(connection);
    Send(connection, kHead);
    Repeat(connection, "X-A: b\r\n", /*slowly=*/true);
  });
  const RawServer line([](int connection) {
    ReadHead(connection);
    Repeat(connection, "H", /*slowly=*/true);
  });
  const RawServer silent([](int connection) {
    ReadHead(connection);
    char c = 0;
    recv(connection, &c, 1, 0);
  });
  for (const RawServer* server : {&body, &endless, &head, &line, &silent}) {
    const Outcome outcome = Ask(*server, absl::Milliseconds(500));
    EXPECT_THAT(outcome.status, StatusIs(StatusCode::kUnavailable, "when the time was over"));
    EXPECT_LT(outcome.seconds, 5);
  }
}

TEST(HttpClients, EndADrippingHandshakeInTime) {
  const RawServer server([](int connection) {
    // A record of handshake that never ends.
    Send(connection, absl::string_view("\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", 9));
    Repeat(connection, absl::string_view("\0", 1), /*slowly=*/true);
  });
  const Outcome outcome = Ask(server, absl::Milliseconds(500), "https://");
  EXPECT_THAT(outcome.status, StatusIs(StatusCode::kUnavailable, "could not be reached"));
  EXPECT_LT(outcome.seconds, 5);
}

TEST(HttpClients, EndAFloodWithinItsBytes) {
  const RawServer head([](int connection) {
    ReadHead(connection);
    Send(connection, kHead);
    Repeat(connection, absl::StrCat("X-A: ", std::string(1000, 'b'), "\r\n"), /*slowly=*/false);
  });
  const RawServer line([](int connection) {
    ReadHead(connection);
    Send(connection, kHead);
    Repeat(connection, std::string(1000, 'b'), /*slowly=*/false);
  });
  for (const RawServer* server : {&head, &line}) {
    const Outcome outcome = Ask(*server, absl::Seconds(20));
    EXPECT_THAT(outcome.status, StatusIs(StatusCode::kUnavailable, "more bytes than the limit"));
    EXPECT_LT(outcome.seconds, 10);
  }
  const RawServer body([](int connection) {
    ReadHead(connection);
    Send(connection, absl::StrCat(kHead, "\r\n"));
    Repeat(connection, std::string(1000, 'b'), /*slowly=*/false);
  });
  EXPECT_THAT(Ask(body, absl::Seconds(20)).status,
              StatusIs(StatusCode::kResourceExhausted, "more than 100000 bytes"));
}

TEST(HttpClients, AreCancelledFromAnotherThread) {
  const RawServer server([](int connection) {
    ReadHead(connection);
    char c = 0;
    recv(connection, &c, 1, 0);
  });
  const auto client = HttpClient::Create("http://" + server.host).value();
  std::thread canceller([&] {
    absl::SleepFor(absl::Milliseconds(200));
    client->Cancel();
  });
  const absl::Time started = absl::Now();
  for (int i = 0; i < 2; ++i) {
    EXPECT_FALSE(client->Exchange({.path = "/", .reply_limit_bytes = 10}).ok());
  }
  EXPECT_LT(absl::Now() - started, absl::Seconds(10));
  canceller.join();
}

TEST(HttpClients, TakeABodyWithoutALength) {
  const RawServer server([](int connection) {
    ReadHead(connection);
    Send(connection, absl::StrCat(kHead, "\r\nhello"));
  });
  const auto client = HttpClient::Create("http://" + server.host).value();
  for (int i = 0; i < 2; ++i) {
    HILUM_ASSERT_OK_AND_ASSIGN(const HttpClient::Reply reply,
                               client->Exchange({.path = "/", .reply_limit_bytes = 5}));
    EXPECT_EQ(reply.body, "hello");
  }
}

TEST(HttpClients, GoOnAfterAFailure) {
  int n = 0;
  const RawServer server([&n](int connection) {
    ReadHead(connection);
    if (++n == 2) return;
    Send(connection, absl::StrCat(kHead, "Content-Length: 5\r\nConnection: close\r\n\r\nhello"));
  });
  const auto client = HttpClient::Create("http://" + server.host).value();
  EXPECT_EQ(client->Exchange({.path = "/", .reply_limit_bytes = 5})->body, "hello");
  EXPECT_FALSE(client->Exchange({.path = "/", .reply_limit_bytes = 5}).ok());
  EXPECT_EQ(client->Exchange({.path = "/", .reply_limit_bytes = 5})->content_type, "text/plain");
}

TEST(HttpClients, RefuseOtherHosts) {
  for (const char* host : {"", "ftp://x", "http://", "http://a:0", "http://a:70000", "http://a:b",
                           "http://a/b", "a:80", "https://:1"}) {
    EXPECT_THAT(HttpClient::Create(host).status(),
                StatusIs(StatusCode::kInvalidArgument, "is not http"))
        << host;
  }
  HILUM_EXPECT_OK(HttpClient::Create("http://[::1]:80").status());
}

}  // namespace
}  // namespace hilum

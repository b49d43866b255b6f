// Callers of the HTTP listener that are slow, silent or many.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "aggregator/http.h"
#include "httplib.h"
#include "tests/aggregator/test_federation.h"
#include "tests/status_matchers.h"

namespace hilum::aggregator {
namespace {

// A raw connection.
class RawCaller {
 public:
  explicit RawCaller(const std::string& address) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to{.sin_family = AF_INET,
                   .sin_port = htons(std::atoi(address.c_str() + address.rfind(':') + 1)),
                   .sin_addr = {htonl(INADDR_LOOPBACK)},
                   .sin_zero = {}};
    connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof(to));
  }
  ~RawCaller() { close(socket_); }
  bool Send(const std::string& text) const {
    return send(socket_, text.data(), text.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(text.size());
  }
  // What comes until the other side closes, or within `limit_s`; then `closed()` is false.
  std::string Receive(int limit_s) {
    const timeval limit{.tv_sec = limit_s, .tv_usec = 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    std::string text;
    char buffer[4096];
    ssize_t n = 0;
    while ((n = recv(socket_, buffer, sizeof(buffer), 0)) > 0) text.append(buffer, n);
    closed_ = n == 0 || errno == ECONNRESET;
    return text;
  }
  bool closed() const { return closed_; }

 private:
  int socket_;
  bool closed_ = false;
};

// Whether a well-behaved reader gets its answer.
bool IsServed(const std::string& address) {
  httplib::Client client("http://" + address);
  client.set_connection_timeout(2);
  client.set_read_timeout(2);
  const auto answer = client.Get("/healthz");
  return answer && answer->status == 200;
}

class SlowHttp : public testing::Test {
 protected:
  void Listen(const HttpLimits& limits = {}) {
    HILUM_ASSERT_OK_AND_ASSIGN(listener_, ServeHttp(&federation_.server(), "127.0.0.1:0", limits));
  }
  TestFederation federation_;
  std::unique_ptr<HttpService> listener_;
};

TEST_F(SlowHttp, DrippingCallersDoNotKeepAReaderOut) {
  Listen();
  std::vector<std::unique_ptr<RawCaller>> dripping;
  for (int i = 0; i < 200; ++i) {
    dripping.push_back(std::make_unique<RawCaller>(listener_->address()));
    dripping.back()->Send("GET /checkpoint HTTP/1.1\r\nX-Slow: ");
  }
  std::atomic<bool> done = false;
  std::thread drip([&] {
    while (!done) {
      for (const auto& caller : dripping) caller->Send("x");
      absl::SleepFor(absl::Milliseconds(20));
    }
  });
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(IsServed(listener_->address())) << i;
  done = true;
  drip.join();
}

TEST_F(SlowHttp, SilentCallersDoNotKeepAReaderOut) {
  Listen();
  const absl::Time begin = absl::Now();
  std::vector<std::unique_ptr<RawCaller>> silent;
  for (int i = 0; i < 200; ++i) silent.push_back(std::make_unique<RawCaller>(listener_->address()));
  EXPECT_TRUE(IsServed(listener_->address()));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(8)) << "callers lose seconds before they are heard";
}

// Two readers of another address would have to share 64 places with it; here all share 4.
TEST_F(SlowHttp, OneAddressHasAtMostItsPart) {
  Listen({.connections = 4, .connections_each = 2});
  std::vector<std::unique_ptr<RawCaller>> held;
  for (int i = 0; i < 3; ++i) {
    held.push_back(std::make_unique<RawCaller>(listener_->address()));
    held.back()->Send("GET /healthz HTTP/1.1\r\n");
    absl::SleepFor(absl::Milliseconds(50));
  }
  held[0]->Receive(2);
  EXPECT_TRUE(held[0]->closed());
  held[2]->Send("\r\n");
  EXPECT_THAT(held[2]->Receive(1), testing::HasSubstr("200 OK"));
}

TEST_F(SlowHttp, AllAddressesHaveTheLimitOfAll) {
  Listen({.connections = 2, .connections_each = 100});
  std::vector<std::unique_ptr<RawCaller>> held;
  for (int i = 0; i < 3; ++i) {
    held.push_back(std::make_unique<RawCaller>(listener_->address()));
    absl::SleepFor(absl::Milliseconds(50));
  }
  held[0]->Receive(2);
  EXPECT_TRUE(held[0]->closed());
}

TEST_F(SlowHttp, ARequestHasATotalTime) {
  Listen({.idle = absl::Seconds(20), .request = absl::Milliseconds(500)});
  RawCaller caller(listener_->address());
  ASSERT_TRUE(caller.Send("GET /healthz HTTP/1.1\r\nX: "));
  bool open = true;
  for (int i = 0; i < 50 && open; ++i) {
    absl::SleepFor(absl::Milliseconds(100));
    open = caller.Send("x");
  }
  EXPECT_FALSE(open) << "5 s of a byte now and then";
}

TEST_F(SlowHttp, AnAnswerThatNobodyReadsHasATotalTime) {
  Listen({.idle = absl::Seconds(20),
          .request = absl::Milliseconds(500),
          .exchange = absl::Milliseconds(500)});
  RawCaller caller(listener_->address());
  // Requests without end, of which no answer is read: the server's writes come to a stop.
  bool open = true;
  const absl::Time end = absl::Now() + absl::Seconds(10);
  std::string many;
  for (int i = 0; i < 50; ++i) many += "GET /metrics HTTP/1.1\r\n\r\n";
  while (open && absl::Now() < end) open = caller.Send(many);
  EXPECT_FALSE(open);
}

TEST_F(SlowHttp, AConnectionWithoutARequestIsClosed) {
  Listen({.idle = absl::Milliseconds(300)});
  RawCaller caller(listener_->address());
  caller.Receive(5);
  EXPECT_TRUE(caller.closed());
}

TEST_F(SlowHttp, AConnectionHasANumberOfRequests) {
  Listen({.requests = 3});
  RawCaller caller(listener_->address());
  for (int i = 0; i < 5; ++i) caller.Send("GET /healthz HTTP/1.1\r\n\r\n");
  const std::string answers = caller.Receive(2);
  EXPECT_TRUE(caller.closed());
  int n = 0;
  for (size_t at = 0; (at = answers.find("200 OK", at)) != std::string::npos; ++at) ++n;
  EXPECT_EQ(n, 3);
}

TEST_F(SlowHttp, ARequestHasALimitOfBytes) {
  Listen();
  RawCaller caller(listener_->address());
  ASSERT_TRUE(caller.Send("GET /healthz HTTP/1.1\r\n"));
  for (int i = 0; i < 1000; ++i)
    caller.Send("X-More: 0123456789012345678901234567890123456789\r\n");
  caller.Send("\r\n");
  EXPECT_THAT(caller.Receive(3), testing::Not(testing::HasSubstr("200 OK")));
}

TEST_F(SlowHttp, ALongPathIsRefused) {
  Listen();
  httplib::Client client("http://" + listener_->address());
  EXPECT_EQ(client.Get("/tile/" + std::string(7000, '0'))->status, 414);
  EXPECT_EQ(client.Get("/tile/" + std::string(200, '0'))->status, 404);
}

TEST_F(SlowHttp, AStopDoesNotWaitForSilentCallers) {
  Listen({.idle = absl::Seconds(60)});
  std::vector<std::unique_ptr<RawCaller>> silent;
  for (int i = 0; i < 10; ++i) silent.push_back(std::make_unique<RawCaller>(listener_->address()));
  ASSERT_TRUE(IsServed(listener_->address()));
  const absl::Time begin = absl::Now();
  listener_->Stop();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
}

// select() cannot take descriptors above 1,023, which a server of many sites has.
TEST_F(SlowHttp, ServesBesideAThousandDescriptors) {
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  if (limit.rlim_max < 1400) GTEST_SKIP() << "the hard limit of open files is below 1,400";
  const rlimit raised{.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &raised), 0);
  Listen();
  std::vector<int> held;
  for (int i = 0; i < 1200; ++i) held.push_back(dup(0));
  {
    RawCaller caller(listener_->address());
    caller.Send("GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(caller.Receive(3), testing::HasSubstr("200 OK"));
  }
  for (const int one : held) close(one);
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace
}  // namespace hilum::aggregator

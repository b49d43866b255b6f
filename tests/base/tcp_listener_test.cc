#include "base/tcp_listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/numbers.h"
#include "tests/status_matchers.h"

namespace hilum {
namespace {

using absl::StatusCode;

uint16_t PortOf(const TcpListener& listener) {
  uint32_t port = 0;
  EXPECT_TRUE(
      absl::SimpleAtoi(listener.address().substr(listener.address().rfind(':') + 1), &port));
  return static_cast<uint16_t>(port);
}

TEST(TcpListener, HandsOutConnectionsWithTheAddressOfTheCaller) {
  HILUM_ASSERT_OK_AND_ASSIGN(const TcpListener listener, TcpListener::Open("127.0.0.1:0"));
  EXPECT_THAT(listener.Accept(absl::Milliseconds(1)),
              StatusIs(StatusCode::kDeadlineExceeded, "nobody"));
  const Descriptor caller(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(PortOf(listener));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(connect(caller.fd(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)), 0);
  HILUM_ASSERT_OK_AND_ASSIGN(const AcceptedConnection accepted, listener.Accept(absl::Seconds(10)));
  EXPECT_EQ(accepted.peer, "127.0.0.1");
  HILUM_ASSERT_OK(WriteDescriptor(accepted.socket, AsBytes("hi")));
  char text[2] = {};
  EXPECT_EQ(read(caller.fd(), text, sizeof(text)), 2);
}

TEST(TcpListener, AnAddressInUseIsNamed) {
  HILUM_ASSERT_OK_AND_ASSIGN(const TcpListener first, TcpListener::Open("127.0.0.1:0"));
  EXPECT_THAT(TcpListener::Open(first.address()),
              StatusIs(StatusCode::kFailedPrecondition, first.address()));
}

TEST(TcpListener, AnAddressOfAnotherFormIsRefused) {
  for (const char* address : {"127.0.0.1", ":80", "127.0.0.1:", "127.0.0.1:65536", "[::1]:x"}) {
    EXPECT_THAT(TcpListener::Open(address), StatusIs(StatusCode::kInvalidArgument, "address"))
        << address;
  }
}

}  // namespace
}  // namespace hilum

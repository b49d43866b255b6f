#include "proto/channel.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/status_matchers.h"

namespace hilum::proto {
namespace {

using absl::StatusCode;

TEST(Channel, CodeAndSentenceCrossTheWire) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "a sentence");
    const absl::Status back = FromGrpcStatus(ToGrpcStatus(status), "server x");
    const bool no_answer = code == 1 || code == 4 || code == 14;
    EXPECT_EQ(back.code(), no_answer ? StatusCode::kUnavailable : status.code());
    EXPECT_THAT(std::string(back.message()), testing::HasSubstr("a sentence"));
  }
  HILUM_EXPECT_OK(FromGrpcStatus(ToGrpcStatus(absl::OkStatus()), "server"));
}

// A call that found no answer is told in our words, never in those of gRPC.
TEST(Channel, ACallThatFoundNoAnswerIsOneSentence) {
  struct Case {
    grpc::StatusCode code;
    const char* words;
    const char* sentence;
    ConnectionStep step = ConnectionStep::kConnection;
  };
  constexpr const char* kBroken =
      "the connection broke; try again, and where it always breaks, check your certificate";
  const Case cases[] = {
      {grpc::UNAVAILABLE,
       "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:9: Failed to "
       "connect to remote host: Connection refused",
       "nothing listens there; check that it runs and that the address is right"},
      {grpc::UNAVAILABLE,
       "DNS resolution failed for x.invalid:1: C-ares status is not ARES_SUCCESS",
       "its name is unknown; check the address and the network's DNS", ConnectionStep::kName},
      {grpc::UNAVAILABLE,
       "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:9: Ssl handshake "
       "failed: SSL_ERROR_SSL: error:0A000086:SSL routines::certificate verify failed",
       "what answers there is not a server of this federation; check the address, and that nothing "
       "on the way opens TLS",
       ConnectionStep::kTls},
      {grpc::UNAVAILABLE, "Failed to connect to remote host: Network is unreachable",
       "no way leads there; check the address and the network"},
      {grpc::UNAVAILABLE, "Failed to connect to remote host: FD Shutdown: Timeout occurred",
       "no answer came; check the address, the network and the firewall, then try again"},
      {grpc::DEADLINE_EXCEEDED, "Deadline Exceeded",
       "no answer came; check the address, the network and the firewall, then try again"},
      {grpc::UNAVAILABLE, "Socket closed", kBroken},
      {grpc::CANCELLED, "Cancelled on the server side", kBroken},
  };
  for (const Case& c : cases) {
    const grpc::Status status(c.code, c.words);
    const absl::Status found = FromGrpcStatus(status, "the server x", 0.24);
    EXPECT_EQ(found.code(), StatusCode::kUnavailable);
    EXPECT_EQ(found.message(),
              absl::StrCat("the server x could not be reached in 0.2 s: ", c.sentence));
    EXPECT_EQ(FailedStep(found), c.step) << c.words;
    EXPECT_EQ(FromGrpcStatus(status, "the server x").message(),
              absl::StrCat("the server x could not be reached: ", c.sentence));
  }
}

TEST(Channel, ASentenceOfTheOtherSideStaysWhole) {
  const grpc::Status status = ToGrpcStatus(absl::UnavailableError("the disk failed: timeout"));
  EXPECT_EQ(FromGrpcStatus(status, "the server x", 2.0),
            absl::UnavailableError("the server x cannot answer now: the disk failed: timeout"));
  EXPECT_EQ(FailedStep(FromGrpcStatus(status, "the server x")), ConnectionStep::kServer);
}

TEST(Channel, ALongSentenceIsCut) {
  const grpc::Status status = ToGrpcStatus(absl::InternalError(std::string(9000, 'x')));
  EXPECT_EQ(status.error_message().size(), 2000u);
}

TEST(Channel, AServerThatIsNotThereIsUnavailable) {
  const auto channel = OpenChannel("127.0.0.1:1", {});
  EXPECT_FALSE(
      channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::milliseconds(300)));
}

}  // namespace
}  // namespace hilum::proto

#include "proto/channel.h"

#include <gtest/gtest.h>

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

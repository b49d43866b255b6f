#include "cli/address.h"

#include "tests/status_matchers.h"

namespace hilum::cli {
namespace {

using absl::StatusCode;

TEST(Address, AHostAndAPortAreAccepted) {
  EXPECT_THAT(CheckAddress("--server", "fl.example:7443", 1), IsOk());
  EXPECT_THAT(CheckAddress("--server", "[::1]:65535", 1), IsOk());
  EXPECT_THAT(CheckAddress("--grpc", "127.0.0.1:0", 0), IsOk());
}

TEST(Address, WhatIsNotHostAndPortIsRefusedWithTheFlagTheValueAndTheRange) {
  for (const char* address :
       {"", "foo", ":7443", "foo:", "foo:0", "foo:65536", "foo:-1", "foo:x"}) {
    const absl::Status status = CheckAddress("--server", address, 1);
    EXPECT_THAT(status, StatusIs(StatusCode::kInvalidArgument, "--server")) << address;
    EXPECT_THAT(status, StatusIs(StatusCode::kInvalidArgument, "1 to 65535")) << address;
  }
}

}  // namespace
}  // namespace hilum::cli

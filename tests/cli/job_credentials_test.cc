#include "cli/job_credentials.h"

#include "tests/cli/job_fixture.h"

namespace hilum::cli {
namespace {

using absl::StatusCode;

class Credentials : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"ca.pem", "cert.pem", "key.pem"}) Write(name, name);
    Write("federation.json",
          R"({"address":"127.0.0.1:7443","federation":"demo","origin":"demo/ledger",)"
          R"("log_vkey":"demo/ledger+00000000+AA==","entry_key":"AA=="})");
  }
  void Write(const std::string& name, absl::string_view text) {
    HILUM_ASSERT_OK(WriteFileDurably(folder_.path() / name, AsBytes(text)));
  }
  TestFolder folder_;
};

TEST_F(Credentials, AreTheFourFiles) {
  HILUM_ASSERT_OK_AND_ASSIGN(const LeadCredentials read, ReadCredentials(folder_.path(), ""));
  EXPECT_EQ(read.key_pem, "key.pem");
  EXPECT_EQ(read.address, "127.0.0.1:7443");
  EXPECT_EQ(read.origin, "demo/ledger");
}

TEST_F(Credentials, TakeAnotherAddressFromTheFlag) {
  HILUM_ASSERT_OK_AND_ASSIGN(const LeadCredentials read,
                             ReadCredentials(folder_.path(), "hub.example:443"));
  EXPECT_EQ(read.address, "hub.example:443");
  for (const char* wrong : {"hub.example", ":443", "hub:0", "hub:65536", "hub:x"}) {
    EXPECT_THAT(ReadCredentials(folder_.path(), wrong),
                StatusIs(StatusCode::kInvalidArgument, "HOST:PORT"))
        << wrong;
  }
}

TEST_F(Credentials, SayWhichFileIsMissing) {
  fs::remove(folder_.path() / "key.pem");
  EXPECT_THAT(ReadCredentials(folder_.path(), ""),
              StatusIs(StatusCode::kInvalidArgument, "key.pem"));
}

TEST_F(Credentials, RefuseDamagedOnes) {
  for (const char* text : {"", "[]", "{}", "{\"origin\":1}", "not json"}) {
    Write("federation.json", text);
    EXPECT_THAT(ReadCredentials(folder_.path(), ""),
                StatusIs(StatusCode::kInvalidArgument, "federation.json"))
        << text;
  }
}

}  // namespace
}  // namespace hilum::cli

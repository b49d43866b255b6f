#include "cli/job_credentials.h"

#include "base/clock.h"
#include "crypto/certificate.h"
#include "tests/cli/job_fixture.h"

namespace hilum::cli {
namespace {

using absl::StatusCode;

class Credentials : public testing::Test {
 protected:
  void SetUp() override {
    const crypto::CertifiedKey ca = *crypto::MakeCa("demo", SystemClock().NowSeconds());
    Write("ca.pem", ca.certificate_pem);
    Issue(ca, SystemClock().NowSeconds());
    Write("federation.json",
          R"({"address":"127.0.0.1:7443","federation":"demo","origin":"demo/ledger",)"
          R"("log_vkey":"demo/ledger+00000000+AA==","entry_key":"AA=="})");
  }
  void Write(const std::string& name, absl::string_view text) {
    HILUM_ASSERT_OK(WriteFileDurably(folder_.path() / name, AsBytes(text)));
  }
  // Writes cert.pem and key.pem.
  void Issue(const crypto::CertifiedKey& ca, int64_t now) {
    const crypto::Subject lead{.common_name = "lead", .role = "lead"};
    key_ = *crypto::MakeTlsKey();
    Write("key.pem", key_);
    Write("cert.pem",
          *crypto::IssueCertificate(
              ca, {.request_pem = *crypto::MakeRequest(key_, lead), .subject = lead, .now = now}));
  }
  TestFolder folder_;
  std::string key_;
};

TEST_F(Credentials, AreTheFourFiles) {
  HILUM_ASSERT_OK_AND_ASSIGN(const LeadCredentials read, ReadCredentials(folder_.path(), ""));
  EXPECT_EQ(read.key_pem, key_);
  EXPECT_EQ(read.address, "127.0.0.1:7443");
  EXPECT_EQ(read.origin, "demo/ledger");
}

TEST_F(Credentials, HoldAPolicyWhereTheOperatorInstalledOne) {
  EXPECT_EQ(ReadCredentials(folder_.path(), "").value().policy, "");
  Write("policy", "quorum");
  EXPECT_THAT(ReadCredentials(folder_.path(), ""),
              StatusIs(StatusCode::kInvalidArgument, "policy"));
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

TEST_F(Credentials, RefuseCertificatesThatDoNotFit) {
  const crypto::CertifiedKey other = *crypto::MakeCa("other", SystemClock().NowSeconds());
  Issue(other, SystemClock().NowSeconds());
  EXPECT_THAT(ReadCredentials(folder_.path(), ""),
              StatusIs(StatusCode::kInvalidArgument, "not one of this CA"));
  Write("ca.pem", other.certificate_pem);
  HILUM_EXPECT_OK(ReadCredentials(folder_.path(), ""));
  Issue(other, SystemClock().NowSeconds() - 3000 * 86'400);
  EXPECT_THAT(ReadCredentials(folder_.path(), ""),
              StatusIs(StatusCode::kInvalidArgument, "expired"));
  Write("key.pem", *crypto::MakeTlsKey());
  EXPECT_THAT(ReadCredentials(folder_.path(), ""),
              StatusIs(StatusCode::kInvalidArgument, "not the one of the certificate"));
  Write("key.pem", "none");
  EXPECT_THAT(ReadCredentials(folder_.path(), ""),
              StatusIs(StatusCode::kInvalidArgument, "ask the operator for D/operator again"));
}

}  // namespace
}  // namespace hilum::cli

#include "crypto/dsse.h"

#include <gtest/gtest.h>

#include "crypto/certificate.h"
#include "tests/status_matchers.h"

namespace hilum::crypto {
namespace {

using absl::StatusCode;

TEST(Dsse, SignsTypeAndLengthToo) {
  // The example of the DSSE protocol's text.
  EXPECT_EQ(AsText(DssePreAuthentication("http://example.com/HelloWorld", "hello world")),
            "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
  EXPECT_EQ(AsText(DssePreAuthentication("", "")), "DSSEv1 0  0 ");
}

TEST(P256, VerifiesWhatItSignedAndNothingElse) {
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string key, MakeTlsKey());
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string other, MakeTlsKey());
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string public_pem, P256PublicPem(key));
  HILUM_ASSERT_OK_AND_ASSIGN(Bytes signature, SignP256(key, AsBytes("abc")));
  HILUM_EXPECT_OK(VerifyP256(public_pem, AsBytes("abc"), signature));
  EXPECT_THAT(VerifyP256(public_pem, AsBytes("abd"), signature),
              StatusIs(StatusCode::kDataLoss, "not of the release key"));
  EXPECT_THAT(VerifyP256(P256PublicPem(other).value(), AsBytes("abc"), signature),
              StatusIs(StatusCode::kDataLoss, "not of the release key"));
  for (uint8_t& byte : signature) {
    byte ^= 1;
    EXPECT_FALSE(VerifyP256(public_pem, AsBytes("abc"), signature).ok());
    byte ^= 1;
  }
  EXPECT_FALSE(VerifyP256(public_pem, AsBytes("abc"), {}).ok());
}

TEST(P256, TakesP256KeysOnly) {
  // The Ed25519 key of RFC 8410, section 10.3.
  const std::string ed25519 =
      "-----BEGIN PRIVATE KEY-----\n"
      "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
      "-----END PRIVATE KEY-----\n";
  for (const std::string& pem : {ed25519, std::string(), std::string(20000, 'A')}) {
    EXPECT_THAT(P256PublicPem(pem), StatusIs(StatusCode::kDataLoss, "not a P-256 key"));
    EXPECT_THAT(SignP256(pem, AsBytes("abc")), StatusIs(StatusCode::kDataLoss, "not a P-256 key"));
    EXPECT_THAT(VerifyP256(pem, AsBytes("abc"), {}),
                StatusIs(StatusCode::kDataLoss, "not a P-256 key"));
  }
}

}  // namespace
}  // namespace hilum::crypto

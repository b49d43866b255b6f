#include "crypto/certificate.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>

#include "crypto/hash.h"
#include "crypto/openssl_handles.h"
#include "tests/status_matchers.h"

namespace hilum::crypto {
namespace {

using absl::StatusCode;

constexpr int64_t kNow = 1767000000;
constexpr int64_t kDay = 86400;

CertificatePtr Parse(const std::string& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return CertificatePtr(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

class Certificates : public ::testing::Test {
 protected:
  void SetUp() override {
    HILUM_ASSERT_OK_AND_ASSIGN(ca_, MakeCa("fl.example", kNow));
    HILUM_ASSERT_OK_AND_ASSIGN(key_, MakeTlsKey());
    HILUM_ASSERT_OK_AND_ASSIGN(request_, MakeRequest(key_, {"hospital-a", "site"}));
  }
  IssueOptions Options() const {
    return {.request_pem = request_, .subject = {"hospital-a", "site"}, .now = kNow};
  }
  CertifiedKey ca_;
  std::string key_;
  std::string request_;
};

TEST_F(Certificates, SayWhatTheCaDecided) {
  HILUM_ASSERT_OK_AND_ASSIGN(const Subject asked, ReadRequest(request_));
  EXPECT_EQ(asked.common_name, "hospital-a");
  EXPECT_EQ(asked.role, "site");
  IssueOptions options = Options();
  options.subject = {"hospital-b", "auditor"};
  options.days = 10;
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string pem, IssueCertificate(ca_, options));
  HILUM_ASSERT_OK_AND_ASSIGN(const CertificateInfo info, ReadCertificate(pem));
  EXPECT_EQ(info.common_name, "hospital-b");
  EXPECT_EQ(info.role, "auditor");
  EXPECT_EQ(info.not_after, kNow + 10 * kDay);
  EXPECT_LE(info.not_before, kNow);
  HILUM_EXPECT_OK(VerifyIssuedBy(pem, ca_.certificate_pem, kNow));
  HILUM_EXPECT_OK(CheckKeyMatches({pem, key_}));
}

TEST_F(Certificates, FingerprintIsTheHashOfTheDer) {
  HILUM_ASSERT_OK_AND_ASSIGN(const CertificateInfo info, ReadCertificate(ca_.certificate_pem));
  HILUM_ASSERT_OK_AND_ASSIGN(const Bytes der, CertificateToDer(ca_.certificate_pem));
  EXPECT_EQ(info.fingerprint, Sha256(ByteView(der)));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string pem, CertificateFromDer(der));
  EXPECT_EQ(pem, ca_.certificate_pem);
  EXPECT_EQ(info.common_name, "fl.example");
  EXPECT_EQ(info.role, "ca");
  Bytes longer = der;
  longer.push_back(0);
  EXPECT_THAT(CertificateFromDer(longer), StatusIs(StatusCode::kDataLoss, "DER"));
  EXPECT_THAT(CertificateFromDer(Bytes(kCertificateLimitBytes + 1)),
              StatusIs(StatusCode::kDataLoss, "limit"));
}

TEST_F(Certificates, TwoKeysHaveTwoDigestsOneKeyHasOne) {
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string first, IssueCertificate(ca_, Options()));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string second, IssueCertificate(ca_, Options()));
  HILUM_ASSERT_OK_AND_ASSIGN(const CertificateInfo a, ReadCertificate(first));
  HILUM_ASSERT_OK_AND_ASSIGN(const CertificateInfo b, ReadCertificate(second));
  EXPECT_EQ(a.public_key_digest, b.public_key_digest);
  EXPECT_NE(a.fingerprint, b.fingerprint);
  HILUM_ASSERT_OK_AND_ASSIGN(const CertificateInfo ca, ReadCertificate(ca_.certificate_pem));
  EXPECT_NE(a.public_key_digest, ca.public_key_digest);
}

TEST_F(Certificates, OfAnotherCaAreRefused) {
  HILUM_ASSERT_OK_AND_ASSIGN(const CertifiedKey other, MakeCa("fl.example", kNow));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string pem, IssueCertificate(other, Options()));
  EXPECT_THAT(VerifyIssuedBy(pem, ca_.certificate_pem, kNow),
              StatusIs(StatusCode::kDataLoss, "not one of this CA"));
}

// A member's certificate must not make further members.
TEST_F(Certificates, OfAMemberIssueNothing) {
  EXPECT_NE(X509_get_extension_flags(Parse(ca_.certificate_pem).get()) & EXFLAG_CA, 0u);
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string member, IssueCertificate(ca_, Options()));
  EXPECT_EQ(X509_get_extension_flags(Parse(member).get()) & EXFLAG_CA, 0u);
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string forged, IssueCertificate({member, key_}, Options()));
  EXPECT_FALSE(VerifyIssuedBy(forged, ca_.certificate_pem, kNow).ok());
  EXPECT_FALSE(VerifyIssuedBy(forged, member, kNow).ok());
}

TEST_F(Certificates, HoldInTheirDaysOnly) {
  IssueOptions options = Options();
  options.days = 10;
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string pem, IssueCertificate(ca_, options));
  HILUM_EXPECT_OK(VerifyIssuedBy(pem, ca_.certificate_pem, kNow + 9 * kDay));
  EXPECT_THAT(VerifyIssuedBy(pem, ca_.certificate_pem, kNow + 11 * kDay),
              StatusIs(StatusCode::kPermissionDenied, "expired"));
  EXPECT_THAT(VerifyIssuedBy(pem, ca_.certificate_pem, kNow - kDay),
              StatusIs(StatusCode::kPermissionDenied, "not yet valid"));
}

TEST_F(Certificates, OfAServerNameItsHosts) {
  IssueOptions options = Options();
  options.subject = {"server", "server"};
  options.hosts = {"localhost", "127.0.0.1", "fl.example", "::1"};
  HILUM_ASSERT_OK(IssueCertificate(ca_, options));
  options.hosts = {"a.example,DNS:evil.example"};
  EXPECT_THAT(IssueCertificate(ca_, options), StatusIs(StatusCode::kInvalidArgument, "the host"));
}

TEST_F(Certificates, RefuseNamesOutOfTheRules) {
  EXPECT_THAT(MakeRequest(key_, {"Hospital A", "site"}),
              StatusIs(StatusCode::kInvalidArgument, "common name"));
  EXPECT_THAT(MakeRequest(key_, {"hospital-a", "Site"}),
              StatusIs(StatusCode::kInvalidArgument, "role"));
  EXPECT_THAT(MakeCa("a b", kNow), StatusIs(StatusCode::kInvalidArgument, "federation"));
  IssueOptions options = Options();
  options.subject.common_name = "../x";
  EXPECT_THAT(IssueCertificate(ca_, options),
              StatusIs(StatusCode::kInvalidArgument, "common name"));
  options = Options();
  options.days = 0;
  EXPECT_THAT(IssueCertificate(ca_, options), StatusIs(StatusCode::kInvalidArgument, "days"));
}

TEST_F(Certificates, RefuseADamagedRequest) {
  for (size_t at = 40; at + 40 < request_.size(); at += 7) {
    std::string changed = request_;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    IssueOptions options = Options();
    options.request_pem = changed;
    EXPECT_FALSE(IssueCertificate(ca_, options).ok()) << at;
  }
}

TEST_F(Certificates, RefuseWhatIsNone) {
  EXPECT_THAT(ReadCertificate(""), StatusIs(StatusCode::kDataLoss, "PEM"));
  EXPECT_THAT(ReadCertificate("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
              StatusIs(StatusCode::kDataLoss, "PEM"));
  EXPECT_THAT(ReadCertificate(ca_.certificate_pem + ca_.certificate_pem),
              StatusIs(StatusCode::kDataLoss, "another PEM block"));
  EXPECT_THAT(ReadCertificate(std::string(kCertificateLimitBytes + 1, '-')),
              StatusIs(StatusCode::kDataLoss, "PEM"));
  EXPECT_THAT(CheckKeyMatches({ca_.certificate_pem, key_}),
              StatusIs(StatusCode::kDataLoss, "not the one"));
  EXPECT_THAT(ReadRequest(ca_.certificate_pem), StatusIs(StatusCode::kDataLoss, "PEM"));
}

}  // namespace
}  // namespace hilum::crypto

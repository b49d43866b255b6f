// The federation's X.509 certificates: ECDSA P-256, one CA, CN = member name, OU = role.
// Keys and certificates are PEM text, as gRPC takes them. Times are seconds since 1970 UTC.
#ifndef HILUM_CRYPTO_CERTIFICATE_H_
#define HILUM_CRYPTO_CERTIFICATE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"

namespace hilum::crypto {

// PEM and DER from outside are refused above this length.
inline constexpr size_t kCertificateLimitBytes = 16 << 10;

struct CertifiedKey {
  std::string certificate_pem;
  std::string key_pem;  // PKCS#8; keep it in a file of mode 0600
};

struct Subject {
  std::string common_name;  // the member's name: CheckName of base/ids.h
  std::string role;         // "server", "site", "lead", "auditor"; "ca" in the CA's own
};

// What a certificate says. Nothing here is proven before VerifyIssuedBy.
struct CertificateInfo {
  std::string common_name;
  std::string role;
  Digest public_key_digest;  // SHA-256 of the SubjectPublicKeyInfo, DER
  Digest fingerprint;        // SHA-256 of the whole certificate, DER
  int64_t not_before = 0;
  int64_t not_after = 0;
};

// A new CA: self-signed, path length 0, key usage for certificates only.
// InvalidArgument: name. Unavailable: the crypto library failed.
absl::StatusOr<CertifiedKey> MakeCa(absl::string_view federation, int64_t now, int days = 3650);

// A new P-256 key, PKCS#8 PEM.
absl::StatusOr<std::string> MakeTlsKey();

// A PKCS#10 request for the key, signed with it, PEM.
absl::StatusOr<std::string> MakeRequest(absl::string_view key_pem, const Subject& subject);

// The names that a request asks for. DataLoss: it does not parse, its own signature fails, the key
// is not P-256, or the names break the rules of Subject.
absl::StatusOr<Subject> ReadRequest(absl::string_view request_pem);

struct IssueOptions {
  // The request's key is taken, its names are not: they are what the CA decided.
  std::string request_pem;
  Subject subject;
  int64_t now = 0;
  int days = 825;
  // Subject alternative names: host names and IP addresses. For servers; empty for the others.
  std::vector<std::string> hosts;
};

// A certificate for the key of the request. Server role: TLS server and client use; others: client
// use. InvalidArgument: names, hosts or days. DataLoss: the request, as in ReadRequest.
absl::StatusOr<std::string> IssueCertificate(const CertifiedKey& ca, const IssueOptions& options);

// DataLoss: not one PEM certificate with exactly one CN and at most one OU.
absl::StatusOr<CertificateInfo> ReadCertificate(absl::string_view certificate_pem);

// DataLoss: not signed by the CA. PermissionDenied: not yet valid or expired at `now`.
absl::Status VerifyIssuedBy(absl::string_view certificate_pem, absl::string_view ca_pem,
                            int64_t now);

// DataLoss: `key_pem` is not the private key of the certificate.
absl::Status CheckKeyMatches(const CertifiedKey& pair);

// DER of the one PEM certificate, and back. DataLoss: it does not parse.
absl::StatusOr<Bytes> CertificateToDer(absl::string_view certificate_pem);
absl::StatusOr<std::string> CertificateFromDer(ByteView der);

}  // namespace hilum::crypto

#endif  // HILUM_CRYPTO_CERTIFICATE_H_

// ECDSA P-256 signatures with SHA-256 (FIPS 186-5), in DER, and the bytes that a DSSE envelope
// signs (DSSE protocol 1.0.2). For release bundles: tools that we did not write verify them.
#ifndef HILUM_CRYPTO_DSSE_H_
#define HILUM_CRYPTO_DSSE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"

namespace hilum::crypto {

// "DSSEv1" SP LEN(type) SP type SP LEN(payload) SP payload; lengths are decimal.
Bytes DssePreAuthentication(absl::string_view payload_type, absl::string_view payload);

// The SubjectPublicKeyInfo of a private key, PEM as OpenSSL writes it: its SHA-256 is the key hint
// of a bundle. MakeTlsKey (certificate.h) makes the private key. DataLoss: not one P-256 key.
absl::StatusOr<std::string> P256PublicPem(absl::string_view key_pem);

// DataLoss: `key_pem` is not one P-256 key. Unavailable: the crypto library failed.
absl::StatusOr<Bytes> SignP256(absl::string_view key_pem, ByteView message);

// DataLoss: `public_pem` is not one P-256 key, or the signature is not over `message` under it.
absl::Status VerifyP256(absl::string_view public_pem, ByteView message, ByteView signature_der);

}  // namespace hilum::crypto

#endif  // HILUM_CRYPTO_DSSE_H_

// Certificates and requests from peers, as PEM and DER.
#include <cstdint>

#include "absl/strings/string_view.h"
#include "crypto/certificate.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hilum;
  const ByteView bytes(data, size);
  const absl::string_view text = AsText(bytes);
  (void)crypto::ReadCertificate(text);
  (void)crypto::ReadRequest(text);
  const absl::StatusOr<std::string> pem = crypto::CertificateFromDer(bytes);
  if (pem.ok()) (void)crypto::ReadCertificate(*pem);
  return 0;
}

#include "crypto/dsse.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/certificate.h"
#include "crypto/openssl_handles.h"

namespace hilum::crypto {
namespace {

// Refuses encrypted keys without asking a person for the password.
int NoPassword(char*, int, int, void*) { return -1; }

template <auto kRead>
absl::StatusOr<KeyPtr> ReadKey(absl::string_view pem, absl::string_view what) {
  KeyPtr key;
  if (pem.size() <= kCertificateLimitBytes) {
    const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    key.reset(kRead(bio.get(), nullptr, NoPassword, nullptr));
  }
  std::array<char, 32> group{};
  size_t size = 0;
  if (key != nullptr && EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_EC &&
      EVP_PKEY_get_group_name(key.get(), group.data(), group.size(), &size) == 1 &&
      absl::string_view(group.data(), size) == "prime256v1") {
    return key;
  }
  ERR_clear_error();
  return absl::DataLossError(absl::StrCat("the ", what, " is not a P-256 key in PEM form"));
}

}  // namespace

Bytes DssePreAuthentication(absl::string_view payload_type, absl::string_view payload) {
  Bytes bytes;
  AppendText(bytes, absl::StrCat("DSSEv1 ", payload_type.size(), " ", payload_type, " ",
                                 payload.size(), " "));
  AppendText(bytes, payload);
  return bytes;
}

absl::StatusOr<std::string> P256PublicPem(absl::string_view key_pem) {
  HILUM_ASSIGN_OR_RETURN(const KeyPtr key,
                         ReadKey<PEM_read_bio_PrivateKey>(key_pem, "release key"));
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr || PEM_write_bio_PUBKEY(bio.get(), key.get()) != 1) {
    return absl::UnavailableError("the crypto library could not write a public key");
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

absl::StatusOr<Bytes> SignP256(absl::string_view key_pem, ByteView message) {
  HILUM_ASSIGN_OR_RETURN(const KeyPtr key,
                         ReadKey<PEM_read_bio_PrivateKey>(key_pem, "release key"));
  const DigestCtxPtr context(EVP_MD_CTX_new());
  Bytes signature(static_cast<size_t>(EVP_PKEY_get_size(key.get())));
  size_t size = signature.size();
  if (context == nullptr ||
      EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) != 1) {
    return absl::UnavailableError("the crypto library could not make a P-256 signature");
  }
  signature.resize(size);
  return signature;
}

absl::Status VerifyP256(absl::string_view public_pem, ByteView message, ByteView signature_der) {
  HILUM_ASSIGN_OR_RETURN(const KeyPtr key, ReadKey<PEM_read_bio_PUBKEY>(public_pem, "release key"));
  const DigestCtxPtr context(EVP_MD_CTX_new());
  if (context != nullptr &&
      EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
      EVP_DigestVerify(context.get(), signature_der.data(), signature_der.size(), message.data(),
                       message.size()) == 1) {
    return absl::OkStatus();
  }
  ERR_clear_error();
  return absl::DataLossError(absl::StrCat("the P-256 signature over ", message.size(),
                                          " bytes is not of the release key"));
}

}  // namespace hilum::crypto

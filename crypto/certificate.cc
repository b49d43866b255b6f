#include "crypto/certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "crypto/openssl_handles.h"
#include "crypto/random.h"

namespace hilum::crypto {
namespace {

constexpr int64_t kClockSkewSeconds = 300;  // not_before lies this much before `now`
constexpr int kDaysLimit = 7300;

absl::Status LibraryError(absl::string_view action) {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  ERR_clear_error();
  return absl::UnavailableError(absl::StrCat("cannot ", action, ": ", text.data()));
}

absl::Status Damaged(absl::string_view what, absl::string_view why) {
  ERR_clear_error();
  return absl::DataLossError(absl::StrCat(what, " ", why));
}

absl::Status CheckRole(absl::string_view role) {
  bool good = !role.empty() && role.size() <= 16;
  for (const char c : role) good = good && c >= 'a' && c <= 'z';
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the role \"", role, "\" is not 1 to 16 letters a-z"));
}

// Letters, digits, '.', '-' and, for IPv6, ':'. Nothing that could end an entry of the list.
absl::Status CheckHost(absl::string_view what, absl::string_view host) {
  bool good = !host.empty() && host.size() <= 63;
  for (const char c : host) {
    good = good && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '-' || c == ':');
  }
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, " \"", host, "\" is not 1 to 63 letters, digits, '.', '-' and ':'"));
}

absl::Status CheckSubject(const Subject& subject) {
  HILUM_RETURN_IF_ERROR(CheckName("the common name", subject.common_name));
  return CheckRole(subject.role);
}

BioPtr MemoryBio(absl::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string BioText(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

// Refuses encrypted keys without asking a person for the password.
int NoPassword(char*, int, int, void*) { return -1; }

template <auto kRead>
auto ReadPem(absl::string_view pem) -> decltype(kRead(nullptr, nullptr, nullptr, nullptr)) {
  if (pem.size() > kCertificateLimitBytes) return nullptr;
  const BioPtr bio = MemoryBio(pem);
  auto* object = kRead(bio.get(), nullptr, NoPassword, nullptr);
  if (object == nullptr) ERR_clear_error();
  return object;
}

absl::StatusOr<CertificatePtr> ParseCertificate(absl::string_view pem) {
  CertificatePtr certificate(ReadPem<PEM_read_bio_X509>(pem));
  if (certificate == nullptr) return Damaged("the certificate", "is not one in PEM form");
  const size_t first = pem.find("-----END");
  if (pem.find("-----BEGIN", first) != absl::string_view::npos) {
    return Damaged("the certificate", "is followed by another PEM block");
  }
  return certificate;
}

absl::StatusOr<KeyPtr> ParseKey(absl::string_view pem) {
  KeyPtr key(ReadPem<PEM_read_bio_PrivateKey>(pem));
  if (key == nullptr) return Damaged("the private key", "is not one in PEM form");
  return key;
}

bool IsP256(const EVP_PKEY* key) {
  std::array<char, 32> group{};
  size_t size = 0;
  return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
         EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) == 1 &&
         absl::string_view(group.data(), size) == "prime256v1";
}

// The one value of `nid` in a name, empty when there is none and it is not needed.
absl::StatusOr<std::string> NameField(const X509_NAME* name, int nid, bool needed) {
  const int at = X509_NAME_get_index_by_NID(name, nid, -1);
  const absl::string_view field = nid == NID_commonName ? "common name" : "organizational unit";
  if (at < 0) {
    if (!needed) return std::string();
    return absl::DataLossError(absl::StrCat("the certificate has no ", field));
  }
  if (X509_NAME_get_index_by_NID(name, nid, at) >= 0) {
    return absl::DataLossError(absl::StrCat("the certificate has more than one ", field));
  }
  const ASN1_STRING* value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, value);
  std::string text = size < 0 ? std::string() : std::string(reinterpret_cast<char*>(utf8), size);
  OPENSSL_free(utf8);
  for (const char c : text) {
    if (c < 0x20 || c > 0x7E) text.clear();
  }
  if (text.empty() || text.size() > 64) {
    return absl::DataLossError(
        absl::StrCat("the certificate's ", field, " is not 1 to 64 printable characters"));
  }
  return text;
}

bool AddNameField(X509_NAME* name, int nid, const std::string& value) {
  return X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(value.data()),
                                    static_cast<int>(value.size()), -1, 0) == 1;
}

bool SetName(X509_NAME* name, const Subject& subject) {
  return AddNameField(name, NID_organizationalUnitName, subject.role) &&
         AddNameField(name, NID_commonName, subject.common_name);
}

Digest DerDigest(unsigned char* der, int size) {
  const Digest digest = Sha256(ByteView(der, static_cast<size_t>(size)));
  OPENSSL_free(der);
  return digest;
}

absl::StatusOr<std::string> CertificatePem(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(bio.get(), certificate) != 1) return LibraryError("write a certificate");
  return BioText(bio.get());
}

// Name, value pairs for X509V3_EXT_conf_nid.
using Extensions = std::vector<std::pair<int, std::string>>;

struct Draft {
  X509* issuer = nullptr;  // null: self-signed
  EVP_PKEY* issuer_key = nullptr;
  EVP_PKEY* subject_key = nullptr;
  Subject subject;
  int64_t now = 0;
  int days = 0;
  Extensions extensions;
};

bool SetSerial(X509* certificate) {
  std::array<uint8_t, 16> bytes = RandomArray<16>();
  bytes[0] = static_cast<uint8_t>((bytes[0] & 0x7F) | 0x40);  // positive, always 16 bytes
  BIGNUM* number = BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr);
  const bool done = number != nullptr &&
                    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
  BN_free(number);
  return done;
}

bool SetTimes(X509* certificate, const Draft& draft) {
  return ASN1_TIME_set(X509_getm_notBefore(certificate), draft.now - kClockSkewSeconds) !=
             nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), draft.now + draft.days * int64_t{86400}) !=
             nullptr;
}

bool AddExtensions(X509* certificate, const Draft& draft) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509* issuer = draft.issuer == nullptr ? certificate : draft.issuer;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  for (const auto& [nid, value] : draft.extensions) {
    const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
    if (extension == nullptr || X509_add_ext(certificate, extension.get(), -1) != 1) return false;
  }
  return true;
}

absl::StatusOr<std::string> SignCertificate(const Draft& draft) {
  const CertificatePtr certificate(X509_new());
  X509* raw = certificate.get();
  bool done = raw != nullptr && X509_set_version(raw, X509_VERSION_3) == 1 && SetSerial(raw) &&
              SetTimes(raw, draft) && SetName(X509_get_subject_name(raw), draft.subject) &&
              X509_set_pubkey(raw, draft.subject_key) == 1;
  const X509* issuer = draft.issuer == nullptr ? raw : draft.issuer;
  done = done && X509_set_issuer_name(raw, X509_get_subject_name(issuer)) == 1 &&
         AddExtensions(raw, draft) && X509_sign(raw, draft.issuer_key, EVP_sha256()) > 0;
  if (!done) return LibraryError("make a certificate");
  return CertificatePem(raw);
}

absl::StatusOr<RequestPtr> ParseRequest(absl::string_view pem) {
  RequestPtr request(ReadPem<PEM_read_bio_X509_REQ>(pem));
  if (request == nullptr) return Damaged("the certificate request", "is not one in PEM form");
  EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
  if (key == nullptr || !IsP256(key)) {
    return Damaged("the certificate request", "is not for a P-256 key");
  }
  if (X509_REQ_verify(request.get(), key) != 1) {
    return Damaged("the certificate request", "is not signed by its own key");
  }
  return request;
}

std::string AlternativeNames(const std::vector<std::string>& hosts) {
  return absl::StrJoin(hosts, ",", [](std::string* out, const std::string& host) {
    ASN1_OCTET_STRING* address = a2i_IPADDRESS(host.c_str());
    absl::StrAppend(out, address == nullptr ? "DNS:" : "IP:", host);
    ASN1_OCTET_STRING_free(address);
    ERR_clear_error();
  });
}

absl::StatusOr<int64_t> ToSeconds(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return Damaged("the certificate", "has no valid dates");
  return static_cast<int64_t>(timegm(&parts));
}

}  // namespace

absl::StatusOr<CertifiedKey> MakeCa(absl::string_view federation, int64_t now, int days) {
  HILUM_RETURN_IF_ERROR(CheckHost("the federation", federation));
  if (days < 1 || days > kDaysLimit) {
    return absl::InvalidArgumentError(
        absl::StrCat("a CA for ", days, " days is not within 1 to ", kDaysLimit));
  }
  CertifiedKey ca;
  HILUM_ASSIGN_OR_RETURN(ca.key_pem, MakeTlsKey());
  HILUM_ASSIGN_OR_RETURN(const KeyPtr key, ParseKey(ca.key_pem));
  const Draft draft{.issuer = nullptr,
                    .issuer_key = key.get(),
                    .subject_key = key.get(),
                    .subject = {std::string(federation), "ca"},
                    .now = now,
                    .days = days,
                    .extensions = {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                                   {NID_key_usage, "critical,keyCertSign,cRLSign"},
                                   {NID_subject_key_identifier, "hash"}}};
  HILUM_ASSIGN_OR_RETURN(ca.certificate_pem, SignCertificate(draft));
  return ca;
}

absl::StatusOr<std::string> MakeTlsKey() {
  const KeyPtr key(EVP_EC_gen("P-256"));
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (key == nullptr || PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0,
                                                      nullptr, nullptr) != 1) {
    return LibraryError("make a P-256 key");
  }
  return BioText(bio.get());
}

absl::StatusOr<std::string> MakeRequest(absl::string_view key_pem, const Subject& subject) {
  HILUM_RETURN_IF_ERROR(CheckSubject(subject));
  HILUM_ASSIGN_OR_RETURN(const KeyPtr key, ParseKey(key_pem));
  const RequestPtr request(X509_REQ_new());
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (request == nullptr || !SetName(X509_REQ_get_subject_name(request.get()), subject) ||
      X509_REQ_set_pubkey(request.get(), key.get()) != 1 ||
      X509_REQ_sign(request.get(), key.get(), EVP_sha256()) <= 0 ||
      PEM_write_bio_X509_REQ(bio.get(), request.get()) != 1) {
    return LibraryError("make a certificate request");
  }
  return BioText(bio.get());
}

absl::StatusOr<Subject> ReadRequest(absl::string_view request_pem) {
  HILUM_ASSIGN_OR_RETURN(const RequestPtr request, ParseRequest(request_pem));
  const X509_NAME* name = X509_REQ_get_subject_name(request.get());
  Subject subject;
  HILUM_ASSIGN_OR_RETURN(subject.common_name, NameField(name, NID_commonName, true));
  HILUM_ASSIGN_OR_RETURN(subject.role, NameField(name, NID_organizationalUnitName, true));
  if (const absl::Status status = CheckSubject(subject); !status.ok()) {
    return Damaged("the certificate request:", status.message());
  }
  return subject;
}

absl::StatusOr<std::string> IssueCertificate(const CertifiedKey& ca, const IssueOptions& options) {
  HILUM_RETURN_IF_ERROR(CheckSubject(options.subject));
  for (const std::string& host : options.hosts) {
    HILUM_RETURN_IF_ERROR(CheckHost("the host", host));
  }
  if (options.days < 1 || options.days > kDaysLimit) {
    return absl::InvalidArgumentError(
        absl::StrCat("a certificate for ", options.days, " days is not within 1 to ", kDaysLimit));
  }
  HILUM_ASSIGN_OR_RETURN(const RequestPtr request, ParseRequest(options.request_pem));
  HILUM_ASSIGN_OR_RETURN(const CertificatePtr issuer, ParseCertificate(ca.certificate_pem));
  HILUM_ASSIGN_OR_RETURN(const KeyPtr issuer_key, ParseKey(ca.key_pem));
  const bool is_server = options.subject.role == "server";
  Extensions extensions = {{NID_basic_constraints, "critical,CA:FALSE"},
                           {NID_key_usage, "critical,digitalSignature"},
                           {NID_ext_key_usage, is_server ? "serverAuth,clientAuth" : "clientAuth"},
                           {NID_subject_key_identifier, "hash"},
                           {NID_authority_key_identifier, "keyid:always"}};
  if (!options.hosts.empty()) {
    extensions.emplace_back(NID_subject_alt_name, AlternativeNames(options.hosts));
  }
  return SignCertificate({.issuer = issuer.get(),
                          .issuer_key = issuer_key.get(),
                          .subject_key = X509_REQ_get0_pubkey(request.get()),
                          .subject = options.subject,
                          .now = options.now,
                          .days = options.days,
                          .extensions = std::move(extensions)});
}

absl::StatusOr<CertificateInfo> ReadCertificate(absl::string_view certificate_pem) {
  HILUM_ASSIGN_OR_RETURN(const CertificatePtr certificate, ParseCertificate(certificate_pem));
  const X509_NAME* name = X509_get_subject_name(certificate.get());
  CertificateInfo info;
  HILUM_ASSIGN_OR_RETURN(info.common_name, NameField(name, NID_commonName, true));
  HILUM_ASSIGN_OR_RETURN(info.role, NameField(name, NID_organizationalUnitName, false));
  HILUM_ASSIGN_OR_RETURN(info.not_before, ToSeconds(X509_get0_notBefore(certificate.get())));
  HILUM_ASSIGN_OR_RETURN(info.not_after, ToSeconds(X509_get0_notAfter(certificate.get())));
  unsigned char* der = nullptr;
  int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate.get()), &der);
  if (size <= 0) return Damaged("the certificate", "has no public key");
  info.public_key_digest = DerDigest(der, size);
  der = nullptr;
  size = i2d_X509(certificate.get(), &der);
  if (size <= 0) return LibraryError("encode a certificate");
  info.fingerprint = DerDigest(der, size);
  return info;
}

absl::Status VerifyIssuedBy(absl::string_view certificate_pem, absl::string_view ca_pem,
                            int64_t now) {
  HILUM_ASSIGN_OR_RETURN(const CertificatePtr certificate, ParseCertificate(certificate_pem));
  HILUM_ASSIGN_OR_RETURN(const CertificatePtr ca, ParseCertificate(ca_pem));
  const std::unique_ptr<X509_STORE, OpensslFree<X509_STORE_free>> store(X509_STORE_new());
  const std::unique_ptr<X509_STORE_CTX, OpensslFree<X509_STORE_CTX_free>> context(
      X509_STORE_CTX_new());
  if (store == nullptr || context == nullptr || X509_STORE_add_cert(store.get(), ca.get()) != 1 ||
      X509_STORE_CTX_init(context.get(), store.get(), certificate.get(), nullptr) != 1) {
    return LibraryError("verify a certificate");
  }
  X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(context.get()), now);
  if (X509_verify_cert(context.get()) == 1) return absl::OkStatus();
  const int error = X509_STORE_CTX_get_error(context.get());
  ERR_clear_error();
  if (error == X509_V_ERR_CERT_NOT_YET_VALID || error == X509_V_ERR_CERT_HAS_EXPIRED) {
    return absl::PermissionDeniedError(absl::StrCat("the certificate is not valid at ",
                                                    FormatUtc(now), ": ",
                                                    X509_verify_cert_error_string(error)));
  }
  return Damaged("the certificate is not one of this CA:", X509_verify_cert_error_string(error));
}

absl::Status CheckKeyMatches(const CertifiedKey& pair) {
  HILUM_ASSIGN_OR_RETURN(const CertificatePtr certificate, ParseCertificate(pair.certificate_pem));
  HILUM_ASSIGN_OR_RETURN(const KeyPtr key, ParseKey(pair.key_pem));
  if (X509_check_private_key(certificate.get(), key.get()) == 1) return absl::OkStatus();
  return Damaged("the private key", "is not the one of the certificate");
}

absl::StatusOr<Bytes> CertificateToDer(absl::string_view certificate_pem) {
  HILUM_ASSIGN_OR_RETURN(const CertificatePtr certificate, ParseCertificate(certificate_pem));
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate.get(), &der);
  if (size <= 0) return LibraryError("encode a certificate");
  Bytes bytes(der, der + size);
  OPENSSL_free(der);
  return bytes;
}

absl::StatusOr<std::string> CertificateFromDer(ByteView der) {
  if (der.size() > kCertificateLimitBytes) {
    return absl::DataLossError(absl::StrCat("the certificate has ", der.size(),
                                            " bytes, the limit is ", kCertificateLimitBytes));
  }
  const unsigned char* at = der.data();
  const CertificatePtr certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (certificate == nullptr || at != der.data() + der.size()) {
    return Damaged("the certificate", "is not one in DER form");
  }
  return CertificatePem(certificate.get());
}

}  // namespace hilum::crypto

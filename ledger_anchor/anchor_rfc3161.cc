#include "ledger_anchor/anchor_rfc3161.h"

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/ts.h>

#include <array>
#include <cstdlib>
#include <ctime>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "base/http_client.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "crypto/openssl_handles.h"
#include "crypto/random.h"
#include "ledger_anchor/url.h"

namespace hilum::ledger_anchor {
namespace {

using crypto::BioPtr;
using crypto::CertificatePtr;
using crypto::OpensslFree;
using RequestPtr = std::unique_ptr<TS_REQ, OpensslFree<TS_REQ_free>>;
using ResponsePtr = std::unique_ptr<TS_RESP, OpensslFree<TS_RESP_free>>;
using ImprintPtr = std::unique_ptr<TS_MSG_IMPRINT, OpensslFree<TS_MSG_IMPRINT_free>>;
using AlgorithmPtr = std::unique_ptr<X509_ALGOR, OpensslFree<X509_ALGOR_free>>;
using IntegerPtr = std::unique_ptr<ASN1_INTEGER, OpensslFree<ASN1_INTEGER_free>>;
using ObjectPtr = std::unique_ptr<ASN1_OBJECT, OpensslFree<ASN1_OBJECT_free>>;
using ContextPtr = std::unique_ptr<TS_VERIFY_CTX, OpensslFree<TS_VERIFY_CTX_free>>;
using StorePtr = std::unique_ptr<X509_STORE, OpensslFree<X509_STORE_free>>;
using UsagePtr = std::unique_ptr<EXTENDED_KEY_USAGE, OpensslFree<EXTENDED_KEY_USAGE_free>>;

constexpr int kChainLimit = 8;
constexpr int kAuthorityLimit = 64;  // certificates of a CA file
constexpr size_t kOidLimit = 128;
constexpr size_t kEvidenceLimitBytes = 4096;

absl::Status Refused(absl::string_view why) {
  ERR_clear_error();
  return absl::DataLossError(absl::StrCat("the time stamp ", why));
}

// The library's own words, without what the other side wrote.
absl::Status RefusedByLibrary() {
  const char* data = nullptr;
  int flags = 0;
  const unsigned long code = ERR_peek_last_error_all(nullptr, nullptr, nullptr, &data, &flags);
  const char* reason = ERR_reason_error_string(code);
  std::string why = absl::StrCat("does not verify: ", reason != nullptr ? reason : "unknown error");
  constexpr absl::string_view kChain = "Verify error:";
  if ((flags & ERR_TXT_STRING) != 0 && absl::string_view(data).substr(0, 13) == kChain) {
    absl::StrAppend(&why, ", ", absl::string_view(data).substr(kChain.size()));
  }
  return Refused(why);
}

std::string OidText(const ASN1_OBJECT* object) {
  char text[kOidLimit];
  const int n = OBJ_obj2txt(text, sizeof(text), object, /*no_name=*/1);
  return n > 0 && static_cast<size_t>(n) < sizeof(text) ? text : "";
}

absl::StatusOr<ObjectPtr> ParseOid(const std::string& oid) {
  ObjectPtr object(oid.size() < kOidLimit ? OBJ_txt2obj(oid.c_str(), /*no_name=*/1) : nullptr);
  ERR_clear_error();
  if (object != nullptr && OidText(object.get()) == oid) return object;
  return absl::InvalidArgumentError(absl::StrCat("the policy \"", oid.substr(0, kOidLimit),
                                                 "\" is no OID such as 1.3.6.1.4.1.4146.2"));
}

absl::StatusOr<StorePtr> ReadAuthorities(absl::string_view pem) {
  if (pem.size() > kAuthorityLimitBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the authority's certificates have ", pem.size(),
                                                   " bytes, the limit is ", kAuthorityLimitBytes));
  }
  StorePtr store(X509_STORE_new());
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  int n = 0;
  for (; n <= kAuthorityLimit; ++n) {
    const CertificatePtr one(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (one == nullptr) break;
    X509_STORE_add_cert(store.get(), one.get());
  }
  const bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (n > 0 && n <= kAuthorityLimit && ended) return store;
  return absl::InvalidArgumentError(absl::StrCat("the authority's certificates are not 1 to ",
                                                 kAuthorityLimit,
                                                 " in PEM (-----BEGIN CERTIFICATE-----)"));
}

absl::StatusOr<ResponsePtr> ParseResponse(ByteView bytes) {
  if (bytes.size() > kTimeStampLimitBytes) {
    return Refused(
        absl::StrCat("has ", bytes.size(), " bytes, the limit is ", kTimeStampLimitBytes));
  }
  const uint8_t* at = bytes.data();
  ResponsePtr response(d2i_TS_RESP(nullptr, &at, static_cast<long>(bytes.size())));
  if (response == nullptr) return Refused("is no TimeStampResp in DER");
  if (at != bytes.data() + bytes.size()) return Refused("has bytes after its end");
  const int64_t status =
      ASN1_INTEGER_get(TS_STATUS_INFO_get0_status(TS_RESP_get_status_info(response.get())));
  if (status != TS_STATUS_GRANTED && status != TS_STATUS_GRANTED_WITH_MODS) {
    return Refused(absl::StrCat("was not granted: the authority answers with status ", status));
  }
  if (TS_RESP_get_tst_info(response.get()) == nullptr) return Refused("holds no token");
  return response;
}

absl::StatusOr<TimeStampInfo> InfoOf(TS_RESP* response) {
  TS_TST_INFO* token = TS_RESP_get_tst_info(response);
  TimeStampInfo info;
  std::tm time{};
  if (ASN1_TIME_to_tm(TS_TST_INFO_get_time(token), &time) != 1) return Refused("has no valid time");
  info.time_s = absl::ToUnixSeconds(
      absl::FromCivil(absl::CivilSecond(time.tm_year + 1900, time.tm_mon + 1, time.tm_mday,
                                        time.tm_hour, time.tm_min, time.tm_sec),
                      absl::UTCTimeZone()));
  info.policy = OidText(TS_TST_INFO_get_policy_id(token));
  const ASN1_INTEGER* serial = TS_TST_INFO_get_serial(token);
  info.serial = ToHex(
      ByteView(ASN1_STRING_get0_data(serial), static_cast<size_t>(ASN1_STRING_length(serial))));
  const ASN1_OCTET_STRING* imprint = TS_MSG_IMPRINT_get_msg(TS_TST_INFO_get_msg_imprint(token));
  info.imprint.assign(ASN1_STRING_get0_data(imprint),
                      ASN1_STRING_get0_data(imprint) + ASN1_STRING_length(imprint));
  return info;
}

// What is asked for `note`; the same form says what a receipt of it must hold.
absl::StatusOr<RequestPtr> MakeRequest(absl::string_view note, const std::string& policy,
                                       std::optional<uint64_t> nonce) {
  RequestPtr request(TS_REQ_new());
  const ImprintPtr imprint(TS_MSG_IMPRINT_new());
  const AlgorithmPtr algorithm(X509_ALGOR_new());
  X509_ALGOR_set0(algorithm.get(), OBJ_nid2obj(NID_sha256), V_ASN1_NULL, nullptr);
  Digest digest = crypto::Sha256(note);
  bool good = TS_REQ_set_version(request.get(), 1) == 1 &&
              TS_MSG_IMPRINT_set_algo(imprint.get(), algorithm.get()) == 1 &&
              TS_MSG_IMPRINT_set_msg(imprint.get(), digest.data(), digest.size()) == 1 &&
              TS_REQ_set_msg_imprint(request.get(), imprint.get()) == 1 &&
              TS_REQ_set_cert_req(request.get(), 1) == 1;
  if (!policy.empty()) {
    HILUM_ASSIGN_OR_RETURN(const ObjectPtr object, ParseOid(policy));
    good = good && TS_REQ_set_policy_id(request.get(), object.get()) == 1;
  }
  if (nonce.has_value()) {
    const IntegerPtr number(ASN1_INTEGER_new());
    good = good && ASN1_INTEGER_set_uint64(number.get(), *nonce) == 1 &&
           TS_REQ_set_nonce(request.get(), number.get()) == 1;
  }
  if (good) return request;
  ERR_clear_error();
  return absl::InternalError("the time-stamp request could not be made");
}

// The library lets other purposes stand beside timeStamping when it does not know them.
absl::Status CheckUsage(const X509* signer) {
  int critical = 0;
  const UsagePtr usage(static_cast<EXTENDED_KEY_USAGE*>(
      X509_get_ext_d2i(signer, NID_ext_key_usage, &critical, nullptr)));
  const bool alone = usage != nullptr && sk_ASN1_OBJECT_num(usage.get()) == 1 &&
                     OBJ_obj2nid(sk_ASN1_OBJECT_value(usage.get(), 0)) == NID_time_stamp;
  if (alone && critical == 1) return absl::OkStatus();
  return Refused("is signed by a certificate that is not for time stamps alone");
}

absl::Status CheckSignerDigest(PKCS7* token) {
  auto* signers = PKCS7_get_signer_info(token);
  X509_ALGOR* digest = nullptr;
  PKCS7_SIGNER_INFO_get0_algs(sk_PKCS7_SIGNER_INFO_value(signers, 0), nullptr, &digest, nullptr);
  const ASN1_OBJECT* object = nullptr;
  X509_ALGOR_get0(&object, nullptr, nullptr, digest);
  const int nid = OBJ_obj2nid(object);
  if (nid == NID_sha256 || nid == NID_sha384 || nid == NID_sha512) return absl::OkStatus();
  return Refused("is signed over another hash than SHA-256, SHA-384 or SHA-512");
}

std::string NameOf(const X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

absl::StatusOr<Vouched> Check(absl::string_view note, ByteView receipt, const TimeStampTrust& trust,
                              std::optional<uint64_t> nonce) {
  HILUM_ASSIGN_OR_RETURN(StorePtr store, ReadAuthorities(trust.ca_pem));
  HILUM_ASSIGN_OR_RETURN(const RequestPtr request, MakeRequest(note, trust.policy, nonce));
  HILUM_ASSIGN_OR_RETURN(const ResponsePtr response, ParseResponse(receipt));
  HILUM_ASSIGN_OR_RETURN(const TimeStampInfo info, InfoOf(response.get()));
  // The chain is judged as of the time that it vouches for: it may have expired since.
  X509_VERIFY_PARAM* param = X509_STORE_get0_param(store.get());
  X509_VERIFY_PARAM_set_time(param, info.time_s);
  X509_VERIFY_PARAM_set_depth(param, kChainLimit);
  const ContextPtr context(TS_REQ_to_TS_VERIFY_CTX(request.get(), nullptr));
  if (context == nullptr) return RefusedByLibrary();
  TS_VERIFY_CTX_add_flags(context.get(), TS_VFY_SIGNATURE);  // the call above leaves it out
  TS_VERIFY_CTX_set_store(context.get(), store.release());
  if (TS_RESP_verify_response(context.get(), response.get()) != 1) return RefusedByLibrary();
  PKCS7* token = TS_RESP_get_token(response.get());
  HILUM_RETURN_IF_ERROR(CheckSignerDigest(token));
  STACK_OF(X509)* signers = PKCS7_get0_signers(token, nullptr, 0);
  const X509* signer = sk_X509_num(signers) == 1 ? sk_X509_value(signers, 0) : nullptr;
  const absl::Status usage = signer != nullptr ? CheckUsage(signer) : Refused("has no signer");
  Vouched vouched{.time_s = info.time_s,
                  .authority = signer != nullptr ? NameOf(signer) : "",
                  .serial = info.serial};
  sk_X509_free(signers);
  ERR_clear_error();
  HILUM_RETURN_IF_ERROR(usage);
  return vouched;
}

absl::Status WithReply(const absl::Status& status, absl::string_view reply) {
  absl::Status with = status;
  with.SetPayload(kAnchorReplyPayload, absl::Cord(reply.substr(0, kEvidenceLimitBytes)));
  return with;
}

class Rfc3161 : public Anchor {
 public:
  Rfc3161(const Rfc3161Options& options, std::string path, std::unique_ptr<HttpClient> client)
      : options_(options), path_(std::move(path)), client_(std::move(client)) {}

  absl::string_view engine() const override { return "rfc3161"; }

  absl::StatusOr<AnchorReceipt> Submit(const AnchoredNote& note) override {
    const std::array<uint8_t, 8> random = crypto::RandomArray<8>();
    uint64_t nonce = 0;
    for (const uint8_t byte : random) nonce = nonce << 8 | byte;
    HILUM_ASSIGN_OR_RETURN(const RequestPtr request,
                           MakeRequest(note.note, options_.trust.policy, nonce));
    HILUM_ASSIGN_OR_RETURN(const std::string reply, Ask(*request));
    const absl::Status good = CheckReply(note, reply, nonce);
    if (!good.ok()) return WithReply(good, reply);
    return AnchorReceipt{Bytes(reply.begin(), reply.end())};
  }

  absl::StatusOr<Vouched> Verify(const AnchoredNote& note,
                                 const AnchorReceipt& receipt) const override {
    return VerifyTimeStamp(note.note, receipt, options_.trust);
  }

  void Cancel() override { client_->Cancel(); }

 private:
  absl::StatusOr<std::string> Ask(TS_REQ& request) {
    uint8_t* der = nullptr;
    const int size = i2d_TS_REQ(&request, &der);
    if (size <= 0) return absl::InternalError("the time-stamp request could not be written");
    std::string body(reinterpret_cast<char*>(der), static_cast<size_t>(size));
    OPENSSL_free(der);
    absl::StatusOr<HttpClient::Reply> reply =
        client_->Exchange({.method = "POST",
                           .path = path_,
                           .body = std::move(body),
                           .content_type = "application/timestamp-query",
                           .reply_limit_bytes = kTimeStampLimitBytes});
    if (absl::IsResourceExhausted(reply.status())) {
      return absl::DataLossError(reply.status().message());
    }
    HILUM_RETURN_IF_ERROR(reply.status());
    if (reply->status != 200) {
      return WithReply(
          absl::UnavailableError(absl::StrCat(options_.url, " answered ", reply->status)),
          reply->body);
    }
    const absl::string_view type = reply->content_type;
    if (absl::StripAsciiWhitespace(type.substr(0, type.find(';'))) ==
        "application/timestamp-reply") {
      return std::move(reply->body);
    }
    return WithReply(absl::DataLossError(absl::StrCat(
                         options_.url, " does not answer with application/timestamp-reply")),
                     reply->body);
  }

  absl::Status CheckReply(const AnchoredNote& note, const std::string& reply,
                          uint64_t nonce) const {
    HILUM_ASSIGN_OR_RETURN(const Vouched vouched,
                           Check(note.note, AsBytes(reply), options_.trust, nonce));
    const int64_t now_s = options_.clock->NowSeconds();
    if (std::abs(vouched.time_s - now_s) <= kAnchorSkewS) return absl::OkStatus();
    return Refused(absl::StrCat("is of ", FormatUtc(vouched.time_s), ", here it is ",
                                FormatUtc(now_s), "; at most ", kAnchorSkewS,
                                " s may lie between"));
  }

  const Rfc3161Options options_;
  const std::string path_;
  const std::unique_ptr<HttpClient> client_;
};

}  // namespace

absl::StatusOr<TimeStampInfo> ReadTimeStamp(ByteView response) {
  HILUM_ASSIGN_OR_RETURN(const ResponsePtr parsed, ParseResponse(response));
  return InfoOf(parsed.get());
}

absl::StatusOr<Vouched> VerifyTimeStamp(absl::string_view note, const AnchorReceipt& receipt,
                                        const TimeStampTrust& trust) {
  return Check(note, receipt.bytes, trust, std::nullopt);
}

absl::Status CheckTimeStampTrust(const TimeStampTrust& trust) {
  HILUM_RETURN_IF_ERROR(ReadAuthorities(trust.ca_pem).status());
  return trust.policy.empty() ? absl::OkStatus() : ParseOid(trust.policy).status();
}

absl::StatusOr<std::unique_ptr<Anchor>> MakeRfc3161Anchor(const Rfc3161Options& options) {
  HILUM_ASSIGN_OR_RETURN(const Url url, ParseUrl(options.url));
  HILUM_RETURN_IF_ERROR(CheckTimeStampTrust(options.trust));
  HILUM_ASSIGN_OR_RETURN(std::unique_ptr<HttpClient> client,
                         HttpClient::Create(url.host, {.total = options.total}));
  const std::string path = options.url.substr(url.host.size());  // with its last '/', if any
  return std::make_unique<Rfc3161>(options, path.empty() ? "/" : path, std::move(client));
}

}  // namespace hilum::ledger_anchor

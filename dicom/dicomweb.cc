#include "dicom/dicomweb.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "dicom/multipart.h"
#include "dicom/peer_messages.h"

namespace hilum::dicom {
namespace {

constexpr absl::string_view kJson = "application/dicom+json";
constexpr const char* kSeriesUid = "0020000E";
constexpr absl::string_view kBoundary = "hilum-store-part";

std::string PercentEncoded(absl::string_view text) {
  std::string out;
  for (const char c : text) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
        absl::string_view("-_.~").find(c) != absl::string_view::npos) {
      out.push_back(c);
    } else {
      absl::StrAppendFormat(&out, "%%%02X", static_cast<unsigned char>(c));
    }
  }
  return out;
}

bool IsThisComputer(absl::string_view host) {
  absl::ConsumePrefix(&host, "http://");
  const absl::string_view name = host.substr(0, host.rfind(':'));
  return name == "127.0.0.1" || name == "localhost" || name == "[::1]";
}

// `url` is the root of the services: what comes behind it names patients' studies.
absl::Status FromHttp(int status, const std::string& url) {
  if (status == 200 || status == 204) return absl::OkStatus();
  const std::string answer = absl::StrCat(url, " answers ", status, ": ");
  if (status == 401) {
    return absl::UnauthenticatedError(
        absl::StrCat(answer, "user, password or token are wrong; see [dicomweb] in site.toml."));
  }
  if (status == 403) {
    return absl::PermissionDeniedError(
        absl::StrCat(answer, "the PACS does not allow this user that; ask its administrator."));
  }
  if (status == 404 || status == 410) {
    return absl::NotFoundError(
        absl::StrCat(answer,
                     "nothing is there; check the path of the URL (Orthanc: /dicom-web) "
                     "and that the PACS has DICOMweb switched on."));
  }
  if (status >= 300 && status < 400) {
    return absl::FailedPreconditionError(
        absl::StrCat(answer,
                     "it sends elsewhere; use the address that it names, without a '/' at "
                     "the end."));
  }
  if (status == 429 || status == 503) {
    return absl::UnavailableError(absl::StrCat(answer, "the PACS is busy; try again later."));
  }
  if (status >= 500) {
    return absl::InternalError(
        absl::StrCat(answer, "the PACS has a fault with it; its own log says which."));
  }
  return absl::FailedPreconditionError(
      absl::StrCat(answer, "it does not take this request; does it speak DICOMweb?"));
}

absl::Status CheckUids(const std::vector<std::string>& uids) {
  for (const std::string& uid : uids) {
    if (!IsUid(uid)) {
      return absl::InvalidArgumentError("the server names an object by what is no UID");
    }
  }
  return absl::OkStatus();
}

std::string SearchPath(const Dicomweb::Match& match, int limit, int offset) {
  std::string path = "/series?";
  for (const auto& [attribute, value] : match) {
    absl::StrAppend(&path, attribute, "=", PercentEncoded(value), "&");
  }
  // Neither is among what a server must return of a series (PS3.18 table 10.6.3-4).
  return absl::StrCat(path, "includefield=00180015&includefield=0020000D&limit=", limit,
                      "&offset=", offset);
}

}  // namespace

std::string BasicAuthorization(absl::string_view user, absl::string_view password) {
  return absl::StrCat("Basic ", absl::Base64Escape(absl::StrCat(user, ":", password)));
}

absl::StatusOr<std::unique_ptr<Dicomweb>> Dicomweb::Create(const DicomwebServer& server) {
  const size_t authority = server.url.find("://");
  const size_t slash =
      authority == std::string::npos ? authority : server.url.find('/', authority + 3);
  const std::string host = server.url.substr(0, slash);
  absl::string_view root = slash == std::string::npos ? absl::string_view()
                                                      : absl::string_view(server.url).substr(slash);
  while (absl::ConsumeSuffix(&root, "/")) {
  }
  if (root.find_first_of("?# \r\n") != absl::string_view::npos || absl::StrContains(host, "@")) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", server.url.substr(0, 100),
                     "\" is not https://HOST[:PORT]/PATH without user, '?' and '#'"));
  }
  if (absl::StartsWith(host, "http://") && !IsThisComputer(host)) {
    return absl::InvalidArgumentError(absl::StrCat(
        host, " would send patients' data in the clear: use https, or a tunnel to 127.0.0.1."));
  }
  HILUM_ASSIGN_OR_RETURN(std::unique_ptr<HttpClient> http,
                         HttpClient::Create(host, {.total = server.patience}, server.authorities));
  DicomwebServer cleaned = server;
  cleaned.url = absl::StrCat(host, root);
  return std::unique_ptr<Dicomweb>(new Dicomweb(std::move(http), std::string(root), cleaned));
}

absl::StatusOr<HttpClient::Reply> Dicomweb::Ask(HttpClient::Request request, bool with_report) {
  request.path = absl::StrCat(root_, request.path);
  if (!server_.authorization.empty()) {
    request.headers.emplace_back("Authorization", server_.authorization);
  }
  absl::StatusOr<HttpClient::Reply> exchanged = http_->Exchange(request);
  if (absl::IsResourceExhausted(exchanged.status())) {  // of this answer, not of this computer
    return absl::OutOfRangeError(exchanged.status().message());
  }
  HILUM_ASSIGN_OR_RETURN(HttpClient::Reply reply, std::move(exchanged));
  date_ = reply.date;
  if (with_report && (reply.status == 202 || reply.status == 409)) return reply;
  HILUM_RETURN_IF_ERROR(FromHttp(reply.status, server_.url));
  return reply;
}

absl::StatusOr<std::vector<JsonAttributes>> Dicomweb::AskJson(const std::string& path) {
  HILUM_ASSIGN_OR_RETURN(const HttpClient::Reply reply,
                         Ask({.path = path,
                              .reply_limit_bytes = kAnswerBytes,
                              .headers = {{"Accept", std::string(kJson)}}}));
  if (reply.status == 204) return std::vector<JsonAttributes>();  // nothing matches
  return ParseDicomJson(reply.body);
}

absl::StatusOr<std::vector<JsonAttributes>> Dicomweb::FirstSeries(const Match& match, int limit) {
  return AskJson(SearchPath(match, limit, 0));
}

absl::Status Dicomweb::SearchSeries(
    const Match& match, const std::function<absl::Status(const JsonAttributes&)>& each) {
  std::set<std::string> seen;
  for (int offset = 0; offset < kSeriesLimit;) {
    HILUM_ASSIGN_OR_RETURN(const std::vector<JsonAttributes> page,
                           AskJson(SearchPath(match, kPage, offset)));
    bool news = false;
    for (const JsonAttributes& series : page) {
      const std::string uid = FirstOf(series, kSeriesUid);
      HILUM_RETURN_IF_ERROR(CheckUids({uid}));
      if (!seen.insert(uid).second) continue;
      news = true;
      HILUM_RETURN_IF_ERROR(each(series));
    }
    // A server that knows no pages sends everything, again and again.
    if (!news || page.size() < static_cast<size_t>(kPage)) return absl::OkStatus();
    offset += static_cast<int>(page.size());
  }
  return absl::ResourceExhaustedError(absl::StrCat(
      "more than ", kSeriesLimit, " series match: narrow the rules, by dates for example."));
}

absl::StatusOr<std::vector<JsonAttributes>> Dicomweb::Metadata(const std::string& study,
                                                               const std::string& series) {
  HILUM_RETURN_IF_ERROR(CheckUids({study, series}));
  return AskJson(absl::StrCat("/studies/", study, "/series/", series, "/metadata"));
}

absl::Status Dicomweb::Retrieve(const std::string& study, const std::string& series,
                                const std::string& instance,
                                const std::function<absl::Status(absl::string_view)>& take) {
  HILUM_RETURN_IF_ERROR(CheckUids({study, series, instance}));
  int n_parts = 0;
  absl::Status status;
  std::unique_ptr<MultipartParser> parser;
  const MultipartParser::Sink sink = {
      .on_part =
          [&](absl::string_view) {
            return ++n_parts == 1
                       ? absl::OkStatus()
                       : absl::DataLossError("the server sent more than the object asked for");
          },
      .on_bytes = take,
      .on_end = [] { return absl::OkStatus(); }};
  HttpClient::Request request = {
      .path = absl::StrCat("/studies/", study, "/series/", series, "/instances/", instance),
      .reply_limit_bytes = kObjectBytes,
      .headers = {{"Accept", "multipart/related; type=\"application/dicom\"; transfer-syntax=*"}}};
  request.on_body = [&](absl::string_view bytes, const std::string& content_type) {
    if (parser == nullptr) {
      const absl::StatusOr<std::string> boundary = BoundaryOf(content_type);
      status = boundary.status();
      if (!status.ok()) return false;
      parser = std::make_unique<MultipartParser>(*boundary, sink);
    }
    status = parser->Feed(bytes);
    return status.ok();
  };
  const absl::StatusOr<HttpClient::Reply> reply = Ask(std::move(request));
  HILUM_RETURN_IF_ERROR(status);  // why we ended it
  HILUM_RETURN_IF_ERROR(reply.status());
  if (parser == nullptr) return absl::DataLossError("the server's answer is empty");
  HILUM_RETURN_IF_ERROR(parser->Finish());
  return n_parts == 1 ? absl::OkStatus() : absl::DataLossError("the server's answer has no object");
}

absl::Status Dicomweb::Store(ByteView file) {
  if (file.size() > kStoreBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the object has ", file.size(), " bytes, the limit is ", kStoreBytes));
  }
  // A file that held the boundary would end early.
  std::string boundary(kBoundary);
  while (absl::StrContains(AsText(file), boundary)) boundary += "-";
  HttpClient::Request request = {
      .method = "POST",
      .path = "/studies",
      .body = absl::StrCat("--", boundary, "\r\nContent-Type: application/dicom\r\n\r\n",
                           AsText(file), "\r\n--", boundary, "--\r\n"),
      .content_type =
          absl::StrCat("multipart/related; type=\"application/dicom\"; boundary=", boundary),
      .reply_limit_bytes = kAnswerBytes,
      .headers = {{"Accept", std::string(kJson)}}};
  HILUM_ASSIGN_OR_RETURN(const HttpClient::Reply reply,
                         Ask(std::move(request), /*with_report=*/true));
  HILUM_ASSIGN_OR_RETURN(const StoreAnswer answer, ParseStoreAnswer(reply.body));
  if (answer.failed.empty() && answer.stored.size() == 1) return absl::OkStatus();
  const int reason = answer.failed.empty() ? 0 : answer.failed.front().second;
  return absl::FailedPreconditionError(
      absl::StrFormat("%s did not store the object: failure reason %04X of PS3.18 table 10.5.3-2",
                      server_.url, static_cast<unsigned int>(reason)));
}

}  // namespace hilum::dicom

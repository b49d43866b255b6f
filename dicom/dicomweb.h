// A client of DICOMweb (PS3.18 sections 8.7, 10.4 to 10.6): searches, retrieves and stores in the
// hospital's PACS. The server is not trusted with memory, disk or time.
#ifndef HILUM_DICOM_DICOMWEB_H_
#define HILUM_DICOM_DICOMWEB_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/bytes.h"
#include "base/http_client.h"
#include "dicom/dicom_json.h"

namespace hilum::dicom {

struct DicomwebServer {
  std::string url;            // https://HOST[:PORT]/PATH; http:// only of this computer
  std::string authorities{};  // PEM file; empty: the system's
  // Of the Authorization header, for example "Bearer ..." or BasicAuthorization's; empty: none.
  std::string authorization{};
  // Of one exchange: 1 GiB at 30 Mbit/s.
  absl::Duration patience = absl::Minutes(5);
};

// RFC 7617.
std::string BasicAuthorization(absl::string_view user, absl::string_view password);

// Status codes of HTTP become: Unauthenticated 401; PermissionDenied 403; NotFound 404, 410;
// FailedPrecondition 3xx and other 4xx; Unavailable 429, 503, and everything that HttpClient calls
// so; Internal other 5xx. OutOfRange: an answer longer than its limit. Each sentence names the URL
// and what to do. One thread at a time.
class Dicomweb {
 public:
  static constexpr int kPage = 100;                             // data sets asked for at a time
  static constexpr int kSeriesLimit = 1'000'000;                // of one search
  static constexpr uint64_t kAnswerBytes = uint64_t{64} << 20;  // of JSON
  static constexpr uint64_t kObjectBytes = uint64_t{1} << 30;   // of a retrieved instance
  static constexpr uint64_t kStoreBytes = uint64_t{256} << 20;  // of a stored one

  // InvalidArgument: another form of URL, or http:// to another computer, which would send
  // patients' data and passwords in the clear.
  static absl::StatusOr<std::unique_ptr<Dicomweb>> Create(const DicomwebServer& server);

  using Match = std::vector<std::pair<std::string, std::string>>;  // attribute, value
  // QIDO-RS: all series that match, page by page. `each` sees a series once, whatever the server
  // repeats; an error of it ends the search. ResourceExhausted: more than kSeriesLimit.
  absl::Status SearchSeries(const Match& match,
                            const std::function<absl::Status(const JsonAttributes&)>& each);
  // The first page only.
  absl::StatusOr<std::vector<JsonAttributes>> FirstSeries(const Match& match, int limit);

  // WADO-RS: the instances of a series without their pixels.
  absl::StatusOr<std::vector<JsonAttributes>> Metadata(const std::string& study,
                                                       const std::string& series);
  // WADO-RS: one instance as the server has it, in any transfer syntax, in pieces. Errors of
  // `take` are passed on. DataLoss: the answer is not one whole DICOM object.
  absl::Status Retrieve(const std::string& study, const std::string& series,
                        const std::string& instance,
                        const std::function<absl::Status(absl::string_view)>& take);

  // STOW-RS of one DICOM file. InvalidArgument: longer than kStoreBytes. FailedPrecondition: the
  // server did not store it; the sentence has its reason (PS3.18 table 10.5.3-2).
  absl::Status Store(ByteView file);

  // The server's clock by its last answer; empty: it sent none.
  const std::string& date() const { return date_; }
  // Ends what is under way with Unavailable. From any thread.
  void Cancel() { http_->Cancel(); }

 private:
  Dicomweb(std::unique_ptr<HttpClient> http, std::string root, const DicomwebServer& server)
      : http_(std::move(http)), root_(std::move(root)), server_(server) {}
  // `with_report`: 202 and 409 are answers too, with a list of what was not stored.
  absl::StatusOr<HttpClient::Reply> Ask(HttpClient::Request request, bool with_report = false);
  absl::StatusOr<std::vector<JsonAttributes>> AskJson(const std::string& path);

  const std::unique_ptr<HttpClient> http_;
  const std::string root_;  // path of the services, without '/' at its end
  const DicomwebServer server_;
  std::string date_;
};

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_DICOMWEB_H_

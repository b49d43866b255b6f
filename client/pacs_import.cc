#include "client/pacs_import.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/selection.h"
#include "dicom/gate.h"

namespace hilum::client {
namespace {

using dicom::FirstOf;
using dicom::JsonAttributes;

constexpr const char* kSopInstanceUid = "00080018";
constexpr const char* kStudyUid = "0020000D";
constexpr const char* kSeriesUid = "0020000E";
constexpr uint64_t kSecretLimitBytes = 16 << 10;

absl::StatusOr<std::string> ReadSecret(const std::string& file) {
  std::error_code error;
  const fs::perms others = fs::perms::group_all | fs::perms::others_all;
  const fs::file_status facts = fs::status(file, error);
  if (!error && fs::exists(facts) && (facts.permissions() & others) != fs::perms::none) {
    return absl::PermissionDeniedError(
        absl::StrCat(file, " can be read by others: set its mode to 0600."));
  }
  HILUM_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(file, kSecretLimitBytes));
  return std::string(absl::StripAsciiWhitespace(text));
}

// Faults of the PACS or of this computer, as against those of one object.
bool StopsAll(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsUnauthenticated(status) ||
         absl::IsResourceExhausted(status) || absl::IsCancelled(status);
}

struct Series {
  std::string study;
  std::string uid;
};

class Fetcher {
 public:
  Fetcher(dicom::Dicomweb& pacs, Inbox& inbox, const PacsOptions& options)
      : pacs_(pacs), inbox_(inbox), options_(options) {}

  absl::StatusOr<PacsReport> Run() {
    // All searches before the first object: objects that come meanwhile would move the pages.
    std::vector<Series> selected;
    for (const auto& search : SearchesOf(options_.rules)) {
      HILUM_RETURN_IF_ERROR(pacs_.SearchSeries(search, [&](const JsonAttributes& found) {
        const Series one = {FirstOf(found, kStudyUid), FirstOf(found, kSeriesUid)};
        if (seen_.insert(one.uid).second) {
          ++report_.series;
          const std::string why = WhyNotSeries(options_.rules, found);
          if (why.empty()) selected.push_back(one);
          if (!why.empty()) ++report_.left_out[why];
        }
        return Continue();
      }));
    }
    for (const Series& one : selected) {
      const absl::Status status = TakeSeries(one);
      if (StopsAll(status)) return status;
      if (!status.ok()) ++report_.failed[std::string(status.message())];
    }
    return std::move(report_);
  }

 private:
  absl::Status Continue() const {
    if (options_.cancel == nullptr || !*options_.cancel) return absl::OkStatus();
    return absl::CancelledError(absl::StrCat(
        "stopped after ", report_.fetched,
        " objects; they are in the inbox, and the same command goes on with the others."));
  }

  absl::Status TakeSeries(const Series& series) {
    HILUM_RETURN_IF_ERROR(Continue());
    HILUM_ASSIGN_OR_RETURN(const std::vector<JsonAttributes> instances,
                           pacs_.Metadata(series.study, series.uid));
    const std::string why = WhyNotInstances(options_.rules, instances);
    if (!why.empty()) {
      ++report_.left_out[why];
      return absl::OkStatus();
    }
    ++report_.selected;
    report_.instances += instances.size();
    for (const JsonAttributes& instance : instances) {
      HILUM_RETURN_IF_ERROR(Continue());
      const absl::Status status = TakeInstance(series, FirstOf(instance, kSopInstanceUid));
      if (StopsAll(status)) return status;
      if (!status.ok()) ++report_.failed[std::string(status.message())];
      if (options_.on_progress) options_.on_progress(report_);
    }
    return absl::OkStatus();
  }

  absl::Status TakeInstance(const Series& series, const std::string& sop_uid) {
    if (inbox_.Has(sop_uid)) {
      ++report_.known;
      return absl::OkStatus();
    }
    if (options_.dry_run) return absl::OkStatus();
    const uint64_t left_bytes = inbox_.LeftBytes();
    HILUM_ASSIGN_OR_RETURN(NewFile file, inbox_.Begin());
    uint64_t n_bytes = 0;
    Bytes head;
    HILUM_RETURN_IF_ERROR(pacs_.Retrieve(
        series.study, series.uid, sop_uid, [&](absl::string_view bytes) -> absl::Status {
          HILUM_RETURN_IF_ERROR(Continue());
          n_bytes += bytes.size();
          if (n_bytes > left_bytes) {
            return absl::ResourceExhaustedError(absl::StrCat(
                "the inbox has room for ", left_bytes >> 20,
                " MiB more, which the next object does not fit: raise [import] inbox_gib."));
          }
          const size_t missing =
              dicom::kFileHeadBytes - std::min<uint64_t>(head.size(), dicom::kFileHeadBytes);
          AppendText(head, bytes.substr(0, missing));
          return file.Append(AsBytes(bytes));
        }));
    HILUM_RETURN_IF_ERROR(dicom::CheckPreamble(head));
    HILUM_ASSIGN_OR_RETURN(const bool is_new, inbox_.Take(std::move(file), sop_uid));
    if (is_new) {
      ++report_.fetched;
      report_.bytes += n_bytes;
    }
    return absl::OkStatus();
  }

  dicom::Dicomweb& pacs_;
  Inbox& inbox_;
  const PacsOptions& options_;
  std::set<std::string> seen_;  // series
  PacsReport report_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<dicom::Dicomweb>> OpenDicomweb(const DicomwebOptions& options,
                                                              absl::Duration patience) {
  if (!options.user.empty() && !options.token_file.empty()) {
    return absl::InvalidArgumentError("[dicomweb] names a user and a token_file: name one.");
  }
  if (options.user.empty() != options.password_file.empty()) {
    return absl::InvalidArgumentError("[dicomweb] user and password_file belong together.");
  }
  dicom::DicomwebServer server = {
      .url = options.url, .authorities = options.ca, .patience = patience};
  if (!options.token_file.empty()) {
    HILUM_ASSIGN_OR_RETURN(const std::string token, ReadSecret(options.token_file));
    server.authorization = absl::StrCat("Bearer ", token);
  } else if (!options.user.empty()) {
    HILUM_ASSIGN_OR_RETURN(const std::string password, ReadSecret(options.password_file));
    server.authorization = dicom::BasicAuthorization(options.user, password);
  }
  return dicom::Dicomweb::Create(server);
}

absl::StatusOr<PacsReport> FetchFromPacs(dicom::Dicomweb& pacs, Inbox& inbox,
                                         const PacsOptions& options) {
  return Fetcher(pacs, inbox, options).Run();
}

}  // namespace hilum::client

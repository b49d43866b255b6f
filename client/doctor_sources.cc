#include "client/doctor_sources.h"

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "base/tcp_listener.h"
#include "client/inbox.h"
#include "client/pacs_import.h"
#include "client/receiver.h"
#include "dicom/gate.h"
#include "dicom/peer.h"

namespace hilum::client {
namespace {

using dicom::FirstOf;
using dicom::JsonAttributes;

constexpr int64_t kClockSkewS = 300;
constexpr absl::Duration kPatience = absl::Seconds(20);  // of each exchange with the PACS
constexpr const char* kSopInstanceUid = "00080018";
constexpr const char* kStudyUid = "0020000D";
constexpr const char* kSeriesUid = "0020000E";
// A film; a larger object is not fetched whole for a probe.
constexpr size_t kProbeBytes = 256 << 20;

ProbeResult Of(std::string probe, absl::Status status, std::string detail = "") {
  return {std::move(probe), std::move(status), std::move(detail)};
}

// The sentence with what was probed before it.
absl::Status Within(absl::string_view what, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(what, ": ", status.message()));
}

ProbeResult ProbeInbox(const SiteFolder& folder, uint64_t quota_bytes) {
  const absl::StatusOr<uint64_t> used_bytes = InboxBytes(folder);
  if (!used_bytes.ok()) return Of("inbox", used_bytes.status());
  const std::string used = absl::StrCat(*used_bytes >> 20, " of ", quota_bytes >> 20, " MiB");
  if (*used_bytes < quota_bytes / 10 * 9) return Of("inbox", absl::OkStatus(), used);
  return Of("inbox",
            absl::ResourceExhaustedError(absl::StrCat(
                "the inbox takes ", used, ": raise [import] inbox_gib before it is full.")));
}

// The port must be free, or be ours: then an import receives already.
ProbeResult ProbeScp(const SiteFolder& folder, const ScpOptions& scp) {
  if (absl::Status status = CheckScp(scp); !status.ok()) return Of("scp", std::move(status));
  const absl::StatusOr<TcpListener> listener = TcpListener::Open(scp.listen);
  if (listener.ok()) {
    return Of("scp", absl::OkStatus(),
              absl::StrCat(listener->address(), " is free for `hilum site import scp`"));
  }
  if (absl::IsFailedPrecondition(listener.status()) && IsInboxInUse(folder)) {
    return Of("scp", absl::OkStatus(), "an import receives there now");
  }
  return Of("scp", listener.status());
}

// AE_TITLE@HOST:PORT.
absl::StatusOr<dicom::EchoOptions> ParsePacs(const ScpOptions& scp) {
  const size_t at = scp.pacs.find('@');
  const size_t colon = scp.pacs.rfind(':');
  dicom::EchoOptions echo = {
      .ae_title = scp.ae_title,
      .tls = {.certificate = scp.tls_certificate, .key = scp.tls_key, .authorities = scp.tls_ca}};
  if (at != std::string::npos && colon != std::string::npos && colon > at + 1 &&
      dicom::IsAeTitle(scp.pacs.substr(0, at)) &&
      absl::SimpleAtoi(scp.pacs.substr(colon + 1), &echo.port) && echo.port > 0 &&
      echo.port < 65536) {
    echo.called = scp.pacs.substr(0, at);
    echo.host = scp.pacs.substr(at + 1, colon - at - 1);
    return echo;
  }
  return absl::InvalidArgumentError(absl::StrCat("[scp] pacs is \"", scp.pacs.substr(0, 100),
                                                 "\", it must be AE_TITLE@HOST:PORT."));
}

void ProbeEcho(const ScpOptions& scp, std::vector<ProbeResult>& findings) {
  if (scp.pacs.empty()) return;
  const absl::StatusOr<dicom::EchoOptions> echo = ParsePacs(scp);
  const absl::Status status = echo.ok() ? dicom::Echo(*echo) : echo.status();
  findings.push_back(status.ok() ? Of("echo", status, absl::StrCat(scp.pacs, " answers C-ECHO"))
                                 : Of("echo", Within(scp.pacs, status)));
}

ProbeResult ProbePacsClock(const std::string& date, int64_t now_s) {
  absl::Time time;
  std::string ignored;
  // RFC 9110 section 5.6.7.
  if (!absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", date, &time, &ignored)) {
    return Of("pacs clock", absl::OkStatus(), "the PACS does not say its time");
  }
  const int64_t skew = absl::ToUnixSeconds(time) - now_s;
  if (std::llabs(skew) <= kClockSkewS) {
    return Of("pacs clock", absl::OkStatus(), absl::StrCat(skew, " s from the PACS's"));
  }
  return Of("pacs clock", absl::FailedPreconditionError(
                              absl::StrCat("the PACS's clock is ", skew, " s ahead of this one, ",
                                           kClockSkewS, " s are allowed: set up NTP on both.")));
}

// One object of the first series that the PACS names, through retrieval and safety gate.
void ProbeObject(dicom::Dicomweb& pacs, const JsonAttributes& series,
                 std::vector<ProbeResult>& findings) {
  const std::string study_uid = FirstOf(series, kStudyUid);
  const std::string series_uid = FirstOf(series, kSeriesUid);
  const absl::StatusOr<std::vector<JsonAttributes>> instances =
      pacs.Metadata(study_uid, series_uid);
  if (!instances.ok()) {
    findings.push_back(Of("wado", instances.status()));
    return;
  }
  Bytes file;
  const absl::Status fetched =
      instances->empty()
          ? absl::NotFoundError("the PACS names a series and no object of it")
          : pacs.Retrieve(study_uid, series_uid, FirstOf(instances->front(), kSopInstanceUid),
                          [&](absl::string_view bytes) -> absl::Status {
                            if (file.size() + bytes.size() > kProbeBytes) {
                              return absl::OutOfRangeError("the object is too long for a probe");
                            }
                            AppendText(file, bytes);
                            return absl::OkStatus();
                          });
  findings.push_back(fetched.ok()
                         ? Of("wado", fetched, absl::StrCat(file.size() >> 10, " KiB fetched"))
                         : Of("wado", fetched));
  if (!fetched.ok()) return;
  const absl::StatusOr<dicom::GateReport> gate = dicom::CheckFile(file);
  findings.push_back(gate.ok() ? Of("codec", absl::OkStatus(),
                                    absl::StrCat("objects come as ", gate->syntax->name))
                               : Of("codec", gate.status()));
}

void ProbeDicomweb(const DicomwebOptions& options, int64_t now_s,
                   std::vector<ProbeResult>& findings) {
  if (options.url.empty()) return;
  const absl::StatusOr<std::unique_ptr<dicom::Dicomweb>> pacs = OpenDicomweb(options, kPatience);
  if (!pacs.ok()) {
    findings.push_back(Of("qido", pacs.status()));
    return;
  }
  const absl::StatusOr<std::vector<JsonAttributes>> series = (*pacs)->FirstSeries({}, 1);
  if (!series.ok()) {
    findings.push_back(Of("qido", series.status()));
    return;
  }
  findings.push_back(
      Of("qido", absl::OkStatus(),
         absl::StrCat(options.url, series->empty() ? " answers and holds nothing" : " answers")));
  findings.push_back(ProbePacsClock((*pacs)->date(), now_s));
  if (!series->empty()) ProbeObject(**pacs, series->front(), findings);
}

}  // namespace

std::vector<ProbeResult> DiagnoseSources(const SiteFolder& folder, const SourceOptions& options,
                                         int64_t now_s) {
  std::vector<ProbeResult> findings;
  const bool listens = !options.scp.callers.empty() || !options.scp.peers.empty();
  if (listens || !options.dicomweb.url.empty()) {
    findings.push_back(ProbeInbox(folder, options.inbox_bytes));
  }
  if (listens) findings.push_back(ProbeScp(folder, options.scp));
  ProbeEcho(options.scp, findings);
  ProbeDicomweb(options.dicomweb, now_s, findings);
  return findings;
}

}  // namespace hilum::client

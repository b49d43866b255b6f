#include "cli/site_pacs_output.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/clock.h"
#include "cli/output.h"

namespace hilum::cli {
namespace {

using nlohmann::ordered_json;

// "3 series: the view is not one of the rules'".
std::string Reasons(const std::map<std::string, uint64_t>& reasons, absl::string_view what) {
  std::string text;
  for (const auto& [reason, n] : reasons) {
    absl::StrAppend(&text, "  ", n, " ", what, ": ", Printable(reason), "\n");
  }
  return text;
}

// Why an association ended before its time, and what to do.
std::string EndText(const dicom::ReceiveReport& report) {
  if (report.end == "calling AE title") {
    return absl::StrCat(
        "turned away: ", report.caller.empty() ? "its AE title" : Printable(report.caller),
        " is not one of [scp] callers");
  }
  if (report.end == "called AE title") return "turned away: it called another AE title than ours";
  if (report.end == "SOP class") return "turned away: it offers nothing that this site takes";
  if (report.end == "limit" || report.end == "time") {
    return "ended: it sent more, or took longer, than one association may";
  }
  if (report.end == "silent") return "ended: it said nothing more";
  if (report.end == "TLS") return "ended: no TLS, or a certificate that [scp] tls_ca did not sign";
  if (report.end == "protocol") return "ended: it broke the DICOM protocol";
  if (report.end == "no file") return "ended: there is no room for its objects";
  if (report.end == "crashed") return "ended: the process that spoke with it crashed";
  return report.end;
}

}  // namespace

ordered_json PacsJson(const client::PacsReport& report) {
  return {{"series", report.series},     {"selected", report.selected},
          {"left_out", report.left_out}, {"objects", report.instances},
          {"fetched", report.fetched},   {"known", report.known},
          {"bytes", report.bytes},       {"failed", report.failed}};
}

std::string PacsText(const client::PacsReport& report, bool dry_run) {
  return absl::StrCat(report.series, " series found, ", report.selected, " selected\n",
                      Reasons(report.left_out, "series"),
                      dry_run ? "dry run, nothing was fetched: " : "", report.instances,
                      " objects, of which ", report.fetched, " fetched (",
                      FormatBytes(static_cast<double>(report.bytes)), "), ", report.known,
                      " known before\n", Reasons(report.failed, "not fetched"));
}

ordered_json ReceiverJson(const client::ReceiverEvent& event) {
  if (event.turned_away) return {{"event", "turned-away"}, {"peer", event.peer}};
  return {{"event", "association"},          {"peer", event.peer},
          {"caller", event.report.caller},   {"stored", event.report.stored},
          {"refused", event.report.refused}, {"end", event.report.end}};
}

std::string ReceiverText(const client::ReceiverEvent& event) {
  const std::string head =
      absl::StrCat(FormatUtc(SystemClock().NowSeconds()), " ", event.peer, " ");
  if (event.turned_away) {
    return absl::StrCat(head, "turned away: not one of [scp] peers, or the inbox is full\n");
  }
  const dicom::ReceiveReport& report = event.report;
  std::string text = absl::StrCat(head, Printable(report.caller), " ", report.stored, " stored, ",
                                  report.refused.size(), " refused");
  if (!report.refused.empty()) {
    std::map<std::string, int> codes;
    for (const std::string& code : report.refused) ++codes[code];
    absl::StrAppend(&text, " (", absl::StrJoin(codes, ", ", absl::PairFormatter(" ")), ")");
  }
  return absl::StrCat(text, ", ", EndText(report), "\n");
}

}  // namespace hilum::cli

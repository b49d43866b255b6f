#include "dicom/gate.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "dicom/gate_inflate.h"
#include "dicom/gate_pixels.h"
#include "dicom/gate_scan.h"
#include "dicom/refusal.h"

namespace hilum::dicom {
namespace {

constexpr uint64_t kPreambleBytes = 128;
constexpr uint64_t kMetaAt = kPreambleBytes + 4;
constexpr uint32_t kTransferSyntaxUid = 0x00020010;
constexpr int64_t kMetaElements = 64;  // PS3.10 table 7.1-1 has 15

struct Meta {
  std::string transfer_syntax;
  uint64_t end = kMetaAt;  // where the data set begins
};

// A UID of the standard itself: 1.2.840.10008, then digits and dots. Any other UID could carry an
// identifier, so no message repeats it.
std::string StandardUid(absl::string_view uid) {
  constexpr absl::string_view kRoot = "1.2.840.10008.";
  while (!uid.empty() && (uid.back() == '\0' || uid.back() == ' ')) uid.remove_suffix(1);
  if (uid.size() > 64 || uid.substr(0, kRoot.size()) != kRoot) return "";
  const bool digits = uid.find_first_not_of("0123456789.") == absl::string_view::npos;
  return digits ? std::string(uid) : "";
}

// The file meta information: group 0002, always explicit VR little endian (PS3.10 section 7.1).
absl::StatusOr<Meta> ReadMeta(ByteView file) {
  HILUM_RETURN_IF_ERROR(CheckPreamble(file));
  Meta meta;
  for (int64_t n = 0; meta.end + 8 <= file.size(); ++n) {
    if (Load16(file, meta.end, false) != 2) break;
    if (n == kMetaElements) {
      return Refuse(Refusal::kElements, absl::StrCat("the file meta information has more than ",
                                                     kMetaElements, " elements"));
    }
    HILUM_ASSIGN_OR_RETURN(const ElementHead head, ReadHead(file, meta.end, file.size(), {}));
    if (head.length > file.size() - head.value_at) {
      return Refuse(Refusal::kLength,
                    absl::StrCat("a file meta element at byte ", meta.end, " announces ",
                                 head.length, " bytes, the file ends at byte ", file.size()));
    }
    if (head.tag == kTransferSyntaxUid) {
      meta.transfer_syntax = std::string(AsText(file.subspan(head.value_at, head.length)));
    }
    meta.end = head.value_at + head.length;
  }
  return meta;
}

absl::StatusOr<const Syntax*> KnownSyntax(const Meta& meta) {
  const std::string uid = StandardUid(meta.transfer_syntax);
  const Syntax* const syntax = FindSyntax(uid);
  if (syntax != nullptr) return syntax;
  if (uid.empty()) {
    return Refuse(Refusal::kTransferSyntax, "the file states no transfer syntax of the standard");
  }
  return Refuse(Refusal::kTransferSyntax, absl::StrCat("transfer syntax ", uid,
                                                       " is not read; docs/dicom.md lists those "
                                                       "that are"));
}

// Explicit or implicit VR, as the first element shows it.
bool IsExplicit(ByteView data_set, const Syntax& syntax) {
  if (!syntax.explicit_vr || data_set.size() < 8) return syntax.explicit_vr;
  return IsVr(reinterpret_cast<const char*>(data_set.data()) + 4);
}

// Fills in all of `report` that follows from the scan.
absl::Status Describe(const ScanResult& scan, ByteView data, const GateLimits& limits,
                      GateReport& report) {
  report.header_bytes = scan.header_bytes;
  report.n_elements = scan.n_elements;
  report.deepest_nesting = scan.deepest_nesting;
  report.has_pixels = scan.end == ScanEnd::kPixels;
  if (!report.has_pixels) return absl::OkStatus();
  HILUM_RETURN_IF_ERROR(DescribePixels(scan, limits, report));
  if (report.syntax->codec == Codec::kNative) return LocateNative(scan, data, limits, report);
  return LocateFragments(scan, data, limits, report);
}

}  // namespace

absl::Status CheckPreamble(ByteView head) {
  if (head.size() >= kMetaAt && AsText(head.subspan(kPreambleBytes, 4)) == "DICM") {
    return absl::OkStatus();
  }
  return Refuse(Refusal::kNoPreamble,
                "the file does not begin with 128 bytes and DICM: it is not a DICOM file");
}

absl::StatusOr<SafeFile> OpenFile(ByteView file, const GateLimits& limits) {
  if (file.size() > limits.file_bytes) {
    return Refuse(Refusal::kFileSize, absl::StrCat("the file has ", file.size(),
                                                   " bytes, the limit is ", limits.file_bytes));
  }
  HILUM_ASSIGN_OR_RETURN(const Meta meta, ReadMeta(file));
  SafeFile safe;
  GateReport& report = safe.report_;
  HILUM_ASSIGN_OR_RETURN(report.syntax, KnownSyntax(meta));
  safe.stored_ = file.subspan(meta.end);
  if (report.syntax->deflated) {
    HILUM_ASSIGN_OR_RETURN(safe.inflated_, InflateDataSet(safe.stored_, *report.syntax, limits));
    safe.stored_ = {};
  }
  report.explicit_vr = IsExplicit(safe.data_set(), *report.syntax);
  if (report.syntax->big_endian && !report.explicit_vr) {
    return Refuse(Refusal::kTransferSyntax,
                  "the syntax is explicit VR big endian and the data set has implicit VR, which "
                  "DICOM knows in little endian only");
  }
  if (report.explicit_vr != report.syntax->explicit_vr) {
    report.warnings.push_back("the syntax announces explicit VR, the data set has implicit VR");
  }
  const Encoding encoding{.explicit_vr = report.explicit_vr,
                          .big_endian = report.syntax->big_endian};
  HILUM_ASSIGN_OR_RETURN(const ScanResult scan,
                         Scan(safe.data_set(), /*complete=*/true, encoding, limits));
  HILUM_RETURN_IF_ERROR(Describe(scan, safe.data_set(), limits, report));
  return safe;
}

absl::StatusOr<GateReport> CheckFile(ByteView file, const GateLimits& limits) {
  HILUM_ASSIGN_OR_RETURN(const SafeFile safe, OpenFile(file, limits));
  return safe.report();
}

std::string PeekTransferSyntax(ByteView file) {
  const absl::StatusOr<Meta> meta = ReadMeta(file);
  return meta.ok() ? StandardUid(meta->transfer_syntax) : "";
}

}  // namespace hilum::dicom

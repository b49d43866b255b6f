// `hilum-dicom report`: which files below a folder a profile takes, and what to do about the rest.
#ifndef HILUM_CLI_DICOM_REPORT_H_
#define HILUM_CLI_DICOM_REPORT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace hilum::cli {

struct ReportFlags {
  std::vector<std::string> files;
  std::string profile = "cxr224";
  std::string list;  // a CSV file for the refused files; "" for none
  int threads = 0;   // 0: one a core
  bool json = false;
};

// Judges each file in the sandboxed worker and prints the codes with their numbers and advice, the
// quarantined files, and how often each branch of docs/dicom.md was taken. Refused files are what
// the report is about: they do not fail it. NotFound, InvalidArgument: usage. Unavailable: no
// worker. Errors of writing `list`.
absl::Status RunReport(const ReportFlags& flags);

}  // namespace hilum::cli

#endif  // HILUM_CLI_DICOM_REPORT_H_

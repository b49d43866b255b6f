// `hilum-site evaluate` and `incident`: what a site says in the ledger of its own accord.
#ifndef HILUM_CLI_SITE_REPORT_H_
#define HILUM_CLI_SITE_REPORT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace hilum::cli {

struct SiteReportFlags {
  std::string dir;
  bool json = false;
  std::string model;     // evaluate: released model folder
  std::string data;      // evaluate: films and labels.csv
  bool dry_run = false;  // evaluate: computes, logs nothing
  std::string kind;      // incident
  std::string about;
  std::string study;
  uint64_t round = 0;
  std::string evidence;  // incident: file
};

absl::Status RunEvaluate(const SiteReportFlags& flags);
absl::Status RunIncident(const SiteReportFlags& flags);

}  // namespace hilum::cli

#endif  // HILUM_CLI_SITE_REPORT_H_

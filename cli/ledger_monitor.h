// `hilum-ledger monitor`.
#ifndef HILUM_CLI_LEDGER_MONITOR_H_
#define HILUM_CLI_LEDGER_MONITOR_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace hilum::cli {

struct MonitorFlags {
  std::string from;    // URL: where the log is served
  std::string vkey;    // --vkey
  std::string policy;  // --policy: a tlog-policy file; "": none
  std::string state;   // --state: a folder; "": nothing is remembered
  uint64_t interval_s = 60;
  bool once = false;
  bool json = false;
};

// Follows the log until SIGTERM or SIGINT, or looks once. DataLoss: the log contradicts itself or
// does not verify. With --once also PermissionDenied: the policy is not met, and Unavailable; else
// both are reported and looked at again.
absl::Status RunMonitor(const MonitorFlags& flags);

}  // namespace hilum::cli

#endif  // HILUM_CLI_LEDGER_MONITOR_H_

// hilum job watch: shows a job live until it is settled or Ctrl-C.
#ifndef HILUM_CLI_JOB_WATCH_H_
#define HILUM_CLI_JOB_WATCH_H_

#include <string>

#include "absl/status/status.h"
#include "cli/job_rpc.h"

namespace hilum::cli {

struct WatchOptions {
  std::string job;
  bool json = false;              // one line of JSON for each status
  bool fail_unless_done = false;  // Aborted when the job ends paused, failed or cancelled
};

// A page that redraws itself on a terminal, else a line for each change. A server that goes away
// is waited for, two minutes at most. Ctrl-C ends the watching, not the job: OK, and a line that
// says so. Errors: as JobClient::Watch.
absl::Status Watch(JobClient& client, const WatchOptions& options);

}  // namespace hilum::cli

#endif  // HILUM_CLI_JOB_WATCH_H_

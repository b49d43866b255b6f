// hilum job watch: shows a job live until it is settled or Ctrl-C.
#ifndef HILUM_CLI_JOB_WATCH_H_
#define HILUM_CLI_JOB_WATCH_H_

#include <string>

#include "absl/status/status.h"
#include "cli/job_rpc.h"

namespace hilum::cli {

struct WatchOptions {
  std::string job;
  bool json = false;  // one line of JSON for each status
};

// A page that redraws itself on a terminal, else a line for each change. A server that goes away
// is waited for, two minutes at most. Ctrl-C ends the watching, not the job: OK, and a line that
// says so. Aborted: the job is paused, failed or cancelled; the sentence has the server's reason,
// and for a paused job how to go on. Other errors: as JobClient::Watch.
absl::Status Watch(JobClient& client, const WatchOptions& options);

}  // namespace hilum::cli

#endif  // HILUM_CLI_JOB_WATCH_H_

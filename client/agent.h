// The agent of `hilum site run`: hears of jobs and rounds, takes part in those that are approved.
#ifndef HILUM_CLIENT_AGENT_H_
#define HILUM_CLIENT_AGENT_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/site_folder.h"

namespace hilum::client {

// Something a person or program may want to hear of: ready, connected, disconnected, job_offered,
// job_answered, round_started, round_ended, round_checked (how a round counted this site, and how
// it was verified), alarm (a check failed, or a round was closed without this site: with what to
// do), witnessing, not_witnessing (the server asks this site's witness, or why not), and waiting:
// for something that may mend, such as a full disk, once until it has mended. The fields are names
// and text values. One at a time, from any thread of the agent.
struct AgentEvent {
  std::string event;
  std::vector<std::pair<std::string, std::string>> fields;
};

// Level-triggered: every snapshot of the server is whole, so an agent that was away, or was killed
// in the middle of a round, goes on from the next one. Opens outbound connections only.
class Agent {
 public:
  // Takes the folder's lock. FailedPrecondition: another agent runs, or the site has not joined.
  // DataLoss, PermissionDenied: a key or the database is damaged, or readable by others.
  static absl::StatusOr<std::unique_ptr<Agent>> Open(
      SiteFolder folder, SiteOptions options, std::function<void(const AgentEvent&)> on_event);
  ~Agent();

  // Runs until `stop` is set (OK), or until the server says that this program or member will never
  // be served: FailedPrecondition (another protocol version), PermissionDenied (no member, or no
  // longer). An unreachable server is no end: the agent tries again, after 5 s at the latest; nor
  // is a full disk: what could not be written is tried again every 2 s.
  absl::Status Run(const std::atomic<bool>& stop);

 private:
  struct Impl;
  explicit Agent(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hilum::client

#endif  // HILUM_CLIENT_AGENT_H_

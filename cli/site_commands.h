// The verbs of hilum-site.
#ifndef HILUM_CLI_SITE_COMMANDS_H_
#define HILUM_CLI_SITE_COMMANDS_H_

#include <string>

#include "absl/status/status.h"

namespace hilum::cli {

struct SiteFlags {
  std::string dir;  // the site's folder
  bool json = false;
  std::string token;  // join
  std::string server;
  std::string source;  // policy, release: a file
  std::string job;     // approve, deny
  std::string reason;
  bool print_config = false;  // run
  bool all = false;           // studies: the accepted ones too
  std::string by;             // release: who looked at the film
};

absl::Status RunJoin(const SiteFlags& flags);
absl::Status RunAgent(const SiteFlags& flags);
absl::Status RunPolicy(const SiteFlags& flags);
absl::Status RunStatus(const SiteFlags& flags);
absl::Status RunApprove(const SiteFlags& flags);
absl::Status RunDeny(const SiteFlags& flags);
absl::Status RunStudies(const SiteFlags& flags);
absl::Status RunRelease(const SiteFlags& flags);
absl::Status RunDoctor(const SiteFlags& flags);

}  // namespace hilum::cli

#endif  // HILUM_CLI_SITE_COMMANDS_H_

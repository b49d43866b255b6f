// A site's folder as its verbs open it.
#ifndef HILUM_CLI_SITE_OPEN_H_
#define HILUM_CLI_SITE_OPEN_H_

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "client/site_folder.h"
#include "client/state.h"

namespace hilum::cli {

// A site that has joined.
struct OpenSite {
  client::SiteFolder folder;
  client::SiteOptions options;
  std::unique_ptr<client::State> state;
};
// Errors of ReadSiteConfig and State::Open.
absl::StatusOr<OpenSite> OpenJoinedSite(const std::string& dir);

// From now on SIGINT and SIGTERM set the flag instead of ending the program.
const std::atomic<bool>& StopOnSignals();

}  // namespace hilum::cli

#endif  // HILUM_CLI_SITE_OPEN_H_

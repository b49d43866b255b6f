#include "cli/site_open.h"

#include <csignal>

#include "base/status_macros.h"
#include "cli/site_config.h"

namespace hilum::cli {
namespace {

std::atomic<bool> stop_asked = false;

void AskToStop(int) { stop_asked = true; }

}  // namespace

absl::StatusOr<OpenSite> OpenJoinedSite(const std::string& dir) {
  OpenSite site;
  site.folder.root = dir;
  HILUM_ASSIGN_OR_RETURN(site.options, ReadSiteConfig(site.folder));
  HILUM_ASSIGN_OR_RETURN(site.state, client::State::Open(site.folder.database()));
  return site;
}

const std::atomic<bool>& StopOnSignals() {
  std::signal(SIGINT, AskToStop);
  std::signal(SIGTERM, AskToStop);
  return stop_asked;
}

}  // namespace hilum::cli

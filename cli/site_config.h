// site.toml -> the site's options (docs/site.md).
#ifndef HILUM_CLI_SITE_CONFIG_H_
#define HILUM_CLI_SITE_CONFIG_H_

#include <string>

#include <nlohmann/json.hpp>
#include "absl/status/statusor.h"
#include "client/site_folder.h"

namespace hilum::cli {

// NotFound: no site.toml, so the folder has not joined. InvalidArgument: not TOML, an unknown or
// missing key, a wrong type or a value out of its range; the sentence has file, line, key, value
// and what is allowed. The environment's HILUM_SERVER replaces [site] server.
absl::StatusOr<client::SiteOptions> ReadSiteConfig(const client::SiteFolder& folder);
// The same for text in memory; `file` is its name in messages.
absl::StatusOr<client::SiteOptions> ParseSiteConfig(const std::string& file,
                                                    const std::string& text);

// The effective values as site.toml, for --print-config.
std::string PrintSiteConfig(const client::SiteOptions& options);
nlohmann::ordered_json SiteConfigJson(const client::SiteOptions& options);

}  // namespace hilum::cli

#endif  // HILUM_CLI_SITE_CONFIG_H_

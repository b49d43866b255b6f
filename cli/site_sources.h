// [scp], [dicomweb] and [import] inbox_gib of site.toml, and the rule file (docs/pacs.md).
#ifndef HILUM_CLI_SITE_SOURCES_H_
#define HILUM_CLI_SITE_SOURCES_H_

#include <string>

#include <nlohmann/json.hpp>
#include "absl/status/statusor.h"
#include "base/file.h"
#include "cli/toml_reader.h"
#include "client/sources.h"

namespace hilum::cli {

// The sections [scp] and [dicomweb]. The caller finishes the reader.
void ReadSources(TomlReader& reader, client::SourceOptions& options);
std::string PrintSources(const client::SourceOptions& options);
nlohmann::ordered_json ScpJson(const client::ScpOptions& scp);
nlohmann::ordered_json DicomwebJson(const client::DicomwebOptions& dicomweb);

// InvalidArgument: as TomlReader; a bound above its other bound; a date that is none. Without a
// `modalities` key the rules take CR and DX, what the models read. NotFound: no such file.
absl::StatusOr<client::SelectionRules> ReadRules(const fs::path& file);
absl::StatusOr<client::SelectionRules> ParseRules(const std::string& file, const std::string& text);

}  // namespace hilum::cli

#endif  // HILUM_CLI_SITE_SOURCES_H_

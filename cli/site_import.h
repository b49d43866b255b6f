// hilum site import and send: studies in, result objects out.
#ifndef HILUM_CLI_SITE_IMPORT_H_
#define HILUM_CLI_SITE_IMPORT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace hilum::cli {

struct SiteImportFlags {
  std::string dir;  // the site's folder
  bool json = false;
  std::string source;   // a folder, scp, dicomweb or dicomweb+https://...
  std::string rules;    // file; empty: rules.toml of the site, where there is one
  bool forget = false;  // drop a folder
  bool dry_run = false;
  std::vector<std::string> files;  // send
};

// A folder: takes it up. dicomweb: fetches what the rules select into the inbox, then takes the
// inbox up. scp: receives until Ctrl-C and takes up what has come.
absl::Status RunImport(const SiteImportFlags& flags);
// Stores DICOM files in the PACS of [dicomweb].
absl::Status RunSend(const SiteImportFlags& flags);

}  // namespace hilum::cli

#endif  // HILUM_CLI_SITE_IMPORT_H_

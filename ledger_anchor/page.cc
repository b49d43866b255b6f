#include "ledger_anchor/page.h"

#include <string>

#include "absl/strings/match.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace hilum::ledger_anchor {

absl::string_view PageType(absl::string_view path) {
  if (absl::EndsWith(path, ".js")) return "text/javascript; charset=utf-8";
  if (absl::EndsWith(path, ".css")) return "text/css; charset=utf-8";
  return "text/html; charset=utf-8";
}

absl::string_view PageSecurityPolicy() {
  return "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
         "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
         "require-trusted-types-for 'script'; trusted-types 'none'";
}

absl::Status WritePage(const fs::path& folder) {
  for (const PageFile& file : PageFiles()) {
    const fs::path path = folder / std::string(file.path);
    HILUM_RETURN_IF_ERROR(MakeFolder(path.parent_path()));
    HILUM_RETURN_IF_ERROR(WriteFileDurably(path, AsBytes(file.bytes)));
  }
  return absl::OkStatus();
}

}  // namespace hilum::ledger_anchor

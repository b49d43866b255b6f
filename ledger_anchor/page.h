// The HTML page of the ledger for people (web/), as files that a program serves or writes. The page
// reads the served files beside itself and checks them in the browser; it gets nothing else.
#ifndef HILUM_LEDGER_ANCHOR_PAGE_H_
#define HILUM_LEDGER_ANCHOR_PAGE_H_

#include <filesystem>
#include <span>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace hilum::ledger_anchor {

struct PageFile {
  absl::string_view path;   // "ledger.html", "ledger/main.js"
  absl::string_view bytes;  // UTF-8 text
};

// All files of the page. They live as long as the program.
std::span<const PageFile> PageFiles();

// The media type of a page's file, by its name.
absl::string_view PageType(absl::string_view path);

// Content-Security-Policy of the page where a server can send one: scripts, styles and connections
// of its own origin only, no inline code, no text that becomes markup, no frame around it.
absl::string_view PageSecurityPolicy();

// Writes the page into `folder`. Errors: as WriteFileDurably.
absl::Status WritePage(const std::filesystem::path& folder);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_PAGE_H_

// Where a reader gets a log's files from: a folder, an HTTP server, or a test.
#ifndef HILUM_LEDGER_ANCHOR_FETCH_H_
#define HILUM_LEDGER_ANCHOR_FETCH_H_

#include <cstdint>
#include <filesystem>
#include <functional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"

namespace hilum::ledger_anchor {

// Gives the file at `path` ("checkpoint", "tile/0/000"). NotFound: there is none.
// ResourceExhausted: longer than `limit_bytes`. Unavailable: the other side cannot be reached.
using Fetch = std::function<absl::StatusOr<Bytes>(absl::string_view path, uint64_t limit_bytes)>;

Fetch FolderFetch(std::filesystem::path folder);

// `url` is http://host[:port][/prefix] or https://…. InvalidArgument: another form.
absl::StatusOr<Fetch> HttpFetch(absl::string_view url);

// A URL, or a folder: the log folder itself, or a state folder that holds ledger/log or log.
// NotFound: the folder holds no checkpoint.
absl::StatusOr<Fetch> FetchFrom(absl::string_view url_or_folder);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_FETCH_H_

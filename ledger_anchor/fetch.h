// Where a reader gets a log's files from: a folder, an HTTP server, or a test.
#ifndef HILUM_LEDGER_ANCHOR_FETCH_H_
#define HILUM_LEDGER_ANCHOR_FETCH_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>

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

// Gives an object of the store, hashed again. NotFound, ResourceExhausted, Unavailable as Fetch;
// DataLoss: the bytes are not what their name says.
using ObjectFetch =
    std::function<absl::StatusOr<Bytes>(const Digest& digest, uint64_t limit_bytes)>;

struct LedgerPlace {
  Fetch fetch;
  Fetch fetch_anchor;                            // of anchors/, beside the log's folder
  ObjectFetch fetch_object;                      // empty: no store beside this ledger
  std::optional<std::filesystem::path> served;   // the log's folder; absent for a URL
  std::optional<std::filesystem::path> objects;  // the store's folder; absent for a URL
  // The folder of sealed copies (age v1): a store too. Absent: none is at hand.
  std::optional<std::filesystem::path> sealed;
};

// Finds the log and the store that belongs to it. `url_or_folder` is a server's HTTP address, or
// that of an export which any HTTP server serves as it lies; or the log's folder itself; or the
// folder above it: a server's state folder (ledger/log, objects) or an export (log, objects).
// NotFound: the folder holds no checkpoint. InvalidArgument: the URL.
absl::StatusOr<LedgerPlace> LocateLedger(absl::string_view url_or_folder);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_FETCH_H_

#include "ledger_anchor/fsck.h"

#include <algorithm>
#include <functional>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/system_error.h"
#include "ledger_anchor/store.h"
#include "ledger_anchor/tiles.h"

namespace hilum::ledger_anchor {
namespace {

// Calls `visit` with each regular file's path relative to `folder`.
absl::Status ForEachFile(const fs::path& folder,
                         const std::function<void(const std::string&)>& visit) {
  std::error_code error;
  fs::recursive_directory_iterator it(folder, error);
  for (const fs::recursive_directory_iterator end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (!it->is_directory(ignored)) visit(it->path().lexically_relative(folder).string());
  }
  if (!error) return absl::OkStatus();
  return SystemUnavailable(
      absl::StrCat("cannot read the folder ", folder.string(), ": ", error.message()));
}

// The bytes that a tile or bundle must have; absent when the log has no such tile.
std::optional<Bytes> ExpectedBytes(const LogView& view, const TileId& tile) {
  const uint64_t first = tile.index * kTileWidth;
  const auto width = static_cast<uint64_t>(tile.width);
  const HashSpan level = view.hashes.level(std::max(tile.level, 0));
  if (tile.index > level.size() / kTileWidth || first + width > level.size()) return std::nullopt;
  if (tile.level != kEntriesLevel) return EncodeTile(level.subspan(first, width));
  std::vector<std::string> texts;
  for (uint64_t i = first; i < first + width; ++i) texts.push_back(view.entries[i].text);
  return EncodeBundle(texts);
}

// What is wrong with the file; empty when nothing is.
std::string FaultOf(const LogView& view, const fs::path& served, const std::string& path) {
  if (path == "checkpoint") return "";
  const absl::StatusOr<TileId> tile = ParseTilePath(path);
  if (!tile.ok()) return "is no file of a log";
  const std::optional<Bytes> expected = ExpectedBytes(view, *tile);
  if (!expected) return absl::StrCat("is beyond the ", view.entries.size(), " entries");
  const absl::StatusOr<Bytes> bytes = ReadFile(served / path, kBundleLimitBytes);
  if (!bytes.ok()) return std::string(bytes.status().message());
  return *bytes == *expected ? "" : "differs from what the entries give";
}

}  // namespace

absl::StatusOr<FsckReport> CheckServedFolder(const LogView& view,
                                             const std::filesystem::path& served) {
  FsckReport report;
  HILUM_RETURN_IF_ERROR(ForEachFile(served, [&](const std::string& path) {
    ++report.n_files;
    const std::string fault = FaultOf(view, served, path);
    if (!fault.empty()) report.faults.push_back(absl::StrCat(path, " ", fault));
  }));
  std::sort(report.faults.begin(), report.faults.end());
  return report;
}

absl::Status CheckStore(const std::filesystem::path& objects, FsckReport& report) {
  const Store store = Store::OpenForReading(objects);
  HILUM_RETURN_IF_ERROR(ForEachFile(objects / "sha256", [&](const std::string& path) {
    ++report.n_objects;
    std::string hex = path;
    hex.erase(std::remove(hex.begin(), hex.end(), '/'), hex.end());
    const absl::StatusOr<Digest> digest = DigestFromHex(hex);
    const absl::Status status = digest.ok() ? store.Check(*digest) : digest.status();
    if (status.ok()) return;
    report.faults.push_back(
        absl::StrCat(objects.filename().string(), "/sha256/", path, ": ", status.message()));
  }));
  std::sort(report.faults.begin(), report.faults.end());
  return absl::OkStatus();
}

}  // namespace hilum::ledger_anchor

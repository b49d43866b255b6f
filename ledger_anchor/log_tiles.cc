#include "ledger_anchor/log_tiles.h"

#include <algorithm>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/system_error.h"

namespace hilum::ledger_anchor {

absl::Status TileWriter::Write(const fs::path& path, ByteView bytes) const {
  const fs::path temporary = temporary_ / "tile";
  std::error_code error;
  {
    HILUM_ASSIGN_OR_RETURN(AppendFile file, AppendFile::Open(temporary, 0));
    HILUM_RETURN_IF_ERROR(file.Append(bytes));
  }
  fs::rename(temporary, path, error);
  if (error == std::errc::no_such_file_or_directory) {
    HILUM_RETURN_IF_ERROR(MakeFolder(path.parent_path()));
    fs::rename(temporary, path, error);
  }
  if (!error) return absl::OkStatus();
  return SystemUnavailable(absl::StrCat("cannot write ", path.string(), ": ", error.message()));
}

void TileWriter::RemovePartial(const TileId& full) const {
  fs::path partial = served_ / TilePath(full);
  partial += ".p";
  std::error_code error;  // a partial tile that stays is no harm
  fs::remove_all(partial, error);
}

absl::Status TileWriter::WriteTile(const TileId& tile, HashSpan level) const {
  const HashSpan hashes = level.subspan(tile.index * kTileWidth, static_cast<size_t>(tile.width));
  HILUM_RETURN_IF_ERROR(Write(served_ / TilePath(tile), EncodeTile(hashes)));
  if (tile.width == kTileWidth) RemovePartial(tile);
  return absl::OkStatus();
}

absl::Status TileWriter::WriteTiles(const TreeHashes& hashes, uint64_t old_size) const {
  for (int l = 0; l < hashes.n_levels(); ++l) {
    const HashSpan level = hashes.level(l);
    const uint64_t old_hashes = 8 * l >= 64 ? 0 : old_size >> (8 * l);
    if (level.size() == old_hashes) break;  // the levels above did not change either
    for (uint64_t first = old_hashes / kTileWidth * kTileWidth; first < level.size();
         first += kTileWidth) {
      const auto width = static_cast<int>(std::min<uint64_t>(kTileWidth, level.size() - first));
      HILUM_RETURN_IF_ERROR(WriteTile({l, first / kTileWidth, width}, level));
    }
  }
  return absl::OkStatus();
}

absl::Status TileWriter::RewriteTiles(const TreeHashes& hashes, uint64_t first_leaf) const {
  for (int l = 0; l < hashes.n_levels(); ++l) {
    for (const TileId& tile : TilesOfLevel(l, hashes.size())) {
      if (l == 0 && tile.index < first_leaf / kTileWidth) continue;
      HILUM_RETURN_IF_ERROR(WriteTile(tile, hashes.level(l)));
    }
  }
  return absl::OkStatus();
}

absl::Status TileWriter::WriteBundle(uint64_t index,
                                     const std::vector<std::string>& entries) const {
  const TileId bundle{kEntriesLevel, index, static_cast<int>(entries.size())};
  HILUM_RETURN_IF_ERROR(Write(served_ / TilePath(bundle), EncodeBundle(entries)));
  if (bundle.width == kTileWidth) RemovePartial(bundle);
  return absl::OkStatus();
}

// A temporary file of its own: with witnesses another thread writes tiles meanwhile.
absl::Status TileWriter::WriteCheckpoint(absl::string_view note, bool durably) const {
  const fs::path temporary = temporary_ / "checkpoint";
  {
    HILUM_ASSIGN_OR_RETURN(AppendFile file, AppendFile::Open(temporary, 0));
    HILUM_RETURN_IF_ERROR(file.Append(AsBytes(note)));
    if (durably) HILUM_RETURN_IF_ERROR(file.Sync());
  }
  std::error_code error;
  fs::rename(temporary, served_ / "checkpoint", error);
  if (error) {
    return SystemUnavailable(
        absl::StrCat("cannot write ", (served_ / "checkpoint").string(), ": ", error.message()));
  }
  return durably ? SyncFolder(served_) : absl::OkStatus();
}

// A power cut may leave a renamed file without its bytes: lengths are compared for all, bytes for
// the newest. What differs is written again.
bool TileWriter::Matches(uint64_t tile_index, HashSpan leaves, bool compare_bytes) const {
  const fs::path tile = served_ / TilePath({0, tile_index, kTileWidth});
  const fs::path bundle = served_ / TilePath({kEntriesLevel, tile_index, kTileWidth});
  const HashSpan hashes = leaves.subspan(tile_index * kTileWidth, kTileWidth);
  std::error_code error;
  if (fs::file_size(tile, error) != hashes.size_bytes() || error) return false;
  if (fs::file_size(bundle, error) == 0 || error) return false;
  if (!compare_bytes) return true;
  const absl::StatusOr<Bytes> bytes = ReadFile(tile, hashes.size_bytes());
  if (!bytes.ok() || *bytes != EncodeTile(hashes)) return false;
  const absl::StatusOr<Bytes> entries = ReadFile(bundle, kBundleLimitBytes);
  if (!entries.ok()) return false;
  const absl::StatusOr<std::vector<std::string>> decoded = DecodeBundle(*entries, kTileWidth);
  if (!decoded.ok()) return false;
  for (size_t i = 0; i < decoded->size(); ++i) {
    if (crypto::LeafHash(AsBytes((*decoded)[i])) != hashes[i]) return false;
  }
  return true;
}

uint64_t TileWriter::MatchingLeaves(const TreeHashes& hashes) const {
  const HashSpan leaves = hashes.level(0);
  const uint64_t n_full = leaves.size() / kTileWidth;
  uint64_t n = 0;
  while (n < n_full && Matches(n, leaves, n + kCompared >= n_full)) ++n;
  return n * kTileWidth;
}

}  // namespace hilum::ledger_anchor

// Paths and bytes of tiles and entry bundles (C2SP tlog-tiles v0.1.0; ledger.md 2.6). No I/O.
#ifndef HILUM_LEDGER_ANCHOR_TILES_H_
#define HILUM_LEDGER_ANCHOR_TILES_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "ledger_anchor/merkle.h"

namespace hilum::ledger_anchor {

inline constexpr int kTileWidth = 256;
inline constexpr int kTileLevelLimit = 64;
inline constexpr size_t kEntryLimitBytes = 65535;
inline constexpr size_t kBundleLimitBytes = kTileWidth * (2 + kEntryLimitBytes);
inline constexpr int kEntriesLevel = -1;  // TileId::level of an entry bundle

struct TileId {
  int level = 0;  // 0..63, or kEntriesLevel
  uint64_t index = 0;
  int width = kTileWidth;  // 1..256; 256 is a full tile
  friend bool operator==(const TileId&, const TileId&) = default;
};

// "tile/0/x001/x234/067", "tile/0/000.p/112", "tile/entries/000.p/8".
std::string TilePath(const TileId& tile);
// InvalidArgument: not the one spelling of a tile's path.
absl::StatusOr<TileId> ParseTilePath(absl::string_view path);

// The tiles and bundles of a tree of `size` leaves: per level the full ones, then the partial one.
// An empty tile is never in the list.
std::vector<TileId> TilesOfLevel(int level, uint64_t size);
// The number of levels with at least one hash at this size.
int TileLevels(uint64_t size);

Bytes EncodeTile(HashSpan hashes);
// DataLoss: not width * 32 bytes.
absl::StatusOr<HashList> DecodeTile(ByteView bytes, int width);

// u16be length || entry, repeated. Each entry has at most kEntryLimitBytes.
Bytes EncodeBundle(std::span<const std::string> entries);
// DataLoss: not exactly `width` entries, or bytes after them.
absl::StatusOr<std::vector<std::string>> DecodeBundle(ByteView bytes, int width);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_TILES_H_

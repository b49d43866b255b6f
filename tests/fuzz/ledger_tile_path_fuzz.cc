// Paths that are asked of a served log.
#include <cstdint>

#include "absl/strings/string_view.h"
#include "base/check.h"
#include "ledger_anchor/tiles.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hilum;
  using namespace hilum::ledger_anchor;
  const absl::string_view path = AsText(ByteView(data, size));
  const absl::StatusOr<TileId> tile = ParseTilePath(path);
  if (!tile.ok()) return 0;
  HILUM_CHECK(TilePath(*tile) == path);
  HILUM_CHECK(tile->width >= 1 && tile->width <= kTileWidth);
  HILUM_CHECK(tile->level >= kEntriesLevel && tile->level < kTileLevelLimit);
  return 0;
}

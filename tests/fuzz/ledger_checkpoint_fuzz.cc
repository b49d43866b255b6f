// Checkpoint texts and tile files from peers.
#include <cstdint>

#include "absl/strings/string_view.h"
#include "base/check.h"
#include "ledger_anchor/checkpoint.h"
#include "ledger_anchor/tiles.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hilum;
  using namespace hilum::ledger_anchor;
  const ByteView bytes(data, size);
  const absl::string_view text = AsText(bytes);
  const absl::StatusOr<Checkpoint> checkpoint = ParseCheckpointText(text);
  if (checkpoint.ok()) HILUM_CHECK(FormatCheckpointText(*checkpoint) == text);
  const absl::StatusOr<TileId> tile = ParseTilePath(text);
  if (tile.ok()) HILUM_CHECK(TilePath(*tile) == text);
  for (const int width : {1, 3, 256}) {
    const auto entries = DecodeBundle(bytes, width);
    if (!entries.ok()) continue;
    const Bytes again = EncodeBundle(*entries);
    HILUM_CHECK(AsText(again) == text);
  }
  return 0;
}

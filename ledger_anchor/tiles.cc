#include "ledger_anchor/tiles.h"

#include <algorithm>
#include <bit>
#include <cstdio>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "ledger_anchor/note.h"

namespace hilum::ledger_anchor {
namespace {

constexpr int kTileBits = 8;

// floor(size / 256^level): how many hashes level l has.
uint64_t LevelSize(int level, uint64_t size) {
  const int shift = kTileBits * level;
  return shift >= 64 ? 0 : size >> shift;
}

std::string IndexPath(uint64_t index) {
  std::string path = absl::StrFormat("%03d", index % 1000);
  for (index /= 1000; index > 0; index /= 1000) {
    path = absl::StrFormat("x%03d/%s", index % 1000, path);
  }
  return path;
}

absl::Status BadPath(absl::string_view path) {
  return absl::InvalidArgumentError(absl::StrCat("\"", path.substr(0, 128), "\" is no tile path"));
}

// Digits and the slashes between groups only; the caller compares with the one good spelling.
absl::StatusOr<uint64_t> ReadIndex(absl::string_view text, absl::string_view path) {
  std::string digits;
  for (const char c : text) {
    if (c != 'x' && c != '/') digits += c;
  }
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  const absl::StatusOr<uint64_t> index = ParseDecimalInteger("a tile index", digits);
  if (!index.ok()) return BadPath(path);
  return *index;
}

}  // namespace

std::string TilePath(const TileId& tile) {
  std::string path = tile.level == kEntriesLevel ? std::string("tile/entries/")
                                                 : absl::StrCat("tile/", tile.level, "/");
  absl::StrAppend(&path, IndexPath(tile.index));
  if (tile.width < kTileWidth) absl::StrAppend(&path, ".p/", tile.width);
  return path;
}

absl::StatusOr<TileId> ParseTilePath(absl::string_view path) {
  absl::string_view rest = path;
  if (path.size() > 128 || !absl::ConsumePrefix(&rest, "tile/")) return BadPath(path);
  const size_t slash = rest.find('/');
  if (slash == absl::string_view::npos) return BadPath(path);
  TileId tile;
  const absl::string_view level = rest.substr(0, slash);
  rest.remove_prefix(slash + 1);
  if (level == "entries") {
    tile.level = kEntriesLevel;
  } else {
    const absl::StatusOr<uint64_t> number = ParseDecimalInteger("a tile level", level);
    if (!number.ok() || *number >= kTileLevelLimit) return BadPath(path);
    tile.level = static_cast<int>(*number);
  }
  if (const size_t partial = rest.find(".p/"); partial != absl::string_view::npos) {
    const absl::StatusOr<uint64_t> width =
        ParseDecimalInteger("a tile width", rest.substr(partial + 3));
    if (!width.ok() || *width == 0 || *width >= kTileWidth) return BadPath(path);
    tile.width = static_cast<int>(*width);
    rest = rest.substr(0, partial);
  }
  if (rest.empty()) return BadPath(path);
  HILUM_ASSIGN_OR_RETURN(tile.index, ReadIndex(rest, path));
  if (TilePath(tile) != path) return BadPath(path);
  return tile;
}

std::vector<TileId> TilesOfLevel(int level, uint64_t size) {
  const uint64_t n = LevelSize(std::max(level, 0), size);
  std::vector<TileId> tiles;
  for (uint64_t i = 0; i < n / kTileWidth; ++i) tiles.push_back({level, i, kTileWidth});
  if (const auto width = static_cast<int>(n % kTileWidth); width != 0) {
    tiles.push_back({level, n / kTileWidth, width});
  }
  return tiles;
}

int TileLevels(uint64_t size) { return (std::bit_width(size) + kTileBits - 1) / kTileBits; }

Bytes EncodeTile(HashSpan hashes) {
  Bytes bytes;
  bytes.reserve(hashes.size() * sizeof(Digest));
  for (const Digest& hash : hashes) AppendBytes(bytes, hash);
  return bytes;
}

absl::StatusOr<HashList> DecodeTile(ByteView bytes, int width) {
  if (bytes.size() != static_cast<size_t>(width) * sizeof(Digest)) {
    return absl::DataLossError(absl::StrCat("a tile of ", width, " hashes has ", bytes.size(),
                                            " bytes, not ", width * sizeof(Digest)));
  }
  HashList hashes(static_cast<size_t>(width));
  for (size_t i = 0; i < hashes.size(); ++i) {
    std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(i * sizeof(Digest)), sizeof(Digest),
                hashes[i].begin());
  }
  return hashes;
}

Bytes EncodeBundle(std::span<const std::string> entries) {
  Bytes bytes;
  for (const std::string& entry : entries) {
    HILUM_CHECK(entry.size() <= kEntryLimitBytes);
    AppendU16(bytes, static_cast<uint16_t>(entry.size()));
    AppendText(bytes, entry);
  }
  return bytes;
}

absl::StatusOr<std::vector<std::string>> DecodeBundle(ByteView bytes, int width) {
  std::vector<std::string> entries;
  size_t at = 0;
  while (static_cast<int>(entries.size()) < width) {
    if (bytes.size() - at < 2) break;
    const size_t length = static_cast<size_t>(bytes[at]) << 8 | bytes[at + 1];
    if (bytes.size() - at - 2 < length) break;
    entries.emplace_back(AsText(bytes.subspan(at + 2, length)));
    at += 2 + length;
  }
  if (static_cast<int>(entries.size()) == width && at == bytes.size()) return entries;
  return absl::DataLossError(absl::StrCat("a bundle of ", bytes.size(), " bytes does not hold ",
                                          width, " entries and nothing else"));
}

}  // namespace hilum::ledger_anchor

#include "ledger_anchor/tiles.h"

#include <gtest/gtest.h>

#include "ledger_anchor/checkpoint.h"
#include "tests/crypto/vector_file.h"
#include "tests/status_matchers.h"

namespace hilum::ledger_anchor {
namespace {

using absl::StatusCode;
using Json = nlohmann::json;

TileId TileOf(const Json& vector, int level) {
  const int partial = vector.at("partial").get<int>();
  return {level, vector.at("index").get<uint64_t>(), partial == 0 ? kTileWidth : partial};
}

TEST(TilePath, AgreesWithTheVectors) {
  const Json file = ReadVectors("ledger/tile_paths.json");
  for (const char* kind : {"tile", "entries"}) {
    for (const Json& vector : file.at(kind)) {
      const TileId tile =
          TileOf(vector, vector.contains("level") ? vector.at("level").get<int>() : kEntriesLevel);
      const std::string path = vector.at("path").get<std::string>();
      EXPECT_EQ(TilePath(tile), path);
      HILUM_ASSERT_OK_AND_ASSIGN(const TileId parsed, ParseTilePath(path));
      EXPECT_EQ(parsed, tile) << path;
    }
  }
  for (const Json& path : file.at("bad_paths")) {
    EXPECT_THAT(ParseTilePath(path.get<std::string>()),
                StatusIs(StatusCode::kInvalidArgument, "no tile path"));
  }
}

TEST(ParseTilePath, TakesOneSpellingOnly) {
  for (const char* path : {"",
                           "tile",
                           "tile/",
                           "tile/0",
                           "tile/0/",
                           "tile/0/0",
                           "tile/0/00",
                           "tile/0/0000",
                           "tile/00/000",
                           "tile/64/000",
                           "tile/-1/000",
                           "tile/0/x000/000",
                           "tile/0/001/234",
                           "tile/0/x01/234",
                           "tile/0/000.p/0",
                           "tile/0/000.p/256",
                           "tile/0/000.p/01",
                           "tile/0/000.p/1/",
                           "/tile/0/000",
                           "tile/0/../000",
                           "tile/0/x001234",
                           "tile/entries/",
                           "tile/entries/x/",
                           "tile/0/x",
                           "tile/0/x/000",
                           "checkpoint",
                           "tile/0/x999/x999/x999/x999/x999/x999/x999/999"}) {
    EXPECT_THAT(ParseTilePath(path), StatusIs(StatusCode::kInvalidArgument, "no tile path"))
        << path;
  }
}

TEST(TilesOfLevel, AgreesWithTheVectors) {
  const Json file = ReadVectors("ledger/tile_paths.json");
  for (const Json& layout : file.at("tree_size_layout")) {
    const auto size = layout.at("size").get<uint64_t>();
    for (int level = 0; level < 3; ++level) {
      const std::string key = "level" + std::to_string(level);
      if (!layout.contains(key)) continue;
      const std::vector<TileId> tiles = TilesOfLevel(level, size);
      const auto full = layout.at(key).at("full").get<size_t>();
      const auto partial = layout.at(key).at("partial").get<int>();
      ASSERT_EQ(tiles.size(), full + (partial > 0 ? 1 : 0)) << size << " " << level;
      for (size_t i = 0; i < full; ++i) EXPECT_EQ(tiles[i], (TileId{level, i, kTileWidth}));
      if (partial > 0) {
        EXPECT_EQ(tiles.back(), (TileId{level, full, partial}));
      }
    }
  }
  EXPECT_TRUE(TilesOfLevel(0, 0).empty());
  EXPECT_EQ(TileLevels(0), 0);
  EXPECT_EQ(TileLevels(255), 1);
  EXPECT_EQ(TileLevels(256), 2);
  EXPECT_EQ(TileLevels(70000), 3);
  EXPECT_TRUE(TilesOfLevel(20, ~uint64_t{0}).empty());
}

TEST(Bundle, GivesTheEntriesBack) {
  const std::vector<std::string> entries = {"", "one", std::string(65535, 'x')};
  const Bytes bytes = EncodeBundle(entries);
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<std::string> again, DecodeBundle(bytes, 3));
  EXPECT_EQ(again, entries);
  EXPECT_THAT(DecodeBundle(bytes, 2), StatusIs(StatusCode::kDataLoss, "2 entries"));
  EXPECT_THAT(DecodeBundle(bytes, 4), StatusIs(StatusCode::kDataLoss, "4 entries"));
  EXPECT_THAT(DecodeBundle(ByteView(bytes).first(bytes.size() - 1), 3),
              StatusIs(StatusCode::kDataLoss, "3 entries"));
  EXPECT_THAT(DecodeBundle(ByteView(bytes).first(1), 1), StatusIs(StatusCode::kDataLoss, ""));
}

TEST(Tile, HasItsLength) {
  EXPECT_THAT(DecodeTile(Bytes(63), 2), StatusIs(StatusCode::kDataLoss, "not 64"));
  EXPECT_THAT(DecodeTile(Bytes(64), 3), StatusIs(StatusCode::kDataLoss, "not 96"));
  HILUM_ASSERT_OK_AND_ASSIGN(const HashList hashes, DecodeTile(Bytes(64, 9), 2));
  EXPECT_EQ(EncodeTile(hashes), Bytes(64, 9));
}

// The log that Tessera's own tests use: each size has its checkpoint, tile and bundle.
TEST(Tiles, AgreeWithTesserasLog) {
  const std::string folder = "ledger/tessera_testdata_log/";
  std::string vkey = ReadTextFile(VectorPath(folder + "VKEY.txt"), 1000).value();
  while (!vkey.empty() && vkey.back() == '\n') vkey.pop_back();
  HILUM_ASSERT_OK_AND_ASSIGN(const VerifierKey log, ParseVerifierKey(vkey));
  for (int size = 0; size <= 15; ++size) {
    const std::string note =
        ReadTextFile(VectorPath(folder + "checkpoint." + std::to_string(size)), 10000).value();
    HILUM_ASSERT_OK_AND_ASSIGN(const OpenedCheckpoint opened, OpenCheckpoint(note, log));
    EXPECT_EQ(opened.checkpoint.size, static_cast<uint64_t>(size));
    TreeHashes tree;
    if (size > 0) {
      const Bytes bundle =
          ReadFile(VectorPath(folder + TilePath({kEntriesLevel, 0, size})), kBundleLimitBytes)
              .value();
      HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<std::string> entries,
                                 DecodeBundle(bundle, size));
      for (const std::string& entry : entries) {
        tree.Add(crypto::LeafHash(AsBytes(entry)));
      }
      const Bytes tile = ReadFile(VectorPath(folder + TilePath({0, 0, size})), 8192).value();
      EXPECT_EQ(tile, EncodeTile(tree.level(0)));
    }
    EXPECT_EQ(tree.Root(), opened.checkpoint.root) << size;
  }
}

}  // namespace
}  // namespace hilum::ledger_anchor

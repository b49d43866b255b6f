// Writes the served folder. Its files are derived from the journal: no syncs here. Only log*.cc
// include this.
#ifndef HILUM_LEDGER_ANCHOR_LOG_TILES_H_
#define HILUM_LEDGER_ANCHOR_LOG_TILES_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "ledger_anchor/merkle.h"
#include "ledger_anchor/tiles.h"

namespace hilum::ledger_anchor {

class TileWriter {
 public:
  // `served` and `temporary` are folders of one file system.
  TileWriter(std::filesystem::path served, std::filesystem::path temporary)
      : served_(std::move(served)), temporary_(std::move(temporary)) {}

  // Writes the tiles of `hashes` that a tree of `old_size` did not have. Partial tiles go when the
  // full one is there.
  absl::Status WriteTiles(const TreeHashes& hashes, uint64_t old_size) const;
  // Writes all tiles anew, of level 0 those from `first_leaf` (a multiple of 256) on.
  absl::Status RewriteTiles(const TreeHashes& hashes, uint64_t first_leaf) const;
  // The bundle with this index, whole as far as it goes.
  absl::Status WriteBundle(uint64_t index, const std::vector<std::string>& entries) const;
  // `durably`: it survives a power cut, before anybody is told of it.
  absl::Status WriteCheckpoint(absl::string_view note, bool durably) const;

  // How many leaves, counted from 0, the served files hold as `hashes` says: each file has the
  // right length, and the last kCompared full tiles of level 0 the right bytes. A multiple of 256.
  uint64_t MatchingLeaves(const TreeHashes& hashes) const;

  const std::filesystem::path& served() const { return served_; }

 private:
  static constexpr uint64_t kCompared = 16;
  absl::Status Write(const std::filesystem::path& path, ByteView bytes) const;
  absl::Status WriteTile(const TileId& tile, HashSpan level) const;
  void RemovePartial(const TileId& full) const;
  bool Matches(uint64_t tile_index, HashSpan leaves, bool compare_bytes) const;

  std::filesystem::path served_;
  std::filesystem::path temporary_;
};

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_LOG_TILES_H_

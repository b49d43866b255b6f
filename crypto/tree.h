// The Merkle tree hash of RFC 6962, section 2.1: for the ledger, for lists of updates and for the
// chunks of a vector.
#ifndef HILUM_CRYPTO_TREE_H_
#define HILUM_CRYPTO_TREE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "crypto/hash.h"

namespace hilum::crypto {

Digest LeafHash(ByteView leaf);                            // H(0x00 || leaf)
Digest NodeHash(const Digest& left, const Digest& right);  // H(0x01 || left || right)
Digest EmptyTreeHash();                                    // H("")

// The root of a whole tree. O(n) time, O(log n) memory.
Digest TreeRoot(std::span<const Digest> leaf_hashes);

// A tree that grows at its end. Holds a compact range: one hash for each 1-bit of the size, the
// largest subtree first. Copyable; not thread-safe.
class TreeHasher {
 public:
  TreeHasher() = default;
  void Add(ByteView leaf) { AddLeafHash(LeafHash(leaf)); }
  void AddLeafHash(const Digest& leaf_hash);
  uint64_t size() const { return size_; }
  Digest Root() const;
  const std::vector<Digest>& range() const { return range_; }

 private:
  uint64_t size_ = 0;
  std::vector<Digest> range_;
};

// The hash of one leaf of Tree(label, v) (secure_aggregation.md, section 2): leaf data are
// u8 |label| || label || u32 chunk index || chunk. Leaves may be hashed in any order and in
// parallel, then added to a TreeHasher by ascending index.
Digest ChunkLeafHash(absl::string_view label, uint32_t chunk_index, ByteView chunk);

// Tree(label, v) over chunks that arrive in order, whole or in parts.
class ChunkTree {
 public:
  explicit ChunkTree(absl::string_view label) : label_(label) {}
  void Add(ByteView chunk);
  // The next bytes of the chunk at hand; EndChunk makes it a leaf. So a reader that takes a chunk
  // through the cache piece by piece hashes each piece while it is there.
  void AddPart(ByteView part);
  void EndChunk();
  uint32_t n_chunks() const { return static_cast<uint32_t>(tree_.size()); }
  Digest Root() const { return tree_.Root(); }  // of the chunks that have ended

 private:
  std::string label_;
  TreeHasher tree_;
  std::optional<Sha256Stream> leaf_;  // of the chunk at hand
};

// Tree(label, v) of bytes in memory, cut into chunks of `chunk_bytes` (> 0); the last may be short.
// The leaves are hashed on up to `n_threads` threads, the caller's among them; 0: one for each
// core. The root does not depend on their number. Thread-safe.
Digest ChunkTreeRoot(absl::string_view label, ByteView bytes, size_t chunk_bytes,
                     int n_threads = 0);

}  // namespace hilum::crypto

#endif  // HILUM_CRYPTO_TREE_H_

#include "crypto/tree.h"

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "crypto/hash.h"

namespace hilum::crypto {

Digest LeafHash(ByteView leaf) {
  const uint8_t prefix = 0x00;
  Sha256Stream stream;
  stream.Update(ByteView(&prefix, 1));
  stream.Update(leaf);
  return stream.Finish();
}

Digest NodeHash(const Digest& left, const Digest& right) {
  std::array<uint8_t, 65> node;
  node[0] = 0x01;
  std::copy(left.begin(), left.end(), node.begin() + 1);
  std::copy(right.begin(), right.end(), node.begin() + 33);
  return Sha256(node);
}

Digest EmptyTreeHash() { return Sha256(ByteView()); }

Digest TreeRoot(std::span<const Digest> leaf_hashes) {
  TreeHasher tree;
  for (const Digest& hash : leaf_hashes) tree.AddLeafHash(hash);
  return tree.Root();
}

// A new leaf completes one subtree for each trailing 1-bit of the old size.
void TreeHasher::AddLeafHash(const Digest& leaf_hash) {
  Digest hash = leaf_hash;
  for (int i = std::countr_one(size_); i > 0; --i) {
    hash = NodeHash(range_.back(), hash);
    range_.pop_back();
  }
  range_.push_back(hash);
  ++size_;
}

Digest TreeHasher::Root() const {
  if (range_.empty()) return EmptyTreeHash();
  Digest root = range_.back();
  for (size_t i = range_.size() - 1; i > 0; --i) root = NodeHash(range_[i - 1], root);
  return root;
}

Digest ChunkLeafHash(absl::string_view label, uint32_t chunk_index, ByteView chunk) {
  HILUM_CHECK(!label.empty() && label.size() <= 255);
  Bytes head;
  AppendU8(head, 0x00);  // RFC 6962: a leaf
  AppendU8(head, static_cast<uint8_t>(label.size()));
  AppendText(head, label);
  AppendU32(head, chunk_index);
  Sha256Stream stream;
  stream.Update(ByteView(head));
  stream.Update(chunk);
  return stream.Finish();
}

void ChunkTree::Add(ByteView chunk) { tree_.AddLeafHash(ChunkLeafHash(label_, n_chunks(), chunk)); }

Digest ChunkTreeRoot(absl::string_view label, ByteView bytes, size_t chunk_bytes) {
  HILUM_CHECK(chunk_bytes > 0);
  ChunkTree tree(label);
  for (size_t at = 0; at < bytes.size(); at += chunk_bytes) {
    tree.Add(bytes.subspan(at, std::min(chunk_bytes, bytes.size() - at)));
  }
  return tree.Root();
}

}  // namespace hilum::crypto

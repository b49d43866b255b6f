#include "crypto/tree.h"

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "base/cores.h"
#include "base/parallel.h"
#include "crypto/hash.h"

namespace hilum::crypto {
namespace {

// A thread costs about as much as hashing 100 KiB.
constexpr size_t kMinBytesPerThread = size_t{1} << 20;

// A leaf's hash that has taken all before the chunk.
Sha256Stream LeafStream(absl::string_view label, uint32_t chunk_index) {
  HILUM_CHECK(!label.empty() && label.size() <= 255);
  Bytes head;
  AppendU8(head, 0x00);  // RFC 6962: a leaf
  AppendU8(head, static_cast<uint8_t>(label.size()));
  AppendText(head, label);
  AppendU32(head, chunk_index);
  Sha256Stream stream;
  stream.Update(ByteView(head));
  return stream;
}

}  // namespace

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
  Sha256Stream stream = LeafStream(label, chunk_index);
  stream.Update(chunk);
  return stream.Finish();
}

void ChunkTree::Add(ByteView chunk) {
  AddPart(chunk);
  EndChunk();
}

void ChunkTree::AddPart(ByteView part) {
  if (!leaf_.has_value()) leaf_ = LeafStream(label_, n_chunks());
  leaf_->Update(part);
}

void ChunkTree::EndChunk() {
  if (!leaf_.has_value()) leaf_ = LeafStream(label_, n_chunks());  // a chunk without bytes
  tree_.AddLeafHash(leaf_->Finish());
  leaf_.reset();
}

Digest ChunkTreeRoot(absl::string_view label, ByteView bytes, size_t chunk_bytes, int n_threads) {
  HILUM_CHECK(chunk_bytes > 0);
  const size_t n_chunks = bytes.size() / chunk_bytes + (bytes.size() % chunk_bytes != 0 ? 1 : 0);
  HILUM_CHECK(n_chunks <= size_t{1} << 32);  // the index has 32 bits
  std::vector<Digest> leaves(n_chunks);
  const size_t n_useful = std::max<size_t>(1, bytes.size() / kMinBytesPerThread);
  if (n_threads == 0) n_threads = n_useful > 1 ? UsableCores() : 1;
  ForEachOnCores(n_chunks, std::min(n_useful, static_cast<size_t>(n_threads)), [&](size_t i) {
    const size_t at = i * chunk_bytes;
    leaves[i] = ChunkLeafHash(label, static_cast<uint32_t>(i),
                              bytes.subspan(at, std::min(chunk_bytes, bytes.size() - at)));
  });
  return TreeRoot(leaves);
}

}  // namespace hilum::crypto

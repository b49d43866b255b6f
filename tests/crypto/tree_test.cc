#include "crypto/tree.h"

#include <gtest/gtest.h>

#include <bit>

#include "crypto/hash.h"
#include "tests/crypto/vector_file.h"

namespace hilum::crypto {
namespace {

// RFC 6962, section 2.1, written as it stands there.
Digest SlowRoot(std::span<const Digest> leaves) {
  if (leaves.empty()) return Sha256(ByteView());
  if (leaves.size() == 1) return leaves[0];
  size_t k = 1;
  while (k * 2 < leaves.size()) k *= 2;
  return NodeHash(SlowRoot(leaves.first(k)), SlowRoot(leaves.subspan(k)));
}

std::vector<Digest> SomeLeaves(size_t n) {
  std::vector<Digest> leaves;
  for (size_t i = 0; i < n; ++i) leaves.push_back(LeafHash(AsBytes(std::to_string(i))));
  return leaves;
}

TEST(Tree, EqualsTheVectorsOfRfc6962) {
  const auto vectors = ReadVectors("ledger/rfc6962_hashes.json");
  EXPECT_EQ(ToHex(EmptyTreeHash()), vectors.at("empty_root").get<std::string>());
  EXPECT_EQ(ToHex(LeafHash({})), vectors.at("empty_leaf_hash").get<std::string>());
  const auto& leaf = vectors.at("leaf");
  EXPECT_EQ(ToHex(LeafHash(HexField(leaf, "data"))), leaf.at("hash").get<std::string>());
  TreeHasher tree;
  const auto& roots = vectors.at("roots_by_size");
  for (size_t i = 0; i < roots.size(); ++i) {
    EXPECT_EQ(ToHex(tree.Root()), roots[i].get<std::string>()) << i;
    if (i + 1 == roots.size()) break;
    tree.Add(FromHex(vectors.at("leaf_inputs")[i].get<std::string>()).value());
  }
}

// The vector's node hash is over two strings that are no digests: NodeHash takes 32 bytes, so its
// prefix is tested here.
TEST(Tree, PrefixesNodesWithOne) {
  const Digest left = Sha256("l");
  const Digest right = Sha256("r");
  Bytes node = {0x01};
  AppendBytes(node, left);
  AppendBytes(node, right);
  EXPECT_EQ(NodeHash(left, right), Sha256(ByteView(node)));
}

TEST(TreeHasher, EqualsTheRecursionAtEachSize) {
  const std::vector<Digest> leaves = SomeLeaves(300);
  TreeHasher tree;
  for (size_t n = 0; n <= leaves.size(); ++n) {
    ASSERT_EQ(tree.Root(), SlowRoot(std::span(leaves).first(n))) << n;
    ASSERT_EQ(tree.range().size(), static_cast<size_t>(std::popcount(n)));
    if (n < leaves.size()) tree.AddLeafHash(leaves[n]);
  }
  EXPECT_EQ(TreeRoot(leaves), SlowRoot(leaves));
}

TEST(ChunkTree, BindsLabelIndexAndBytes) {
  const Bytes bytes(100, 7);
  Bytes leaf;
  AppendU8(leaf, 20);
  AppendText(leaf, "hilum/sa/v1/r2-chunk");
  AppendU32(leaf, 5);
  AppendBytes(leaf, bytes);
  EXPECT_EQ(ChunkLeafHash("hilum/sa/v1/r2-chunk", 5, bytes), LeafHash(leaf));
  EXPECT_NE(ChunkLeafHash("hilum/sa/v1/r2-chunk", 6, bytes), LeafHash(leaf));
  EXPECT_NE(ChunkLeafHash("hilum/sa/v1/z-chunk", 5, bytes), LeafHash(leaf));
}

TEST(ChunkTree, OfChunksInOrderIsTheRootOfTheWhole) {
  Bytes bytes(1050);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 31);
  ChunkTree tree("label");
  TreeHasher leaves;
  for (uint32_t i = 0; i < 11; ++i) {
    const ByteView chunk = ByteView(bytes).subspan(i * 100, i < 10 ? 100 : 50);
    tree.Add(chunk);
    leaves.AddLeafHash(ChunkLeafHash("label", i, chunk));
  }
  EXPECT_EQ(tree.n_chunks(), 11u);
  EXPECT_EQ(tree.Root(), leaves.Root());
  EXPECT_EQ(tree.Root(), ChunkTreeRoot("label", bytes, 100));
  EXPECT_EQ(ChunkTreeRoot("label", {}, 100), EmptyTreeHash());
}

TEST(ChunkTree, OfChunksInPartsIsThatOfWholeChunks) {
  const Bytes bytes(300, 9);
  for (const size_t part_bytes : {1, 7, 64, 99, 100}) {
    ChunkTree whole("label"), parts("label");
    for (size_t at = 0; at < 300; at += 100) {
      const ByteView chunk = ByteView(bytes).subspan(at, 100);
      whole.Add(chunk);
      for (size_t i = 0; i < 100; i += part_bytes) {
        parts.AddPart(chunk.subspan(i, std::min(part_bytes, 100 - i)));
        EXPECT_EQ(parts.n_chunks(), at / 100);  // a chunk that has not ended is no leaf
      }
      parts.EndChunk();
    }
    EXPECT_EQ(parts.Root(), whole.Root()) << part_bytes;
  }
  ChunkTree empty_chunk("label"), ended("label");
  empty_chunk.Add({});
  ended.EndChunk();
  EXPECT_EQ(ended.Root(), empty_chunk.Root());
}

TEST(ChunkTree, RootDoesNotDependOnTheThreads) {
  Bytes bytes((7 << 20) + 13);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 31 + (i >> 16));
  for (const size_t size : {size_t{0}, size_t{1}, size_t{1} << 20, size_t{2} << 20, bytes.size()}) {
    for (const size_t chunk_bytes : {size_t{100'000}, size_t{1} << 20, size_t{1} << 30}) {
      const ByteView part = ByteView(bytes).first(size);
      ChunkTree tree("label");
      for (size_t at = 0; at < size; at += chunk_bytes) {
        tree.Add(part.subspan(at, std::min(chunk_bytes, size - at)));
      }
      for (const int n_threads : {0, 1, 2, 3, 64}) {
        EXPECT_EQ(ChunkTreeRoot("label", part, chunk_bytes, n_threads), tree.Root())
            << size << ", " << chunk_bytes << ", " << n_threads;
      }
    }
  }
}

}  // namespace
}  // namespace hilum::crypto

#include "ledger_anchor/merkle.h"

#include <gtest/gtest.h>

#include <set>

#include "crypto/base64.h"
#include "crypto/hash.h"
#include "ledger_anchor/tiles.h"
#include "tests/crypto/vector_file.h"
#include "tests/status_matchers.h"

namespace hilum::ledger_anchor {
namespace {

using absl::StatusCode;
using Json = nlohmann::json;

// A hash of a vector: absent when it has not 32 bytes, which a strict reader refuses before it
// hashes anything.
std::optional<Digest> ReadHash(const Json& text) {
  const auto bytes = crypto::Base64Decode(text.get<std::string>());
  Digest digest{};
  if (!bytes.ok() || bytes->size() != digest.size()) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), digest.begin());
  return digest;
}

std::optional<HashList> ReadHashes(const Json& list) {
  HashList hashes;
  if (list.is_null()) return hashes;
  for (const Json& item : list) {
    const auto hash = ReadHash(item);
    if (!hash) return std::nullopt;
    hashes.push_back(*hash);
  }
  return hashes;
}

std::set<std::string> StrictMustReject(const Json& file) {
  std::set<std::string> names;
  if (!file.contains("strict_must_reject")) return names;
  for (const Json& name : file.at("strict_must_reject")) names.insert(name.get<std::string>());
  return names;
}

// Runs `verify` on each vector; one with a hash that has not 32 bytes must be one to refuse.
template <class F>
void RunVectors(const std::string& name, size_t n_expected, const F& verify) {
  const Json file = ReadVectors(name);
  const std::set<std::string> strict = StrictMustReject(file);
  ASSERT_EQ(file.at("vectors").size(), n_expected);
  for (const Json& vector : file.at("vectors")) {
    const std::string test = vector.at("name").get<std::string>();
    const bool is_good = !vector.at("wantErr").get<bool>() && strict.count(test) == 0;
    const auto proof = ReadHashes(vector.at("proof"));
    EXPECT_EQ(proof.has_value() && verify(vector, *proof), is_good) << test;
  }
}

TEST(VerifyInclusion, AgreesWithTheVectors) {
  RunVectors("ledger/rfc6962_inclusion.json", 98, [](const Json& vector, const HashList& proof) {
    const auto leaf = ReadHash(vector.at("leafHash"));
    const auto root = ReadHash(vector.at("root"));
    return leaf && root &&
           VerifyInclusion({.index = vector.at("leafIdx").get<uint64_t>(),
                            .size = vector.at("treeSize").get<uint64_t>(),
                            .leaf_hash = *leaf,
                            .root = *root},
                           proof)
               .ok();
  });
}

TEST(VerifyConsistency, AgreesWithTheVectors) {
  RunVectors("ledger/rfc6962_consistency.json", 98, [](const Json& vector, const HashList& proof) {
    const auto old_root = ReadHash(vector.at("root1"));
    const auto root = ReadHash(vector.at("root2"));
    return old_root && root &&
           VerifyConsistency({.old_size = vector.at("size1").get<uint64_t>(),
                              .old_root = *old_root,
                              .size = vector.at("size2").get<uint64_t>(),
                              .root = *root},
                             proof)
               .ok();
  });
}

TEST(VerifySubtreeInclusion, AgreesWithTheVectors) {
  RunVectors("ledger/rfc6962_subtreeinclusion.json", 204,
             [](const Json& vector, const HashList& proof) {
               const auto leaf = ReadHash(vector.at("leafHash"));
               const auto root = ReadHash(vector.at("root"));
               return leaf && root &&
                      VerifySubtreeInclusion({.index = vector.at("leafIdx").get<uint64_t>(),
                                              .start = vector.at("start").get<uint64_t>(),
                                              .end = vector.at("end").get<uint64_t>(),
                                              .leaf_hash = *leaf,
                                              .subtree_root = *root},
                                             proof)
                          .ok();
             });
}

TEST(VerifySubtreeConsistency, AgreesWithTheVectors) {
  RunVectors("ledger/rfc6962_subtreeconsistency.json", 118,
             [](const Json& vector, const HashList& proof) {
               const auto subtree = ReadHash(vector.at("root1"));
               const auto root = ReadHash(vector.at("root2"));
               return subtree && root &&
                      VerifySubtreeConsistency({.start = vector.at("start").get<uint64_t>(),
                                                .end = vector.at("end").get<uint64_t>(),
                                                .subtree_root = *subtree,
                                                .size = vector.at("size").get<uint64_t>(),
                                                .root = *root},
                                               proof)
                          .ok();
             });
}

TreeHashes SomeTree(uint64_t n) {
  TreeHashes tree;
  for (uint64_t i = 0; i < n; ++i) {
    tree.Add(crypto::LeafHash(AsBytes("leaf " + std::to_string(i))));
  }
  return tree;
}

// Roots, proofs and tiles that golang.org/x/mod made over 70,000 leaves.
TEST(TreeHashes, AgreesWithGo) {
  const Json file = ReadVectors("ledger/xmod_tlog_generated.json");
  const TreeHashes tree = SomeTree(70000);
  for (const auto& [size, root] : file.at("roots").items()) {
    EXPECT_EQ(RangeRoot(0, std::stoull(size), tree.reader()).value(), *ReadHash(root)) << size;
  }
  EXPECT_EQ(tree.Root(), *ReadHash(file.at("roots").at("70000")));
  for (const Json& one : file.at("inclusion")) {
    const auto index = one.at("Index").get<uint64_t>();
    const auto size = one.at("Size").get<uint64_t>();
    EXPECT_EQ(ProveInclusion(index, size, tree.reader()).value(), *ReadHashes(one.at("Proof")));
    EXPECT_EQ(tree.level(0)[index], *ReadHash(one.at("LeafHash")));
  }
  for (const Json& one : file.at("consistency")) {
    const HashList proof = ProveConsistency(one.at("Old").get<uint64_t>(),
                                            one.at("New").get<uint64_t>(), tree.reader())
                               .value();
    EXPECT_EQ(proof, *ReadHashes(one.at("Proof")));
  }
  for (const Json& one : file.at("tiles_for_size_70000")) {
    const TileId tile = ParseTilePath(one.at("Path").get<std::string>()).value();
    const auto width = one.at("Width").get<size_t>();
    const HashSpan hashes = tree.level(tile.level).subspan(tile.index * kTileWidth, width);
    EXPECT_EQ(crypto::Sha256(ByteView(EncodeTile(hashes))), *ReadHash(one.at("Sha256")));
  }
}

TEST(Proofs, HoldForEveryLeafAndEveryPairOfSizes) {
  constexpr uint64_t kLargest = 40;
  const TreeHashes tree = SomeTree(kLargest);
  std::vector<Digest> roots(kLargest + 1);
  for (uint64_t n = 1; n <= kLargest; ++n) roots[n] = crypto::TreeRoot(tree.level(0).first(n));
  for (uint64_t n = 1; n <= kLargest; ++n) {
    for (uint64_t i = 0; i < n; ++i) {
      HILUM_ASSERT_OK_AND_ASSIGN(const HashList proof, ProveInclusion(i, n, tree.reader()));
      HILUM_EXPECT_OK(VerifyInclusion({i, n, tree.level(0)[i], roots[n]}, proof));
    }
    for (uint64_t old_size = 1; old_size <= n; ++old_size) {
      HILUM_ASSERT_OK_AND_ASSIGN(const HashList proof,
                                 ProveConsistency(old_size, n, tree.reader()));
      HILUM_EXPECT_OK(VerifyConsistency({old_size, roots[old_size], n, roots[n]}, proof));
    }
  }
}

TEST(Proofs, FailWithOneBitChanged) {
  const TreeHashes tree = SomeTree(27);
  HashList proof = ProveInclusion(11, 27, tree.reader()).value();
  const InclusionClaim claim{11, 27, tree.level(0)[11], tree.Root()};
  for (Digest& hash : proof) {
    hash[13] ^= 4;
    EXPECT_THAT(VerifyInclusion(claim, proof), StatusIs(StatusCode::kDataLoss, "inclusion"));
    hash[13] ^= 4;
  }
  HashList path = ProveConsistency(13, 27, tree.reader()).value();
  const ConsistencyClaim growth{13, RangeRoot(0, 13, tree.reader()).value(), 27, tree.Root()};
  for (Digest& hash : path) {
    hash[0] ^= 128;
    EXPECT_THAT(VerifyConsistency(growth, path), StatusIs(StatusCode::kDataLoss, "consistency"));
    hash[0] ^= 128;
  }
  ConsistencyClaim other = growth;
  other.old_root[9] ^= 1;
  EXPECT_THAT(VerifyConsistency(other, path), StatusIs(StatusCode::kDataLoss, "at size 13"));
  other = growth;
  other.root[9] ^= 1;
  EXPECT_THAT(VerifyConsistency(other, path), StatusIs(StatusCode::kDataLoss, "at size 27"));
  path.push_back(path.back());
  EXPECT_THAT(VerifyConsistency(growth, path), StatusIs(StatusCode::kDataLoss, "too long"));
}

TEST(Proofs, FromSizeZeroProveNothing) {
  const TreeHashes tree = SomeTree(3);
  EXPECT_THAT(VerifyConsistency({0, crypto::EmptyTreeHash(), 3, tree.Root()}, {}),
              StatusIs(StatusCode::kDataLoss, "size 0"));
  EXPECT_THAT(ProveConsistency(0, 3, tree.reader()), StatusIs(StatusCode::kInvalidArgument, "0"));
  EXPECT_THAT(ProveConsistency(4, 3, tree.reader()), StatusIs(StatusCode::kInvalidArgument, "4"));
  EXPECT_THAT(ProveInclusion(3, 3, tree.reader()), StatusIs(StatusCode::kInvalidArgument, "3"));
}

TEST(TreeHashes, KnowsCompleteSubtreesOnly) {
  const TreeHashes tree = SomeTree(5);
  EXPECT_TRUE(tree.Node({2, 0}).ok());
  EXPECT_THAT(tree.Node({2, 1}), StatusIs(StatusCode::kOutOfRange, "not complete"));
  EXPECT_THAT(tree.Node({63, 0}), StatusIs(StatusCode::kOutOfRange, "not complete"));
  EXPECT_THAT(tree.Node({-1, 0}), StatusIs(StatusCode::kOutOfRange, "not complete"));
}

}  // namespace
}  // namespace hilum::ledger_anchor

// Proofs about the Merkle tree of RFC 6962: made and verified (RFC 9162, sections 2.1.3 and 2.1.4).
#ifndef HILUM_LEDGER_ANCHOR_MERKLE_H_
#define HILUM_LEDGER_ANCHOR_MERKLE_H_

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "crypto/tree.h"

namespace hilum::ledger_anchor {

using HashList = std::vector<Digest>;
using HashSpan = std::span<const Digest>;

struct InclusionClaim {
  uint64_t index = 0;  // of the leaf, from 0
  uint64_t size = 0;   // of the tree
  Digest leaf_hash{};
  Digest root{};
};
// RFC 9162, section 2.1.3.2. DataLoss: the proof does not show that the leaf is in the tree.
absl::Status VerifyInclusion(const InclusionClaim& claim, HashSpan proof);

struct ConsistencyClaim {
  uint64_t old_size = 0;
  Digest old_root{};
  uint64_t size = 0;
  Digest root{};
};
// RFC 9162, section 2.1.4.2. DataLoss: the proof does not show that the old tree is a prefix of the
// new one. Old size 0 is always refused: it would prove nothing.
absl::Status VerifyConsistency(const ConsistencyClaim& claim, HashSpan proof);

// The subtree [start, end) of a tree: start is a multiple of the power of two that holds
// end - start (draft-ietf-plants-merkle-tree-certs, section 4). The two functions above are the
// case start = 0.
struct SubtreeClaim {
  uint64_t start = 0;
  uint64_t end = 0;
  Digest subtree_root{};
  uint64_t size = 0;
  Digest root{};
};
absl::Status VerifySubtreeConsistency(const SubtreeClaim& claim, HashSpan proof);
struct SubtreeInclusionClaim {
  uint64_t index = 0;  // in the whole tree
  uint64_t start = 0;
  uint64_t end = 0;
  Digest leaf_hash{};
  Digest subtree_root{};
};
absl::Status VerifySubtreeInclusion(const SubtreeInclusionClaim& claim, HashSpan proof);

// A complete subtree: the leaves [index * 2^level, (index + 1) * 2^level).
struct NodeId {
  int level = 0;
  uint64_t index = 0;
};
// Gives the hash of a complete subtree of the log; an error is passed on.
using NodeReader = std::function<absl::StatusOr<Digest>(NodeId)>;

// The root over the leaves [begin, end), end > begin, of which `read` knows all complete subtrees.
absl::StatusOr<Digest> RangeRoot(uint64_t begin, uint64_t end, const NodeReader& read);
// InvalidArgument: index >= size.
absl::StatusOr<HashList> ProveInclusion(uint64_t index, uint64_t size, const NodeReader& read);
// InvalidArgument: old_size is 0 or larger than size.
absl::StatusOr<HashList> ProveConsistency(uint64_t old_size, uint64_t size, const NodeReader& read);

// All leaf hashes of a log in memory, and each full level of 256 above them: the data of the tiles.
// Not thread-safe.
class TreeHashes {
 public:
  void Add(const Digest& leaf_hash);
  uint64_t size() const { return levels_.empty() ? 0 : levels_[0].size(); }
  // Level l of the tiles: one hash for each 256^l leaves that are complete.
  HashSpan level(int l) const;
  int n_levels() const { return static_cast<int>(levels_.size()); }
  Digest Root() const { return tree_.Root(); }
  // OutOfRange: the subtree is not complete yet.
  absl::StatusOr<Digest> Node(NodeId id) const;
  NodeReader reader() const;

 private:
  std::vector<HashList> levels_;
  crypto::TreeHasher tree_;
};

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_MERKLE_H_

#include "ledger_anchor/merkle.h"

#include <bit>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace hilum::ledger_anchor {
namespace {

using crypto::NodeHash;

constexpr int kTileBits = 8;  // a tile level spans 2^8 leaves of the level below

absl::Status Fails(absl::string_view what, absl::string_view why) {
  return absl::DataLossError(absl::StrCat("the ", what, " proof ", why));
}

// The largest power of two below n, n >= 2: where RFC 6962 splits a tree.
uint64_t Split(uint64_t n) { return std::bit_floor(n - 1); }

absl::Status CheckSubtree(uint64_t start, uint64_t end) {
  if (start >= end) return Fails("subtree", absl::StrCat("is of [", start, ", ", end, ")"));
  const uint64_t length = end - start;
  if (length > uint64_t{1} << 63 || start % std::bit_ceil(length) != 0) {
    return Fails("subtree", absl::StrCat("is of [", start, ", ", end, "), which is no subtree"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status VerifyInclusion(const InclusionClaim& claim, HashSpan proof) {
  if (claim.index >= claim.size) {
    return Fails("inclusion",
                 absl::StrCat("is of index ", claim.index, " in a tree of ", claim.size));
  }
  uint64_t fn = claim.index;
  uint64_t sn = claim.size - 1;
  Digest hash = claim.leaf_hash;
  for (const Digest& sibling : proof) {
    if (sn == 0)
      return Fails("inclusion", absl::StrCat("of ", proof.size(), " hashes is too long"));
    if ((fn & 1) != 0 || fn == sn) {
      hash = NodeHash(sibling, hash);
      while ((fn & 1) == 0 && fn != 0) {
        fn >>= 1;
        sn >>= 1;
      }
    } else {
      hash = NodeHash(hash, sibling);
    }
    fn >>= 1;
    sn >>= 1;
  }
  if (sn != 0) return Fails("inclusion", absl::StrCat("of ", proof.size(), " hashes is too short"));
  if (hash == claim.root) return absl::OkStatus();
  return Fails("inclusion", absl::StrCat("of index ", claim.index, " gives the root ", ToHex(hash),
                                         ", the checkpoint has ", ToHex(claim.root)));
}

absl::Status VerifySubtreeInclusion(const SubtreeInclusionClaim& claim, HashSpan proof) {
  HILUM_RETURN_IF_ERROR(CheckSubtree(claim.start, claim.end));
  if (claim.index < claim.start || claim.index >= claim.end) {
    return Fails("inclusion", absl::StrCat("is of index ", claim.index, " outside [", claim.start,
                                           ", ", claim.end, ")"));
  }
  return VerifyInclusion({.index = claim.index - claim.start,
                          .size = claim.end - claim.start,
                          .leaf_hash = claim.leaf_hash,
                          .root = claim.subtree_root},
                         proof);
}

absl::Status VerifyConsistency(const ConsistencyClaim& claim, HashSpan proof) {
  if (claim.old_size == 0) return Fails("consistency", "from size 0 would prove nothing");
  return VerifySubtreeConsistency({.start = 0,
                                   .end = claim.old_size,
                                   .subtree_root = claim.old_root,
                                   .size = claim.size,
                                   .root = claim.root},
                                  proof);
}

// fn, sn and tn walk up from the subtree's first leaf, its last leaf and the tree's last leaf.
absl::Status VerifySubtreeConsistency(const SubtreeClaim& claim, HashSpan proof) {
  if (claim.start == claim.end && claim.end <= claim.size && proof.empty() &&
      claim.subtree_root == crypto::EmptyTreeHash()) {
    return absl::OkStatus();  // the draft: an empty subtree is in every tree
  }
  HILUM_RETURN_IF_ERROR(CheckSubtree(claim.start, claim.end));
  if (claim.end > claim.size) {
    return Fails("consistency",
                 absl::StrCat("goes from size ", claim.end, " back to ", claim.size));
  }
  uint64_t fn = claim.start;
  uint64_t sn = claim.end - 1;
  uint64_t tn = claim.size - 1;
  while (fn != sn && (sn == tn || (sn & 1) != 0)) {
    fn >>= 1;
    sn >>= 1;
    tn >>= 1;
  }
  Digest old_hash = claim.subtree_root;
  Digest hash = claim.subtree_root;
  if (fn != sn) {
    if (proof.empty()) return Fails("consistency", "is empty");
    old_hash = hash = proof[0];
    proof = proof.subspan(1);
  }
  for (const Digest& node : proof) {
    if (tn == 0) return Fails("consistency", "is too long");
    if ((sn & 1) != 0 || sn == tn) {
      if (fn < sn) old_hash = NodeHash(node, old_hash);
      hash = NodeHash(node, hash);
      while ((sn & 1) == 0 && sn != 0) {
        fn >>= 1;
        sn >>= 1;
        tn >>= 1;
      }
    } else {
      hash = NodeHash(hash, node);
    }
    fn >>= 1;
    sn >>= 1;
    tn >>= 1;
  }
  if (tn != 0) return Fails("consistency", "is too short");
  if (old_hash != claim.subtree_root) {
    return Fails("consistency", absl::StrCat("gives the root ", ToHex(old_hash), " at size ",
                                             claim.end, ", not ", ToHex(claim.subtree_root)));
  }
  if (hash == claim.root) return absl::OkStatus();
  return Fails("consistency", absl::StrCat("gives the root ", ToHex(hash), " at size ", claim.size,
                                           ", not ", ToHex(claim.root)));
}

// Complete subtrees from left to right, as the bits of the length say; folded from the right.
absl::StatusOr<Digest> RangeRoot(uint64_t begin, uint64_t end, const NodeReader& read) {
  HILUM_CHECK(begin < end);
  HashList parts;
  while (begin < end) {
    const int level = std::bit_width(end - begin) - 1;
    HILUM_ASSIGN_OR_RETURN(const Digest part, read({level, begin >> level}));
    parts.push_back(part);
    begin += uint64_t{1} << level;
  }
  Digest root = parts.back();
  for (size_t i = parts.size() - 1; i > 0; --i) root = NodeHash(parts[i - 1], root);
  return root;
}

// From the top: the half without the leaf goes into the proof.
absl::StatusOr<HashList> ProveInclusion(uint64_t index, uint64_t size, const NodeReader& read) {
  if (index >= size) {
    return absl::InvalidArgumentError(
        absl::StrCat("entry ", index, " is not in a log of ", size, " entries"));
  }
  HashList proof;
  for (uint64_t begin = 0, end = size; end - begin > 1;) {
    const uint64_t middle = begin + Split(end - begin);
    const bool is_left = index < middle;
    HILUM_ASSIGN_OR_RETURN(const Digest sibling,
                           is_left ? RangeRoot(middle, end, read) : RangeRoot(begin, middle, read));
    proof.insert(proof.begin(), sibling);
    (is_left ? end : begin) = middle;
  }
  return proof;
}

// RFC 6962, section 2.1.2. `whole` is true while the old tree is a complete prefix of the part, so
// that its root is known to the verifier.
absl::StatusOr<HashList> ProveConsistency(uint64_t old_size, uint64_t size,
                                          const NodeReader& read) {
  if (old_size == 0 || old_size > size) {
    return absl::InvalidArgumentError(absl::StrCat("a consistency proof from size ", old_size,
                                                   " to size ", size, " does not exist"));
  }
  HashList proof;
  bool whole = true;
  uint64_t begin = 0;
  uint64_t end = size;
  while (old_size != end) {
    const uint64_t middle = begin + Split(end - begin);
    const bool is_left = old_size <= middle;
    HILUM_ASSIGN_OR_RETURN(const Digest other,
                           is_left ? RangeRoot(middle, end, read) : RangeRoot(begin, middle, read));
    proof.insert(proof.begin(), other);
    whole = whole && is_left;
    (is_left ? end : begin) = middle;
  }
  if (!whole) {
    HILUM_ASSIGN_OR_RETURN(const Digest first, RangeRoot(begin, end, read));
    proof.insert(proof.begin(), first);
  }
  return proof;
}

void TreeHashes::Add(const Digest& leaf_hash) {
  tree_.AddLeafHash(leaf_hash);
  Digest hash = leaf_hash;
  for (size_t l = 0;; ++l) {
    if (l == levels_.size()) levels_.emplace_back();
    HashList& level = levels_[l];
    level.push_back(hash);
    constexpr size_t kWidth = size_t{1} << kTileBits;
    if (level.size() % kWidth != 0) return;
    hash = crypto::TreeRoot(HashSpan(level).last(kWidth));
  }
}

HashSpan TreeHashes::level(int l) const {
  if (l < 0 || l >= n_levels()) return {};
  return levels_[static_cast<size_t>(l)];
}

absl::StatusOr<Digest> TreeHashes::Node(NodeId id) const {
  if (id.level >= 0 && id.level < 64) {
    const HashSpan hashes = level(id.level / kTileBits);
    const uint64_t width = uint64_t{1} << (id.level % kTileBits);
    if (id.index < hashes.size() / width) {
      return crypto::TreeRoot(hashes.subspan(id.index * width, width));
    }
  }
  return absl::OutOfRangeError(absl::StrCat("the subtree ", id.index, " of level ", id.level,
                                            " is not complete in a log of ", size(), " entries"));
}

NodeReader TreeHashes::reader() const {
  return [this](NodeId id) { return Node(id); };
}

}  // namespace hilum::ledger_anchor

#include "ledger_anchor/updates.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hilum::ledger_anchor {
namespace {

absl::StatusOr<TreeHashes> UpdatesTree(std::span<const UpdateLeaf> leaves) {
  TreeHashes tree;
  for (size_t i = 0; i < leaves.size(); ++i) {
    if (i > 0 && leaves[i].site_index <= leaves[i - 1].site_index) {
      return absl::InvalidArgumentError(
          absl::StrCat("update of site ", leaves[i].site_index, " comes after that of site ",
                       leaves[i - 1].site_index, "; the order is by ascending index"));
    }
    tree.Add(crypto::LeafHash(EncodeUpdateLeaf(leaves[i])));
  }
  return tree;
}

}  // namespace

Bytes EncodeUpdateLeaf(const UpdateLeaf& leaf) {
  Bytes bytes;
  AppendU16(bytes, leaf.site_index);
  AppendBytes(bytes, leaf.root);
  AppendBytes(bytes, leaf.signature.bytes);
  return bytes;
}

absl::StatusOr<Digest> UpdatesRoot(std::span<const UpdateLeaf> leaves) {
  HILUM_ASSIGN_OR_RETURN(const TreeHashes tree, UpdatesTree(leaves));
  return tree.Root();
}

absl::StatusOr<HashList> ProveUpdate(std::span<const UpdateLeaf> leaves, uint64_t position) {
  HILUM_ASSIGN_OR_RETURN(const TreeHashes tree, UpdatesTree(leaves));
  return ProveInclusion(position, tree.size(), tree.reader());
}

}  // namespace hilum::ledger_anchor

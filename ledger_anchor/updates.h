// `updates.root` of a round-close and a site's receipt under it (ledger.md 3.4).
#ifndef HILUM_LEDGER_ANCHOR_UPDATES_H_
#define HILUM_LEDGER_ANCHOR_UPDATES_H_

#include <cstdint>
#include <span>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "crypto/sign.h"
#include "ledger_anchor/merkle.h"

namespace hilum::ledger_anchor {

struct UpdateLeaf {
  uint16_t site_index = 0;      // in the roster
  Digest root{};                // R_i = Tree("hilum/sa/v1/r2-chunk", the bytes sent)
  crypto::Signature signature;  // Sign("hilum/sa/v1/r2-root", R_i)
};

// u16be index || R_i || signature: the data of one leaf.
Bytes EncodeUpdateLeaf(const UpdateLeaf& leaf);

// The RFC 6962 root; of no updates H(""). InvalidArgument: not by strictly ascending index.
absl::StatusOr<Digest> UpdatesRoot(std::span<const UpdateLeaf> leaves);

// The path of the leaf at `position` (in the list, not the roster).
absl::StatusOr<HashList> ProveUpdate(std::span<const UpdateLeaf> leaves, uint64_t position);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_UPDATES_H_

// The IPFS CIDv1 of an object: an alias under which anybody may find the same bytes elsewhere. The
// name in the ledger stays the SHA-256 (ledger.md, section 8).
#ifndef HILUM_LEDGER_ANCHOR_IPFS_CID_H_
#define HILUM_LEDGER_ANCHOR_IPFS_CID_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "crypto/hash.h"

namespace hilum::ledger_anchor {

// Kubo's defaults for `add --cid-version 1`: chunks of 256 KiB as raw leaves, 174 links a node.
inline constexpr uint64_t kIpfsChunkBytes = 256 << 10;
inline constexpr size_t kIpfsLinks = 174;

// Of an object of at most kIpfsChunkBytes: "b" and base32 of 01 55 12 20 and its SHA-256.
std::string IpfsCidOfBlock(const Digest& sha256);

// Of any object, in parts. Memory: 52 bytes for each chunk of 256 KiB. Longer objects become a
// balanced UnixFS tree (dag-pb), whose root is named. Not thread-safe.
class IpfsCid {
 public:
  void Update(ByteView bytes);
  // Once only.
  std::string Finish();

 private:
  struct Link {
    std::array<uint8_t, 36> cid{};
    uint64_t file_bytes = 0;  // of the file below it
    uint64_t tree_bytes = 0;  // of all blocks below it, and itself
  };
  static Link NodeOf(const Link* first, size_t n_links);
  void EndChunk();
  std::vector<Link> links_;
  crypto::Sha256Stream chunk_;
  uint64_t chunk_bytes_ = 0;
};

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_IPFS_CID_H_

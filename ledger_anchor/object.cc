#include "ledger_anchor/object.h"

#include "base/status_macros.h"
#include "crypto/age.h"
#include "ledger_anchor/ipfs_cid.h"

namespace hilum::ledger_anchor {

absl::StatusOr<std::string> IpfsCidOf(const Store& store, const Digest& digest) {
  HILUM_ASSIGN_OR_RETURN(StoreReader reader, store.OpenObject(digest));
  Bytes chunk(kIpfsChunkBytes);
  IpfsCid cid;
  for (;;) {
    HILUM_ASSIGN_OR_RETURN(const size_t n, reader.Read(chunk));
    if (n == 0) return cid.Finish();
    cid.Update(ByteView(chunk).first(n));
  }
}

absl::Status OpenSealedObject(const Store& store, const OpenSealed& options) {
  HILUM_ASSIGN_OR_RETURN(const crypto::AgeIdentity identity,
                         crypto::AgeIdentity::Load(options.identity));
  HILUM_RETURN_IF_ERROR(store.Check(options.object));
  return crypto::DecryptAgeFile(identity, store.PathOf(options.object), options.out,
                                options.plaintext);
}

}  // namespace hilum::ledger_anchor

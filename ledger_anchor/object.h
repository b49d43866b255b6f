// What a reader does with one object of a store: its IPFS alias, and opening a sealed copy.
#ifndef HILUM_LEDGER_ANCHOR_OBJECT_H_
#define HILUM_LEDGER_ANCHOR_OBJECT_H_

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "ledger_anchor/store.h"

namespace hilum::ledger_anchor {

// The CIDv1 of the object's bytes (ipfs_cid.h), which are read through and hashed. NotFound,
// DataLoss: as Store::Check.
absl::StatusOr<std::string> IpfsCidOf(const Store& store, const Digest& digest);

struct OpenSealed {
  Digest object{};                 // address of the age file
  Digest plaintext{};              // SHA-256 that it must have inside
  std::filesystem::path identity;  // an age identity file
  std::filesystem::path out;       // gets its name only when all of it is as it must be
};
// NotFound: no such object or identity file. DataLoss: the object is damaged or holds something
// else. PermissionDenied: it is not sealed for this identity.
absl::Status OpenSealedObject(const Store& store, const OpenSealed& options);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_OBJECT_H_

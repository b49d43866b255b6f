#include "privacy/secagg/inbox.h"

#include "absl/strings/str_cat.h"
#include "crypto/hash.h"

namespace hilum::privacy::secagg {

absl::StatusOr<Receipt> Inbox::Look(uint16_t sender, ByteView message) const {
  const auto seen = seen_.find(sender);
  if (seen == seen_.end()) return Receipt{.sender = sender, .is_new = true};
  if (seen->second == crypto::Sha256(message)) return Receipt{.sender = sender, .is_new = false};
  return absl::FailedPreconditionError(
      absl::StrCat("member ", sender, " sent a second and different message in this flight"));
}

void Inbox::Put(uint16_t sender, ByteView message) { seen_[sender] = crypto::Sha256(message); }

}  // namespace hilum::privacy::secagg

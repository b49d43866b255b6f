// Entry keys that change in the middle of a federation: this site's own, and those of the others
// that it has pinned (ledger.md 3.7).
#ifndef HILUM_CLIENT_ROTATION_H_
#define HILUM_CLIENT_ROTATION_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/file.h"
#include "client/ledger_gate.h"
#include "client/site_folder.h"
#include "client/state.h"
#include "crypto/sign.h"

namespace hilum::client {

struct RotationReport {
  std::string site;
  std::string old_key;  // base64
  std::string new_key;
  uint64_t index = 0;  // of the key-rotate in the ledger
};
// Makes the site's next entry key (keys/entry.next.key), logs the key-rotate and remembers it, so
// that a repeated call sends the same bytes. The key of now goes on signing; the agent changes over
// with the first round whose roster holds the next one. Errors: as SubmitProven.
absl::StatusOr<RotationReport> RotateKey(const SiteFolder& folder, const SiteOptions& options,
                                         State& state, int64_t now_s);

// The key that signs now. After a crash in the middle of ChangeOver that is finished first, so the
// caller holds the folder's lock. Errors as SigningKey::Load.
absl::StatusOr<crypto::SigningKey> OpenEntryKey(const SiteFolder& folder);

// All entry keys of this site that its folder holds: of now, next, retired.
absl::StatusOr<std::vector<crypto::PublicKey>> OwnKeys(const SiteFolder& folder);

// When this site's next key is among `valid`, it becomes the key of now, and the one before is kept
// as keys/entry.retired-<8 hex>.key: it signs nothing any more, but old receipts name it. Absent:
// nothing changed.
//   valid  keys that the ledger takes: a round's roster, or the key of an entry that it proves
absl::StatusOr<std::optional<crypto::SigningKey>> ChangeOver(
    const SiteFolder& folder, const std::vector<crypto::PublicKey>& valid);

// Gets the tlog-proof of a member's `nth` key-rotate, from 1. NotFound: it has fewer.
using FetchRotation =
    std::function<absl::StatusOr<std::string>(const std::string& member, uint64_t nth)>;

struct PinnedMember {
  const std::string& member;
  crypto::PublicKey pinned;
  crypto::PublicKey shown;  // in the roster
  int64_t now_s = 0;
};
// OK: the pinned ledger proves key-rotates, each signed by the key before and the key after it,
// that lead from the pinned key to the one shown. That their waiting time is over is checked by who
// reads the whole log. PermissionDenied: there are none. Others: as LedgerGate::CheckEntry.
absl::Status CheckRotated(LedgerGate& gate, const PinnedMember& member,
                          const ProveConsistency& prove, const FetchRotation& fetch);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_ROTATION_H_

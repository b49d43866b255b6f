// Who may sign, by replay of genesis, join, leave and key-rotate.
#ifndef HILUM_LEDGER_ANCHOR_MEMBERS_H_
#define HILUM_LEDGER_ANCHOR_MEMBERS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "crypto/sign.h"
#include "ledger_anchor/entry.h"

namespace hilum::ledger_anchor {

// A key-rotate counts with the first completed round (a round-close with status ok) that the
// aggregator signed at least this long after its first entry behind the key-rotate. Until then the
// member can see a rotation that is not its own, and have itself removed.
inline constexpr uint64_t kRotationDelayS = 86'400;

struct PastKey {
  crypto::PublicKey key;
  uint64_t until_index = 0;   // of the first entry that it may not sign
  uint64_t rotate_index = 0;  // of the key-rotate that replaced it
};
struct NextKey {
  crypto::PublicKey key;
  uint64_t index = 0;               // of the key-rotate
  std::optional<uint64_t> since_s;  // time of the aggregator's first entry behind it
};

struct Member {
  std::string role;  // aggregator, site, witness, auditor
  crypto::PublicKey entry_key;
  std::vector<PastKey> past_keys;   // oldest first
  std::optional<NextKey> next_key;  // logged, and does not count yet
  std::optional<std::string> witness_vkey;
  std::optional<std::string> age_recipient;
  std::optional<Digest> cert;
  uint64_t joined_index = 0;
  std::optional<uint64_t> left_index;            // left the federation with this entry
  std::map<std::string, uint64_t> left_studies;  // study -> index of the leave

  // The key that signs the entry at `index`.
  const crypto::PublicKey& KeyAt(uint64_t index) const;
};

// A value: apply entries in order of the log.
class Members {
 public:
  // What can be said of an entry at the next index: its signer is valid for its type and study, a
  // join brings a new name and key, a leave names a member, a key-rotate a key that nobody has.
  // DataLoss otherwise; nothing changes.
  absl::Status Check(const Entry& entry) const;
  // Takes a checked entry at `index`. Types other than genesis, join, leave and key-rotate only
  // move rotations on.
  void Apply(uint64_t index, const Entry& entry);

  // The key that must have signed `entry`. DataLoss: unknown, left, or `entry.key` is another.
  absl::StatusOr<crypto::PublicKey> SignerKey(const Entry& entry) const;
  // Null: no such member, ever.
  const Member* Find(absl::string_view name) const;
  bool IsActive(absl::string_view name, absl::string_view study) const;
  const std::map<std::string, Member, std::less<>>& all() const { return members_; }
  const std::string& aggregator() const { return aggregator_; }  // empty before genesis

 private:
  absl::Status CheckJoin(const Join& join) const;
  absl::Status CheckLeave(const Entry& entry, const Leave& leave) const;
  absl::Status CheckRotate(const KeyRotate& rotate) const;
  absl::Status CheckCohort(const Entry& entry, const RoundOpen& open) const;
  void MoveRotations(uint64_t index, const Entry& entry);
  std::string aggregator_;
  std::map<std::string, Member, std::less<>> members_;
  std::set<Digest> keys_;  // each key serves one member, for ever
};

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_MEMBERS_H_

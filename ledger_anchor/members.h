// Who may sign, by replay of genesis, join and leave.
#ifndef HILUM_LEDGER_ANCHOR_MEMBERS_H_
#define HILUM_LEDGER_ANCHOR_MEMBERS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "crypto/sign.h"
#include "ledger_anchor/entry.h"

namespace hilum::ledger_anchor {

struct Member {
  std::string role;  // aggregator, site, witness, auditor
  crypto::PublicKey entry_key;
  std::optional<std::string> witness_vkey;
  std::optional<std::string> age_recipient;
  std::optional<Digest> cert;
  uint64_t joined_index = 0;
  std::optional<uint64_t> left_index;            // left the federation with this entry
  std::map<std::string, uint64_t> left_studies;  // study -> index of the leave
};

// A value: apply entries in order of the log.
class Members {
 public:
  // What can be said of an entry at the next index: its signer is valid for its type and study, a
  // join brings a new name and key, a leave names a member. DataLoss otherwise; nothing changes.
  absl::Status Check(const Entry& entry) const;
  // Takes a checked genesis, join or leave at `index`; other types change nothing.
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
  std::string aggregator_;
  std::map<std::string, Member, std::less<>> members_;
  std::set<Digest> keys_;  // each key serves one member, for ever
};

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_MEMBERS_H_

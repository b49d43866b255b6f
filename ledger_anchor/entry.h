// What the ledger says: its entries, their canonical bytes and signatures (ledger.md, section 3).
#ifndef HILUM_LEDGER_ANCHOR_ENTRY_H_
#define HILUM_LEDGER_ANCHOR_ENTRY_H_

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "crypto/sign.h"
#include "ledger_anchor/entry_types.h"

namespace hilum::ledger_anchor {

// Makes the list. When `names` are more than kListLimit, `*annex` gets the array to put into the
// store (else it is emptied). InvalidArgument: a name that CheckName refuses.
absl::StatusOr<NameList> MakeNameList(const std::vector<std::string>& names, std::string* annex);
// The names of a list; `annex` is the object that it names, empty when it names none.
// DataLoss: the object has another SHA-256, is longer than kAnnexLimitBytes, is not a JSON list of
// names, or has another number of them.
absl::StatusOr<std::vector<std::string>> NamesOf(const NameList& list, absl::string_view annex);
inline constexpr uint64_t kAnnexLimitBytes = 1 << 20;

// Lists that a site commits to are padded with dummies to a power of two within these limits, so
// that their length says little.
inline constexpr uint64_t kPaddedFloor = 16;
inline constexpr uint64_t kPaddedLimit = uint64_t{1} << 20;
inline bool IsPaddedCount(uint64_t n) {
  return n >= kPaddedFloor && n <= kPaddedLimit && (n & (n - 1)) == 0;
}

using EntryBody = std::variant<Genesis, Join, Leave, RoundOpen, RoundClose, ModelRelease, Incident,
                               KeyRotate, ConsentBatch, TrainManifest, Evaluation>;

struct Entry {
  std::string by;     // name of the signing member
  Digest key{};       // H of its raw public key; SignEntry fills it
  uint64_t t = 0;     // seconds; a claim, not evidence
  std::string study;  // empty when it concerns the whole federation
  crypto::Signature sig;
  EntryBody body;
  friend bool operator==(const Entry&, const Entry&) = default;
};

// "genesis", "join", … as in ledger.md 3.3: the name of the entry's type.
absl::string_view EntryType(const Entry& entry);
// All of them, in the order of EntryBody.
std::span<const absl::string_view> EntryTypes();

// The canonical bytes of a finished entry. InvalidArgument: a field breaks its rule or the entry is
// longer than kEntryLimitBytes.
absl::StatusOr<std::string> EncodeEntry(const Entry& entry);

// DataLoss: not canonical, an unknown type or field, a missing field, or a value that breaks its
// field's rule. The signature is not checked here.
absl::StatusOr<Entry> ParseEntry(absl::string_view text);

// Fills `key` and `sig` and gives the canonical bytes, ready for Log::Append.
// InvalidArgument: as EncodeEntry.
absl::StatusOr<std::string> SignEntry(Entry entry, absl::string_view origin,
                                      const crypto::SigningKey& key);
// DataLoss: `key` is not the entry's, or the signature fails (also when the entry was made for
// another origin).
absl::Status VerifyEntrySignature(const Entry& entry, absl::string_view origin,
                                  const crypto::PublicKey& key);

// The new member's consent to its own join: over the entry as the aggregator will sign it (by, key,
// t and all fields but the two signatures must be filled in).
absl::StatusOr<crypto::Signature> SignJoin(const Entry& entry, absl::string_view origin,
                                           const crypto::SigningKey& member_key);
// DataLoss: not a join, or member_sig is not of the key that joins.
absl::Status VerifyJoinSignature(const Entry& entry, absl::string_view origin);

// The next key's consent to a key-rotate: as SignJoin.
absl::StatusOr<crypto::Signature> SignRotate(const Entry& entry, absl::string_view origin,
                                             const crypto::SigningKey& next_key);
// DataLoss: not a key-rotate, or new_sig is not of the new key.
absl::Status VerifyRotateSignature(const Entry& entry, absl::string_view origin);

// The first 16 bytes of SHA-256(origin || LF || log_vkey) (secure_aggregation.md, section 3).
std::array<uint8_t, 16> FederationId(absl::string_view origin, absl::string_view log_vkey);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_ENTRY_H_

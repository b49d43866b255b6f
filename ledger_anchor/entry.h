// What the ledger says: its entries, their canonical bytes and signatures (ledger.md, section 3).
#ifndef HILUM_LEDGER_ANCHOR_ENTRY_H_
#define HILUM_LEDGER_ANCHOR_ENTRY_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "crypto/sign.h"

namespace hilum::ledger_anchor {

// A list of an entry: up to kListLimit items stand in it, more stand in the store as a canonical
// JSON array, and the entry holds the SHA-256 of that array.
inline constexpr size_t kListLimit = 64;
template <class T>
struct List {
  uint64_t n = 0;
  std::vector<T> items;  // n of them, or none when there is an annex
  std::optional<Digest> annex;
  friend bool operator==(const List&, const List&) = default;
};
using NameList = List<std::string>;

// Makes the list. When `names` are more than kListLimit, `*annex` gets the array to put into the
// store (else it is emptied). InvalidArgument: a name that CheckName refuses.
absl::StatusOr<NameList> MakeNameList(const std::vector<std::string>& names, std::string* annex);

struct Metric {
  std::string name;   // [a-z0-9_]+
  std::string value;  // decimal string (proto/canonical_json.h FormatDecimal)
  uint64_t n = 0;     // how many cases it was computed from
  friend bool operator==(const Metric&, const Metric&) = default;
};

struct Genesis {  // by the aggregator, index 0 only
  std::string federation;
  std::string origin;
  std::string log_vkey;
  crypto::PublicKey entry_key;  // the aggregator's
  Digest policy{};              // of the default tlog-policy file
  Digest rules{};               // of the default floors
  NameList participants;
  friend bool operator==(const Genesis&, const Genesis&) = default;
};

struct Join {  // by the aggregator; member_sig by the new key (SignJoin)
  std::string member;
  std::string role;  // site, witness, auditor
  crypto::PublicKey entry_key;
  std::optional<std::string> witness_vkey;
  std::optional<std::string> age_recipient;  // age1…: copies of models are sealed for it
  std::optional<Digest> cert;                // fingerprint of the member's TLS certificate
  crypto::Signature member_sig;
  friend bool operator==(const Join&, const Join&) = default;
};

struct Leave {  // by the member or the aggregator; with `study`, it leaves that study only
  std::string member;
  std::string reason;  // a code [a-z0-9-]+
  uint64_t round = 0;  // its last one
  friend bool operator==(const Leave&, const Leave&) = default;
};

struct RoundOpen {     // by the aggregator
  uint64_t round = 0;  // from 1
  Digest prev{};       // leaf hash of the study's last round-close, or of genesis
  Digest base_model{};
  Digest cfg{};  // H(cfg)
  Digest build{};
  NameList cohort;  // members of role site
  uint64_t deadline = 0;
  friend bool operator==(const RoundOpen&, const RoundOpen&) = default;
};

struct RoundClose {  // by the aggregator
  struct Updates {
    uint64_t n = 0;  // the counted updates
    Digest root{};   // UpdatesRoot (updates.h)
    friend bool operator==(const Updates&, const Updates&) = default;
  };
  struct Rule {
    std::string name;  // for example "fedavg"
    Digest params{};
    friend bool operator==(const Rule&, const Rule&) = default;
  };
  struct Dp {
    std::string unit, mechanism, epsilon, delta, accountant;  // epsilon, delta: decimal strings
    friend bool operator==(const Dp&, const Dp&) = default;
  };
  struct Secagg {
    uint64_t suite = 0;
    Digest cfg{};
    Digest transcript{};
    Digest evidence{};  // SHA-256 of the round record in the store
    friend bool operator==(const Secagg&, const Secagg&) = default;
  };
  uint64_t round = 0;
  Digest prev{};       // the same as in the round-open
  Digest open{};       // leaf hash of the round-open
  std::string status;  // ok, aborted
  Digest base_model{};
  Digest model{};                // = base_model when aborted
  std::optional<Digest> object;  // of the model's sealed copy (age v1), where copies are sealed
  NameList cohort;               // whose updates count
  Updates updates;               // n = cohort.n
  NameList dropped;              // the rest of the round-open's cohort
  Rule rule;
  std::optional<Dp> dp;          // absent: no noise was added
  std::optional<Secagg> secagg;  // absent only when aborted
  Digest build{};
  List<Metric> metrics;
  friend bool operator==(const RoundClose&, const RoundClose&) = default;
};

struct ModelRelease {  // by the aggregator
  std::string name;
  std::string version;
  Digest close{};  // leaf hash of the round-close that made the model
  uint64_t close_index = 0;
  Digest files{};
  std::optional<Digest> bundle;  // of model.sig
  std::string licence;           // SPDX identifier
  List<Digest> objects;
  friend bool operator==(const ModelRelease&, const ModelRelease&) = default;
};

struct Incident {    // by any member
  std::string kind;  // one of the codes of ledger.md 3.3
  uint64_t round = 0;
  std::string about;
  Digest evidence{};
  friend bool operator==(const Incident&, const Incident&) = default;
};

using EntryBody = std::variant<Genesis, Join, Leave, RoundOpen, RoundClose, ModelRelease, Incident>;

struct Entry {
  std::string by;     // name of the signing member
  Digest key{};       // H of its raw public key; SignEntry fills it
  uint64_t t = 0;     // seconds; a claim, not evidence
  std::string study;  // empty when it concerns the whole federation
  crypto::Signature sig;
  EntryBody body;
  friend bool operator==(const Entry&, const Entry&) = default;
};

// "genesis", "join", "leave", "round-open", "round-close", "model-release", "incident".
absl::string_view EntryType(const Entry& entry);

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

// The first 16 bytes of SHA-256(origin || LF || log_vkey) (secure_aggregation.md, section 3).
std::array<uint8_t, 16> FederationId(absl::string_view origin, absl::string_view log_vkey);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_ENTRY_H_

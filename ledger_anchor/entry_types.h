// The bodies of the ledger's entries as values (ledger.md 3.3).
#ifndef HILUM_LEDGER_ANCHOR_ENTRY_TYPES_H_
#define HILUM_LEDGER_ANCHOR_ENTRY_TYPES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

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

// A site's active set in a round, as the site's own newest consent-batch says it.
struct PinnedRoot {
  std::string site;
  Digest active_root{};         // of that batch; EmptyActiveRoot (consent_tree.h) without one
  std::optional<Digest> batch;  // its leaf hash; absent: the site has logged none in this study
  friend bool operator==(const PinnedRoot&, const PinnedRoot&) = default;
};

// The checkpoint of this log up to which consents count in a round, and every site's active set.
struct ConsentPin {
  uint64_t size = 0;
  Digest root{};           // of the log's first `size` entries
  List<PinnedRoot> sites;  // the cohort, each once
  friend bool operator==(const ConsentPin&, const ConsentPin&) = default;
};

struct RoundOpen {     // by the aggregator
  uint64_t round = 0;  // from 1
  Digest prev{};       // leaf hash of the study's last round-close, or of genesis
  Digest base_model{};
  Digest cfg{};  // H(cfg)
  Digest build{};
  NameList cohort;  // members of role site
  uint64_t deadline = 0;
  std::optional<ConsentPin> consent{};  // absent: consents count up to this entry
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

inline constexpr absl::string_view kIncidentKinds[] = {
    "fork",       "rollback", "stale",    "witness-lost", "witness-faulty",
    "bad-update", "bad-sum",  "left-out", "policy",       "anchor"};
struct Incident {    // by any member
  std::string kind;  // one of kIncidentKinds
  uint64_t round = 0;
  std::string about;
  Digest evidence{};
  friend bool operator==(const Incident&, const Incident&) = default;
};

// A member's next entry key. The key of now signs the entry, the next one signs new_sig
// (SignRotate). It counts after a completed round, kRotationDelayS later at the earliest
// (members.h).
struct KeyRotate {  // by the member
  std::string member;
  std::string use;  // "entry"
  Digest old{};     // H of the raw key of now
  crypto::PublicKey new_key;
  crypto::Signature new_sig;
  friend bool operator==(const KeyRotate&, const KeyRotate&) = default;
};

struct ConsentBatch {  // by the site
  std::string site;
  Digest root{};         // BatchTree (consent_tree.h) over commitments to consent events
  uint64_t count = 0;    // of its leaves, dummies included: IsPaddedCount
  Digest active_root{};  // ActiveTree of the site's patients in this study, this batch included
  friend bool operator==(const ConsentBatch&, const ConsentBatch&) = default;
};

struct TrainManifest {  // by the site, before it trains
  uint64_t round = 0;
  Digest open{};  // leaf hash of the round-open
  std::string site;
  Digest active_root{};         // ActiveTree of the pinned checkpoint, else up to the round-open
  Digest manifest_root{};       // over ManifestLeaf (consent_tree.h)
  uint64_t manifest_count = 0;  // dummies included: IsPaddedCount
  friend bool operator==(const TrainManifest&, const TrainManifest&) = default;
};

struct Evaluation {  // by the site
  Digest model{};
  uint64_t round = 0;  // whose round-close made the model
  std::string site;
  Digest dataset{};  // a salted commitment
  List<Metric> metrics;
  std::string operating_point;  // decimal string
  friend bool operator==(const Evaluation&, const Evaluation&) = default;
};

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_ENTRY_TYPES_H_

// Consent as the ledger commits to it: events, active sets and manifests, and what a site proves
// about them (ledger.md, section 9). A pid is 64 lowercase hexadecimal digits.
#ifndef HILUM_LEDGER_ANCHOR_CONSENT_TREE_H_
#define HILUM_LEDGER_ANCHOR_CONSENT_TREE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "ledger_anchor/merkle.h"

namespace hilum::ledger_anchor {

// What the product prints wherever it shows a result of this file.
inline constexpr absl::string_view kConsentLimit =
    "This shows what the site committed to, before the fact and without rewriting. It does not "
    "show "
    "that nothing else was trained on: that needs an audit on site.";

struct ConsentEvent {
  std::string pid;
  std::string action;  // grant, revoke, expire
  Digest scope{};      // H of what the site understood it to be for
  uint64_t t = 0;      // seconds; the site's claim
  friend bool operator==(const ConsentEvent&, const ConsentEvent&) = default;
};
// Canonical JSON. InvalidArgument: a field breaks its rule.
absl::StatusOr<std::string> EncodeConsentEvent(const ConsentEvent& event);
// DataLoss: any other text.
absl::StatusOr<ConsentEvent> ParseConsentEvent(absl::string_view text);

// H("hilum-consent/v1" LF || nonce || event), and what fills a batch up: of another prefix, so no
// dummy can be opened as an event.
Digest CommitEvent(absl::string_view event, const Digest& nonce);
Digest CommitDummy(const Digest& nonce);

// The tree of a batch: leaf data are the commitments, ascending, so that their order says nothing.
TreeHashes BatchTree(const std::vector<Digest>& commitments);

struct TreeClaim {
  Digest root{};
  uint64_t size = 0;
};

// One leaf of an active set with its path.
struct ActiveLeaf {
  std::string pid;
  uint64_t index = 0;
  HashList path;
};
// Two neighbours between which a pid would stand.
struct ActiveAbsence {
  ActiveLeaf lower;
  ActiveLeaf upper;
};

// The patients of one site and study who permit, by ascending pid, between an all-zero and an
// all-one sentinel. Leaf data: "hilum-active/v1" LF || pid.
class ActiveTree {
 public:
  // InvalidArgument: a pid is none, is a sentinel, or comes twice.
  static absl::StatusOr<ActiveTree> Create(std::vector<std::string> pids);
  TreeClaim claim() const { return {hashes_.Root(), hashes_.size()}; }
  bool Holds(absl::string_view pid) const;
  // NotFound: it is not active.
  absl::StatusOr<ActiveLeaf> Prove(absl::string_view pid) const;
  // AlreadyExists: it is active. InvalidArgument: no pid.
  absl::StatusOr<ActiveAbsence> ProveAbsence(absl::string_view pid) const;

 private:
  ActiveLeaf LeafAt(size_t index) const;
  std::vector<std::string> pids_;  // with the sentinels
  TreeHashes hashes_;
};
// The root of an active set without patients: of a site that has logged no consent.
const Digest& EmptyActiveRoot();
// DataLoss: the leaf is not in the tree, or its pid is none.
absl::Status VerifyActive(const TreeClaim& tree, const ActiveLeaf& leaf);
// DataLoss: the two are not in the tree, not neighbours, or `pid` is not between them.
absl::Status VerifyNotActive(const TreeClaim& tree, absl::string_view pid,
                             const ActiveAbsence& absence);

// One patient of a manifest, or a dummy (pid empty) behind the last one. Leaf data:
//   "hilum-manifest/v1" LF || pid || content (32) || nonce (32), or
//   "hilum-manifest-dummy/v1" LF || nonce (32)
struct ManifestLeaf {
  std::string pid;
  Digest content{};  // of the patient's films (client/manifest.h)
  Digest nonce{};
  bool is_dummy() const { return pid.empty(); }
  friend bool operator==(const ManifestLeaf&, const ManifestLeaf&) = default;
};
Digest ManifestLeafHash(const ManifestLeaf& leaf);

struct OpenedLeaf {
  ManifestLeaf leaf;
  uint64_t index = 0;
  HashList path;
};
struct ManifestAbsence {
  std::optional<OpenedLeaf> lower;  // absent: upper is the first leaf
  std::optional<OpenedLeaf> upper;  // absent: lower is the last leaf
};

// The leaves of one round: patients by ascending pid, then dummies.
class ManifestTree {
 public:
  // InvalidArgument: not in that order, a pid twice, or no padded count (IsPaddedCount).
  static absl::StatusOr<ManifestTree> Create(std::vector<ManifestLeaf> leaves);
  TreeClaim claim() const { return {hashes_.Root(), hashes_.size()}; }
  const std::vector<ManifestLeaf>& leaves() const { return leaves_; }
  // OutOfRange: no such leaf.
  absl::StatusOr<OpenedLeaf> Open(uint64_t index) const;
  // AlreadyExists: the patient is in it.
  absl::StatusOr<ManifestAbsence> ProveAbsence(absl::string_view pid) const;

 private:
  std::vector<ManifestLeaf> leaves_;
  TreeHashes hashes_;
};
// DataLoss: the leaf is not in the tree, or its pid is none.
absl::Status VerifyManifestLeaf(const TreeClaim& tree, const OpenedLeaf& opened);
// DataLoss: as VerifyNotActive; also when a dummy stands below the gap.
absl::Status VerifyNotInManifest(const TreeClaim& tree, absl::string_view pid,
                                 const ManifestAbsence& absence);

// The smallest padded count that holds n. InvalidArgument: n is above kPaddedLimit.
absl::StatusOr<uint64_t> PaddedCount(uint64_t n);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_CONSENT_TREE_H_

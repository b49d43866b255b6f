#include "ledger_anchor/consent_tree.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "crypto/tree.h"
#include "ledger_anchor/entry.h"
#include "proto/canonical_json.h"
#include "proto/json_fields.h"

namespace hilum::ledger_anchor {
namespace {

using Json = nlohmann::json;

constexpr size_t kEventLimitBytes = 1024;

// The pid of 64 equal digits that closes an end of every active set.
std::string Sentinel(uint8_t byte) {
  Digest digest;
  digest.fill(byte);
  return ToHex(digest);
}

absl::Status CheckPid(absl::string_view pid) {
  if (DigestFromHex(pid).ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the pid \"", pid.substr(0, 80), "\" is not 64 lowercase hexadecimal digits"));
}

absl::Status Fails(absl::string_view why) { return absl::DataLossError(why); }

Digest ActiveLeafHash(absl::string_view pid) {
  return crypto::LeafHash(AsBytes(absl::StrCat("hilum-active/v1\n", pid)));
}

Digest HashAfter(absl::string_view prefix, const Digest& nonce, absl::string_view rest) {
  crypto::Sha256Stream hash;
  hash.Update(prefix);
  hash.Update(nonce);
  hash.Update(rest);
  return hash.Finish();
}

absl::StatusOr<HashList> PathOf(const TreeHashes& hashes, uint64_t index) {
  return ProveInclusion(index, hashes.size(), hashes.reader());
}

absl::Status CheckInclusion(const TreeClaim& tree, uint64_t index, const Digest& leaf_hash,
                            HashSpan path) {
  return VerifyInclusion(
      {.index = index, .size = tree.size, .leaf_hash = leaf_hash, .root = tree.root}, path);
}

}  // namespace

absl::StatusOr<std::string> EncodeConsentEvent(const ConsentEvent& event) {
  HILUM_RETURN_IF_ERROR(CheckPid(event.pid));
  if (event.action != "grant" && event.action != "revoke" && event.action != "expire") {
    return absl::InvalidArgumentError(absl::StrCat("the consent event's action \"",
                                                   event.action.substr(0, 40),
                                                   "\" is not grant, revoke or expire"));
  }
  return proto::Canonicalize(Json{
      {"pid", event.pid}, {"action", event.action}, {"scope", ToHex(event.scope)}, {"t", event.t}});
}

absl::StatusOr<ConsentEvent> ParseConsentEvent(absl::string_view text) {
  const absl::StatusOr<Json> object = proto::ParseCanonical(text, kEventLimitBytes);
  if (!object.ok()) return Fails(object.status().message());
  proto::JsonFields fields(*object, "consent event");
  ConsentEvent event;
  event.pid = fields.Text("pid");
  event.action = fields.Text("action");
  event.scope = fields.Hash("scope");
  event.t = fields.Integer("t");
  if (const absl::Status status = fields.Finish(); !status.ok()) return Fails(status.message());
  if (const auto again = EncodeConsentEvent(event); !again.ok()) {
    return Fails(again.status().message());
  }
  return event;
}

Digest CommitEvent(absl::string_view event, const Digest& nonce) {
  return HashAfter("hilum-consent/v1\n", nonce, event);
}

Digest CommitDummy(const Digest& nonce) { return HashAfter("hilum-consent-dummy/v1\n", nonce, ""); }

TreeHashes BatchTree(const std::vector<Digest>& commitments) {
  std::vector<Digest> sorted = commitments;
  std::sort(sorted.begin(), sorted.end());
  TreeHashes tree;
  for (const Digest& commitment : sorted) tree.Add(crypto::LeafHash(commitment));
  return tree;
}

// ---- active sets

absl::StatusOr<ActiveTree> ActiveTree::Create(std::vector<std::string> pids) {
  for (const std::string& pid : pids) HILUM_RETURN_IF_ERROR(CheckPid(pid));
  pids.push_back(Sentinel(0x00));
  pids.push_back(Sentinel(0xff));
  std::sort(pids.begin(), pids.end());
  const auto twice = std::adjacent_find(pids.begin(), pids.end());
  if (twice != pids.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the active set holds the pid ", *twice, " twice, or it is a sentinel"));
  }
  ActiveTree tree;
  tree.pids_ = std::move(pids);
  for (const std::string& pid : tree.pids_) tree.hashes_.Add(ActiveLeafHash(pid));
  return tree;
}

const Digest& EmptyActiveRoot() {
  static const Digest root = ActiveTree::Create({}).value().claim().root;  // two sentinels
  return root;
}

bool ActiveTree::Holds(absl::string_view pid) const {
  return std::binary_search(pids_.begin() + 1, pids_.end() - 1, pid);
}

ActiveLeaf ActiveTree::LeafAt(size_t index) const {
  return {pids_[index], index, PathOf(hashes_, index).value()};  // the index is one of the tree's
}

absl::StatusOr<ActiveLeaf> ActiveTree::Prove(absl::string_view pid) const {
  if (!Holds(pid)) {
    return absl::NotFoundError(absl::StrCat("the pid ", pid, " is not in the active set"));
  }
  const auto at = std::lower_bound(pids_.begin(), pids_.end(), pid);
  return LeafAt(static_cast<size_t>(at - pids_.begin()));
}

absl::StatusOr<ActiveAbsence> ActiveTree::ProveAbsence(absl::string_view pid) const {
  HILUM_RETURN_IF_ERROR(CheckPid(pid));
  const auto upper = std::lower_bound(pids_.begin(), pids_.end(), pid);
  if (*upper == pid) {
    return absl::AlreadyExistsError(absl::StrCat("the pid ", pid, " is in the active set"));
  }
  const size_t index = static_cast<size_t>(upper - pids_.begin());  // the first one is all zeros
  return ActiveAbsence{LeafAt(index - 1), LeafAt(index)};
}

absl::Status VerifyActive(const TreeClaim& tree, const ActiveLeaf& leaf) {
  if (!CheckPid(leaf.pid).ok()) return Fails("the active set's leaf holds no pid");
  const absl::Status status = CheckInclusion(tree, leaf.index, ActiveLeafHash(leaf.pid), leaf.path);
  if (status.ok()) return status;
  return Fails(absl::StrCat("the pid ", leaf.pid, " is not shown to be in the active set ",
                            ToHex(tree.root), ": ", status.message()));
}

absl::Status VerifyNotActive(const TreeClaim& tree, absl::string_view pid,
                             const ActiveAbsence& absence) {
  HILUM_RETURN_IF_ERROR(VerifyActive(tree, absence.lower));
  HILUM_RETURN_IF_ERROR(VerifyActive(tree, absence.upper));
  if (absence.upper.index != absence.lower.index + 1) {
    return Fails(absl::StrCat("the leaves ", absence.lower.index, " and ", absence.upper.index,
                              " of the active set are no neighbours"));
  }
  if (absence.lower.pid < pid && pid < absence.upper.pid) return absl::OkStatus();
  return Fails(absl::StrCat("the pid ", pid, " is not between the leaves ", absence.lower.index,
                            " and ", absence.upper.index, " of the active set"));
}

// ---- manifests

Digest ManifestLeafHash(const ManifestLeaf& leaf) {
  Bytes data;
  AppendText(data, leaf.is_dummy() ? "hilum-manifest-dummy/v1\n" : "hilum-manifest/v1\n");
  if (!leaf.is_dummy()) {
    AppendText(data, leaf.pid);
    AppendBytes(data, leaf.content);
  }
  AppendBytes(data, leaf.nonce);
  return crypto::LeafHash(data);
}

absl::StatusOr<ManifestTree> ManifestTree::Create(std::vector<ManifestLeaf> leaves) {
  if (!IsPaddedCount(leaves.size())) {
    return absl::InvalidArgumentError(absl::StrCat("a manifest of ", leaves.size(),
                                                   " leaves; a power of two from ", kPaddedFloor,
                                                   " to ", kPaddedLimit, " is right"));
  }
  ManifestTree tree;
  const ManifestLeaf* last = nullptr;
  for (const ManifestLeaf& leaf : leaves) {
    if (!leaf.is_dummy()) HILUM_RETURN_IF_ERROR(CheckPid(leaf.pid));
    if (last != nullptr && !leaf.is_dummy() && (last->is_dummy() || last->pid >= leaf.pid)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the manifest's pid ", leaf.pid, " is not above the one before it"));
    }
    last = &leaf;
    tree.hashes_.Add(ManifestLeafHash(leaf));
  }
  tree.leaves_ = std::move(leaves);
  return tree;
}

absl::StatusOr<OpenedLeaf> ManifestTree::Open(uint64_t index) const {
  if (index >= leaves_.size()) {
    return absl::OutOfRangeError(
        absl::StrCat("the manifest has ", leaves_.size(), " leaves, none is number ", index));
  }
  OpenedLeaf opened{.leaf = leaves_[index], .index = index, .path = {}};
  HILUM_ASSIGN_OR_RETURN(opened.path, PathOf(hashes_, index));
  return opened;
}

absl::StatusOr<ManifestAbsence> ManifestTree::ProveAbsence(absl::string_view pid) const {
  const auto upper = std::find_if(leaves_.begin(), leaves_.end(), [pid](const ManifestLeaf& leaf) {
    return leaf.is_dummy() || leaf.pid >= pid;
  });
  if (upper != leaves_.end() && upper->pid == pid) {
    return absl::AlreadyExistsError(absl::StrCat("the pid ", pid, " is in the manifest"));
  }
  const uint64_t index = static_cast<uint64_t>(upper - leaves_.begin());
  ManifestAbsence absence;
  if (index > 0) {
    HILUM_ASSIGN_OR_RETURN(absence.lower, Open(index - 1));
  }
  if (index < leaves_.size()) {
    HILUM_ASSIGN_OR_RETURN(absence.upper, Open(index));
  }
  return absence;
}

absl::Status VerifyManifestLeaf(const TreeClaim& tree, const OpenedLeaf& opened) {
  if (!opened.leaf.is_dummy() && !CheckPid(opened.leaf.pid).ok()) {
    return Fails(absl::StrCat("the manifest's leaf ", opened.index, " holds no pid"));
  }
  const absl::Status status =
      CheckInclusion(tree, opened.index, ManifestLeafHash(opened.leaf), opened.path);
  if (status.ok()) return status;
  return Fails(absl::StrCat("the leaf ", opened.index, " is not shown to be in the manifest ",
                            ToHex(tree.root), ": ", status.message()));
}

absl::Status VerifyNotInManifest(const TreeClaim& tree, absl::string_view pid,
                                 const ManifestAbsence& absence) {
  const std::optional<OpenedLeaf>& lower = absence.lower;
  const std::optional<OpenedLeaf>& upper = absence.upper;
  if (lower) HILUM_RETURN_IF_ERROR(VerifyManifestLeaf(tree, *lower));
  if (upper) HILUM_RETURN_IF_ERROR(VerifyManifestLeaf(tree, *upper));
  const uint64_t above = lower ? lower->index + 1 : 0;
  if (above != (upper ? upper->index : tree.size) || (!lower && !upper)) {
    return Fails("the manifest's leaves around the pid are no neighbours");
  }
  if (lower && lower->leaf.is_dummy()) {
    return Fails("a dummy stands below the gap in the manifest, where only patients stand");
  }
  const bool is_above = !lower || lower->leaf.pid < pid;
  const bool is_below = !upper || upper->leaf.is_dummy() || pid < upper->leaf.pid;
  if (is_above && is_below) return absl::OkStatus();
  return Fails(absl::StrCat("the pid ", pid, " is not in the gap that is shown of the manifest"));
}

absl::StatusOr<uint64_t> PaddedCount(uint64_t n) {
  uint64_t count = kPaddedFloor;
  while (count < n && count < kPaddedLimit) count *= 2;
  if (count >= n) return count;
  return absl::InvalidArgumentError(
      absl::StrCat("a list of ", n, " leaves; the limit is ", kPaddedLimit));
}

}  // namespace hilum::ledger_anchor

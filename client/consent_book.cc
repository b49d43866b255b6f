#include "client/consent_book.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/tree.h"

namespace hilum::client {
namespace {

using ledger_anchor::ActiveTree;
using ledger_anchor::ConsentBatch;
using ledger_anchor::ConsentEvent;
using ledger_anchor::ManifestTree;
using ledger_anchor::TrainManifest;

// An event with the place of its commitment.
struct LoggedEvent {
  ConsentEvent event;
  BatchRecord batch;
  BatchLeaf leaf;
  uint64_t slot = 0;
};

// The newest event of each pid, of the batches that `counts` takes, in the order of the store: a
// batch is logged before the next one is made.
absl::StatusOr<std::map<std::string, LoggedEvent>> Newest(
    ConsentStore& store, absl::string_view study,
    const std::function<bool(const BatchRecord&)>& counts) {
  HILUM_ASSIGN_OR_RETURN(const std::vector<BatchRecord> batches, store.Batches(study));
  std::map<std::string, LoggedEvent> newest;
  for (const BatchRecord& batch : batches) {
    if (!counts(batch)) continue;
    HILUM_ASSIGN_OR_RETURN(const std::vector<BatchLeaf> leaves, store.Leaves(batch.root));
    for (size_t slot = 0; slot < leaves.size(); ++slot) {
      if (leaves[slot].event.empty()) continue;
      HILUM_ASSIGN_OR_RETURN(const ConsentEvent event,
                             ledger_anchor::ParseConsentEvent(leaves[slot].event));
      newest[event.pid] = {event, batch, leaves[slot], slot};
    }
  }
  return newest;
}

bool CountsBelow(const BatchRecord& batch, uint64_t size) {
  return batch.index && *batch.index < size;
}

Digest ScopeOf(absl::string_view study) {
  return crypto::Sha256(absl::StrCat("hilum-scope/v1\ntrain\n", study));
}

ConsentEvent EventOf(const Committer& committer, const std::string& pid, std::string action) {
  return {.pid = pid,
          .action = std::move(action),
          .scope = ScopeOf(committer.study),
          .t = static_cast<uint64_t>(committer.now_s)};
}

absl::StatusOr<std::string> Sign(const Committer& committer, ledger_anchor::EntryBody body) {
  ledger_anchor::Entry entry;
  entry.by = committer.site;
  entry.t = static_cast<uint64_t>(committer.now_s);
  entry.study = committer.study;
  entry.body = std::move(body);
  return ledger_anchor::SignEntry(std::move(entry), committer.origin, committer.key);
}

// The events and as many dummies as fill the batch up, under fresh nonces.
absl::StatusOr<std::vector<BatchLeaf>> MakeLeaves(const std::vector<ConsentEvent>& events) {
  HILUM_ASSIGN_OR_RETURN(const uint64_t count, ledger_anchor::PaddedCount(events.size()));
  std::vector<BatchLeaf> leaves(count);
  for (size_t i = 0; i < leaves.size(); ++i) {
    BatchLeaf& leaf = leaves[i];
    leaf.nonce = crypto::RandomArray<32>();
    if (i < events.size()) {
      HILUM_ASSIGN_OR_RETURN(leaf.event, ledger_anchor::EncodeConsentEvent(events[i]));
      leaf.commitment = ledger_anchor::CommitEvent(leaf.event, leaf.nonce);
    } else {
      leaf.commitment = ledger_anchor::CommitDummy(leaf.nonce);
    }
  }
  return leaves;
}

ledger_anchor::TreeHashes TreeOf(const std::vector<BatchLeaf>& leaves) {
  std::vector<Digest> commitments;
  for (const BatchLeaf& leaf : leaves) commitments.push_back(leaf.commitment);
  return ledger_anchor::BatchTree(commitments);
}

absl::StatusOr<ledger_anchor::HashList> PathOf(ConsentStore& store, const LoggedEvent& logged) {
  HILUM_ASSIGN_OR_RETURN(const std::vector<BatchLeaf> leaves, store.Leaves(logged.batch.root));
  const ledger_anchor::TreeHashes tree = TreeOf(leaves);
  return ledger_anchor::ProveInclusion(logged.slot, tree.size(), tree.reader());
}

// A batch that never came to the ledger, and was stored more than a day ago (the server compares
// clocks) or under a key that has been rotated out since, is signed again.
absl::Status LogBatch(ConsentStore& store, const Committer& committer, const BatchRecord& batch,
                      const LogEntry& log) {
  absl::StatusOr<uint64_t> index = log(batch.entry);
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::Entry entry, ledger_anchor::ParseEntry(batch.entry));
  const bool is_old_key = entry.key != crypto::KeyDigest(committer.key.public_key());
  if ((absl::IsFailedPrecondition(index.status()) && is_old_key) ||
      absl::IsInvalidArgument(index.status())) {
    HILUM_ASSIGN_OR_RETURN(const std::string again, Sign(committer, entry.body));
    HILUM_RETURN_IF_ERROR(store.ReplaceEntry(batch.root, again));
    index = log(again);
  }
  HILUM_RETURN_IF_ERROR(index.status());
  return store.MarkBatch(batch.root, *index);
}

absl::StatusOr<Digest> ActiveRootOf(const std::set<std::string>& active) {
  HILUM_ASSIGN_OR_RETURN(const ActiveTree tree, ActiveTree::Create({active.begin(), active.end()}));
  return tree.claim().root;
}

absl::Status CheckActive(const ManifestClaim& claim, const std::set<std::string>& active) {
  for (const ledger_anchor::ManifestLeaf& leaf : claim.leaves) {
    if (leaf.is_dummy() || active.count(leaf.pid) > 0) continue;
    return absl::PermissionDeniedError(absl::StrCat("a film of patient ", leaf.pid,
                                                    " is not covered by the active set of round ",
                                                    claim.name.round, ", which the ledger pins"));
  }
  return absl::OkStatus();
}

}  // namespace

std::string StudyPid(const SiteSecret& secret, absl::string_view study,
                     absl::string_view site_pid) {
  return Pseudonym(secret, study, site_pid);
}

absl::StatusOr<std::set<std::string>> ActivePids(ConsentStore& store, absl::string_view study,
                                                 uint64_t size) {
  HILUM_ASSIGN_OR_RETURN(const auto newest, Newest(store, study, [size](const BatchRecord& batch) {
                           return CountsBelow(batch, size);
                         }));
  std::set<std::string> active;
  for (const auto& [pid, logged] : newest) {
    if (logged.event.action == "grant") active.insert(pid);
  }
  return active;
}

absl::StatusOr<std::vector<ConsentEvent>> PendingEvents(ConsentStore& store,
                                                        const Committer& committer,
                                                        const ActiveSet& consents) {
  HILUM_ASSIGN_OR_RETURN(const auto newest,
                         Newest(store, committer.study, [](const BatchRecord&) { return true; }));
  std::vector<ConsentEvent> events;
  std::set<std::string> known;
  for (const auto& [site_pid, reason] : consents.patients()) {
    const std::string pid = StudyPid(committer.secret, committer.study, site_pid);
    known.insert(pid);
    const auto before = newest.find(pid);
    const bool was_active = before != newest.end() && before->second.event.action == "grant";
    if (reason.empty() && !was_active) events.push_back(EventOf(committer, pid, "grant"));
    if (reason.empty() || !was_active) continue;
    const bool is_over = reason == "period is over";
    events.push_back(EventOf(committer, pid, is_over ? "expire" : "revoke"));
  }
  // A Consent whose file is gone permits nothing.
  for (const auto& [pid, logged] : newest) {
    if (logged.event.action != "grant" || known.count(pid) > 0) continue;
    events.push_back(EventOf(committer, pid, "revoke"));
  }
  return events;
}

namespace {

absl::StatusOr<int> ProveStored(ConsentStore& store, const Committer& committer,
                                const LogEntry& log) {
  int n_logged = 0;
  HILUM_ASSIGN_OR_RETURN(const std::vector<BatchRecord> batches, store.Batches(committer.study));
  for (const BatchRecord& batch : batches) {
    if (batch.index) continue;
    HILUM_RETURN_IF_ERROR(LogBatch(store, committer, batch, log));
    ++n_logged;
  }
  return n_logged;
}

}  // namespace

absl::StatusOr<int> ProveBatches(ConsentStore& store, const Committer& committer,
                                 const LogEntry& log) {
  const std::lock_guard lock(store.logging());
  return ProveStored(store, committer, log);
}

absl::StatusOr<int> CommitConsents(ConsentStore& store, const Committer& committer,
                                   const ActiveSet& consents, const LogEntry& log) {
  const std::lock_guard lock(store.logging());
  HILUM_ASSIGN_OR_RETURN(int n_logged, ProveStored(store, committer, log));
  HILUM_ASSIGN_OR_RETURN(std::vector<ConsentEvent> events,
                         PendingEvents(store, committer, consents));
  // All that stands in the store is proven now; each batch says what it leaves active.
  HILUM_ASSIGN_OR_RETURN(std::set<std::string> active,
                         ActivePids(store, committer.study, std::numeric_limits<uint64_t>::max()));
  while (!events.empty()) {
    const size_t n = std::min<size_t>(events.size(), ledger_anchor::kPaddedLimit);
    const std::vector<ConsentEvent> part(events.begin(), events.begin() + static_cast<long>(n));
    events.erase(events.begin(), events.begin() + static_cast<long>(n));
    HILUM_ASSIGN_OR_RETURN(const std::vector<BatchLeaf> leaves, MakeLeaves(part));
    BatchRecord batch{.study = committer.study,
                      .root = TreeOf(leaves).Root(),
                      .count = leaves.size(),
                      .entry = "",
                      .index = std::nullopt};
    for (const ConsentEvent& event : part) {
      if (event.action == "grant") {
        active.insert(event.pid);
      } else {
        active.erase(event.pid);
      }
    }
    HILUM_ASSIGN_OR_RETURN(const Digest active_root, ActiveRootOf(active));
    HILUM_ASSIGN_OR_RETURN(batch.entry, Sign(committer, ConsentBatch{committer.site, batch.root,
                                                                     batch.count, active_root}));
    HILUM_RETURN_IF_ERROR(store.PutBatch(batch, leaves));
    HILUM_RETURN_IF_ERROR(LogBatch(store, committer, batch, log));
    ++n_logged;
  }
  return n_logged;
}

absl::Status CheckPin(ConsentStore& store, const OpenClaim& claim) {
  const auto lies = [&](absl::string_view why) {
    return absl::DataLossError(
        absl::StrCat("the round-open at entry ", claim.index, " of study ", claim.study, " ", why));
  };
  const std::optional<ledger_anchor::ConsentPin>& pin = claim.open.consent;
  if (!pin.has_value()) {
    if (claim.open.cohort.n > ledger_anchor::kListLimit) return absl::OkStatus();
    return absl::PermissionDeniedError(
        absl::StrCat("round ", claim.open.round, " of study ", claim.study,
                     " pins no active sets, so nobody could check whose films were trained on."));
  }
  const auto& sites = pin->sites.items;
  const auto own = std::find_if(sites.begin(), sites.end(),
                                [&](const auto& one) { return one.site == claim.site; });
  if (own == sites.end() || pin->size > claim.index) return lies("pins nothing for this site");
  HILUM_ASSIGN_OR_RETURN(const std::vector<BatchRecord> batches, store.Batches(claim.study));
  std::optional<Digest> newest;  // its leaf hash
  for (const BatchRecord& batch : batches) {
    if (CountsBelow(batch, claim.index)) newest = crypto::LeafHash(AsBytes(batch.entry));
  }
  if (own->batch != newest) {
    return lies("does not pin the newest consent-batch that this site has logged");
  }
  HILUM_ASSIGN_OR_RETURN(const std::set<std::string> active,
                         ActivePids(store, claim.study, pin->size));
  HILUM_ASSIGN_OR_RETURN(const Digest active_root, ActiveRootOf(active));
  if (own->active_root == active_root) return absl::OkStatus();
  return lies(absl::StrCat("pins the active set ", ToHex(own->active_root),
                           " for this site, its own consents make ", ToHex(active_root)));
}

namespace {

using Leaves = std::vector<ledger_anchor::ManifestLeaf>;

// What has become of the patients of the signed manifest since: a consent that ends between two
// attempts of a round is the usual cause.
std::string ChangeOf(const Leaves& signed_leaves, const Leaves& now) {
  std::map<std::string, Digest> left;
  for (const auto& leaf : now) {
    if (!leaf.is_dummy()) left.emplace(leaf.pid, leaf.content);
  }
  size_t n_gone = 0, n_changed = 0;
  for (const auto& leaf : signed_leaves) {
    if (leaf.is_dummy()) continue;
    const auto found = left.find(leaf.pid);
    if (found == left.end()) {
      ++n_gone;
      continue;
    }
    if (found->second != leaf.content) ++n_changed;
    left.erase(found);
  }
  return absl::StrCat(n_gone, " of its patients are no longer in it (a consent ran out or was ",
                      "withdrawn, or films were removed), ", left.size(), " are new, of ",
                      n_changed, " the films changed");
}

}  // namespace

absl::Status CommitManifest(ConsentStore& store, const Committer& committer,
                            const ManifestClaim& claim, const LogEntry& log) {
  HILUM_ASSIGN_OR_RETURN(std::optional<ManifestRecord> record, store.Manifest(claim.name));
  if (record && record->leaves != claim.leaves) {
    return absl::DataLossError(absl::StrCat(
        "the films of round ", claim.name.round, " of ", claim.name.study,
        " are not those of the manifest that this site has signed for it: ",
        ChangeOf(record->leaves, claim.leaves),
        "; a round has one manifest, so this site takes part again in the next round"));
  }
  if (!record) {
    HILUM_ASSIGN_OR_RETURN(const std::set<std::string> active,
                           ActivePids(store, claim.name.study, claim.consent_size));
    HILUM_RETURN_IF_ERROR(CheckActive(claim, active));
    HILUM_ASSIGN_OR_RETURN(const Digest active_root, ActiveRootOf(active));
    HILUM_ASSIGN_OR_RETURN(const ManifestTree manifest, ManifestTree::Create(claim.leaves));
    record = ManifestRecord{.name = claim.name,
                            .entry = "",
                            .index = std::nullopt,
                            .consent_size = claim.consent_size,
                            .leaves = claim.leaves};
    HILUM_ASSIGN_OR_RETURN(record->entry,
                           Sign(committer, TrainManifest{.round = claim.name.round,
                                                         .open = claim.open_leaf,
                                                         .site = committer.site,
                                                         .active_root = active_root,
                                                         .manifest_root = manifest.claim().root,
                                                         .manifest_count = manifest.claim().size}));
    HILUM_RETURN_IF_ERROR(store.PutManifest(*record));
  }
  if (record->index) return absl::OkStatus();
  HILUM_ASSIGN_OR_RETURN(const uint64_t index, log(record->entry));
  return store.MarkManifest(claim.name, index);
}

absl::StatusOr<ledger_anchor::ConsentReceipt> MakeReceipt(ConsentStore& store,
                                                          const ReceiptRequest& request,
                                                          const FetchProof& fetch_proof) {
  const auto is_logged = [](const BatchRecord& batch) { return batch.index.has_value(); };
  HILUM_ASSIGN_OR_RETURN(const auto newest, Newest(store, request.study, is_logged));
  const auto found = newest.find(std::string(request.pid));
  if (found == newest.end()) {
    return absl::NotFoundError(
        absl::StrCat("the ledger holds no consent event of this patient in ", request.study));
  }
  const LoggedEvent& logged = found->second;
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::Entry entry,
                         ledger_anchor::ParseEntry(logged.batch.entry));
  const auto key = std::find_if(
      request.keys.begin(), request.keys.end(),
      [&](const crypto::PublicKey& one) { return crypto::KeyDigest(one) == entry.key; });
  if (key == request.keys.end()) {
    return absl::DataLossError("the key that signed the patient's batch is no key of this site");
  }
  ledger_anchor::ConsentReceipt receipt{.event = logged.leaf.event,
                                        .nonce = logged.leaf.nonce,
                                        .slot = logged.slot,
                                        .path = {},
                                        .proof = "",
                                        .entry_key = *key};
  HILUM_ASSIGN_OR_RETURN(receipt.path, PathOf(store, logged));
  HILUM_ASSIGN_OR_RETURN(receipt.proof, fetch_proof(logged.batch.entry));
  return receipt;
}

namespace {

// A patient whose newest event that counts is no grant, with the gaps in both trees.
absl::StatusOr<ledger_anchor::RevokedPatient> ShowRevoked(ConsentStore& store,
                                                          const LoggedEvent& logged,
                                                          const ActiveTree& active,
                                                          const ManifestTree& manifest) {
  ledger_anchor::RevokedPatient patient;
  patient.event = logged.leaf.event;
  patient.nonce = logged.leaf.nonce;
  patient.batch_index = logged.batch.index.value_or(0);
  patient.slot = logged.slot;
  HILUM_ASSIGN_OR_RETURN(patient.path, PathOf(store, logged));
  HILUM_ASSIGN_OR_RETURN(patient.not_active, active.ProveAbsence(logged.event.pid));
  HILUM_ASSIGN_OR_RETURN(patient.not_in_manifest, manifest.ProveAbsence(logged.event.pid));
  return patient;
}

absl::StatusOr<std::vector<ledger_anchor::SampledLeaf>> OpenLeaves(
    const std::vector<uint64_t>& indexes, const ActiveTree& active, const ManifestTree& manifest) {
  std::vector<ledger_anchor::SampledLeaf> leaves;
  for (const uint64_t index : indexes) {
    ledger_anchor::SampledLeaf leaf;
    HILUM_ASSIGN_OR_RETURN(leaf.manifest, manifest.Open(index));
    if (!leaf.manifest.leaf.is_dummy()) {
      HILUM_ASSIGN_OR_RETURN(leaf.active, active.Prove(leaf.manifest.leaf.pid));
    }
    leaves.push_back(std::move(leaf));
  }
  return leaves;
}

}  // namespace

absl::StatusOr<ledger_anchor::Disclosure> MakeDisclosure(ConsentStore& store,
                                                         const DisclosureRequest& request) {
  HILUM_ASSIGN_OR_RETURN(const std::optional<ManifestRecord> record,
                         store.LoggedManifest(request.study, request.round));
  if (!record) {
    return absl::NotFoundError(absl::StrCat("this site has logged no manifest of round ",
                                            request.round, " of ", request.study));
  }
  const uint64_t size = record->consent_size;
  const auto counts = [size](const BatchRecord& batch) { return CountsBelow(batch, size); };
  HILUM_ASSIGN_OR_RETURN(const auto newest, Newest(store, request.study, counts));
  HILUM_ASSIGN_OR_RETURN(const std::set<std::string> pids, ActivePids(store, request.study, size));
  HILUM_ASSIGN_OR_RETURN(const ActiveTree active, ActiveTree::Create({pids.begin(), pids.end()}));
  HILUM_ASSIGN_OR_RETURN(const ManifestTree manifest, ManifestTree::Create(record->leaves));
  const std::vector<uint64_t> asked =
      ledger_anchor::SampleLeaves({.seed = request.seed,
                                   .manifest_leaf = crypto::LeafHash(AsBytes(record->entry)),
                                   .count = manifest.claim().size,
                                   .n = request.n_samples});
  ledger_anchor::Disclosure disclosure{.study = request.study,
                                       .site = request.site,
                                       .round = request.round,
                                       .seed = request.seed,
                                       .active_size = active.claim().size,
                                       .leaves = {},
                                       .revoked = {}};
  HILUM_ASSIGN_OR_RETURN(disclosure.leaves, OpenLeaves(asked, active, manifest));
  for (const auto& [pid, logged] : newest) {
    if (logged.event.action == "grant") continue;
    HILUM_ASSIGN_OR_RETURN(ledger_anchor::RevokedPatient patient,
                           ShowRevoked(store, logged, active, manifest));
    disclosure.revoked.push_back(std::move(patient));
  }
  return disclosure;
}

}  // namespace hilum::client

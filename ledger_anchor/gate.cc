#include "ledger_anchor/gate.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/tree.h"
#include "ledger_anchor/proof.h"

namespace hilum::ledger_anchor {
namespace {

absl::Status Fork(const AcceptedCheckpoint& last, const std::string& note, std::string why) {
  absl::Status status = absl::DataLossError(std::move(why));
  status.SetPayload(kForkPayload, absl::Cord(absl::StrCat(last.note, "\n", note)));
  return status;
}

// The new checkpoint extends the last accepted one.
absl::Status CheckNoRollback(const AcceptedCheckpoint& last, const Checkpoint& checkpoint,
                             const std::string& note, HashSpan consistency) {
  if (checkpoint.size < last.size) {
    return Fork(last, note,
                absl::StrCat("the ledger went back from size ", last.size, ", accepted before, to ",
                             checkpoint.size));
  }
  if (checkpoint.size == last.size) {
    if (checkpoint.root == last.root) return absl::OkStatus();
    return Fork(last, note,
                absl::StrCat("the ledger has two roots at size ", last.size, ": ", ToHex(last.root),
                             ", accepted before, and ", ToHex(checkpoint.root)));
  }
  const absl::Status status = VerifyConsistency({.old_size = last.size,
                                                 .old_root = last.root,
                                                 .size = checkpoint.size,
                                                 .root = checkpoint.root},
                                                consistency);
  if (status.ok()) return status;
  return Fork(last, note,
              absl::StrCat("the ledger of size ", checkpoint.size,
                           " is not shown to extend the one of size ", last.size,
                           ", accepted before: ", status.message()));
}

absl::Status Unexpected(absl::string_view what, absl::string_view found,
                        absl::string_view expected) {
  return absl::DataLossError(
      absl::StrCat("the proven entry has the ", what, " ", found, ", expected is ", expected));
}

std::optional<uint64_t> RoundOf(const Entry& entry) {
  if (const auto* open = std::get_if<RoundOpen>(&entry.body)) return open->round;
  if (const auto* close = std::get_if<RoundClose>(&entry.body)) return close->round;
  if (const auto* manifest = std::get_if<TrainManifest>(&entry.body)) return manifest->round;
  return std::nullopt;
}

absl::Status CheckExpectation(const Entry& entry, const GateExpectation& expected) {
  if (EntryType(entry) != expected.type) {
    return Unexpected("type", EntryType(entry), expected.type);
  }
  if (entry.study != expected.study) return Unexpected("study", entry.study, expected.study);
  if (!expected.round) return absl::OkStatus();
  const std::optional<uint64_t> round = RoundOf(entry);
  if (round == *expected.round) return absl::OkStatus();
  return Unexpected("round", round ? absl::StrCat(*round) : "none", absl::StrCat(*expected.round));
}

}  // namespace

absl::StatusOr<ProvenEntry> CheckProof(const GatePins& pins, const GateInput& input) {
  HILUM_ASSIGN_OR_RETURN(const TlogProof proof, ParseTlogProof(input.proof));
  if (proof.extra.empty()) {
    return absl::DataLossError("the tlog-proof has no extra line, so it carries no entry");
  }
  const Digest leaf_hash = crypto::LeafHash(AsBytes(proof.extra));
  HILUM_ASSIGN_OR_RETURN(
      const PolicyResult result,
      CheckPolicy(pins.policy, proof.checkpoint,
                  {.now_s = input.now_s, .max_age_s = pins.max_cosignature_age_s}));
  HILUM_RETURN_IF_ERROR(CheckFaults(pins.policy, pins.faults));
  const Checkpoint& checkpoint = result.opened.checkpoint;
  HILUM_RETURN_IF_ERROR(VerifyInclusion({.index = proof.index,
                                         .size = checkpoint.size,
                                         .leaf_hash = leaf_hash,
                                         .root = checkpoint.root},
                                        proof.hashes));
  if (input.last) {
    HILUM_RETURN_IF_ERROR(
        CheckNoRollback(*input.last, checkpoint, proof.checkpoint, input.consistency));
  }
  ProvenEntry proven;
  HILUM_ASSIGN_OR_RETURN(proven.entry_, ParseEntry(proof.extra));
  const crypto::PublicKey signer = input.expected.signer.value_or(pins.entry_key);
  HILUM_RETURN_IF_ERROR(VerifyEntrySignature(proven.entry_, checkpoint.origin, signer));
  HILUM_RETURN_IF_ERROR(CheckExpectation(proven.entry_, input.expected));
  proven.place_ = {.index = proof.index, .leaf_hash = leaf_hash};
  proven.accepted_ = {.size = checkpoint.size, .root = checkpoint.root, .note = proof.checkpoint};
  proven.witnesses_ = result.witnesses;
  proven.quorum_none_ = result.quorum_none;
  return proven;
}

}  // namespace hilum::ledger_anchor

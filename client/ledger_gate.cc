#include "client/ledger_gate.h"

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "dicom/profile.h"
#include "ledger_anchor/checkpoint.h"
#include "ledger_anchor/merkle.h"
#include "ledger_anchor/proof.h"
#include "proto/safetensors.h"

namespace hilum::client {
namespace {

using ledger_anchor::AcceptedCheckpoint;
using ledger_anchor::GateExpectation;
using ledger_anchor::ProvenEntry;

constexpr int64_t kLockWaitMs = 2000;  // a checkpoint is written within milliseconds

fs::path PolicyFile(const fs::path& folder) { return folder / "policy"; }
fs::path EntryKeyFile(const fs::path& folder) { return folder / "aggregator.key"; }
fs::path CheckpointFile(const fs::path& folder) { return folder / "checkpoint"; }

absl::StatusOr<ledger_anchor::GatePins> ReadPins(const fs::path& folder,
                                                 const LedgerGate::Options& options) {
  HILUM_ASSIGN_OR_RETURN(const std::string policy,
                         ReadTextFile(PolicyFile(folder), ledger_anchor::kPolicyLimitBytes));
  HILUM_ASSIGN_OR_RETURN(const std::string key, ReadTextFile(EntryKeyFile(folder), 1024));
  ledger_anchor::GatePins pins;
  HILUM_ASSIGN_OR_RETURN(pins.policy, ledger_anchor::ParsePolicy(policy));
  if (pins.policy.logs.size() != 1) {
    return absl::InvalidArgumentError(absl::StrCat(PolicyFile(folder).string(), " names ",
                                                   pins.policy.logs.size(),
                                                   " logs, a site follows exactly one."));
  }
  HILUM_ASSIGN_OR_RETURN(pins.entry_key,
                         crypto::PublicKeyFromBase64(absl::StripAsciiWhitespace(key)));
  pins.faults = options.faults;
  pins.max_cosignature_age_s = options.max_cosignature_age_s;
  return pins;
}

// The note that an earlier run stored; absent: none yet.
absl::StatusOr<std::optional<AcceptedCheckpoint>> ReadAccepted(
    const fs::path& file, const ledger_anchor::VerifierKey& log) {
  const absl::StatusOr<std::string> note = ReadTextFile(file, ledger_anchor::kNoteLimitBytes);
  if (absl::IsNotFound(note.status())) return std::optional<AcceptedCheckpoint>();
  HILUM_RETURN_IF_ERROR(note);
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::OpenedCheckpoint opened,
                         ledger_anchor::OpenCheckpoint(*note, log));
  return std::optional<AcceptedCheckpoint>(
      AcceptedCheckpoint{opened.checkpoint.size, opened.checkpoint.root, *note});
}

// What a proof's checkpoint claims; it is verified later.
absl::StatusOr<ledger_anchor::Checkpoint> ClaimedCheckpoint(absl::string_view proof) {
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::TlogProof parsed,
                         ledger_anchor::ParseTlogProof(proof));
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::Note note,
                         ledger_anchor::ParseNote(parsed.checkpoint));
  return ledger_anchor::ParseCheckpointText(note.text);
}

// Two signed notes that contradict each other are kept: anybody can check them. Returns the error,
// with the file's name.
absl::Status KeepEvidence(const fs::path& folder, const absl::Status& error) {
  const absl::optional<absl::Cord> notes =
      error.GetPayload(std::string(ledger_anchor::kForkPayload));
  if (!notes.has_value()) return error;
  const std::string text(*notes);
  const fs::path file =
      folder / absl::StrCat("fork-", ToHex(crypto::Sha256(text)).substr(0, 16), ".txt");
  HILUM_RETURN_IF_ERROR(WriteFileDurably(file, AsBytes(text)));
  return absl::Status(
      error.code(),
      absl::StrCat(error.message(), "; both signed notes are kept in ", file.string()));
}

}  // namespace

absl::StatusOr<LedgerGate> LedgerGate::Open(const fs::path& folder, const Options& options) {
  HILUM_ASSIGN_OR_RETURN(ledger_anchor::GatePins pins, ReadPins(folder, options));
  LedgerGate gate(folder, std::move(pins));
  HILUM_ASSIGN_OR_RETURN(gate.last_,
                         ReadAccepted(CheckpointFile(folder), gate.pins_.policy.logs.front().key));
  return gate;
}

absl::Status LedgerGate::Pin(const fs::path& folder, absl::string_view policy,
                             const crypto::PublicKey& entry_key) {
  if (fs::exists(PolicyFile(folder)) || fs::exists(EntryKeyFile(folder))) {
    return absl::AlreadyExistsError(
        absl::StrCat(folder.string(), " holds the pins of a ledger, which never change."));
  }
  HILUM_RETURN_IF_ERROR(ledger_anchor::ParsePolicy(policy));
  HILUM_RETURN_IF_ERROR(MakeFolder(folder));
  const std::string key = crypto::ToBase64(entry_key) + "\n";
  HILUM_RETURN_IF_ERROR(WriteFileDurably(EntryKeyFile(folder), AsBytes(key)));
  return WriteFileDurably(PolicyFile(folder), AsBytes(policy));
}

absl::Status LedgerGate::Repin(const fs::path& folder, absl::string_view policy) {
  HILUM_RETURN_IF_ERROR(ledger_anchor::ParsePolicy(policy));
  return WriteFileDurably(PolicyFile(folder), AsBytes(policy));
}

std::string LedgerGate::log_vkey() const {
  return ledger_anchor::FormatVerifierKey(pins_.policy.logs.front().key);
}

absl::Status LedgerGate::Reread() {
  const absl::StatusOr<std::optional<AcceptedCheckpoint>> read =
      ReadAccepted(CheckpointFile(folder_), pins_.policy.logs.front().key);
  // It verified when this gate was opened: what is wrong with it now is no fault of the server's.
  if (!read.ok()) {
    return absl::InternalError(
        absl::StrCat(CheckpointFile(folder_).string(), ": ", read.status().message()));
  }
  const std::optional<AcceptedCheckpoint>& stored = *read;
  if (stored.has_value() && (!last_.has_value() || stored->size > last_->size)) last_ = stored;
  return absl::OkStatus();
}

bool LedgerGate::IsOlder(absl::string_view proof) {
  const absl::StatusOr<ledger_anchor::Checkpoint> claimed = ClaimedCheckpoint(proof);
  return claimed.ok() && Reread().ok() && last_.has_value() && claimed->size < last_->size;
}

// A proof that was made before this site accepted a newer checkpoint is no rollback, when the log
// shows that it went on from there; it is not believed either. OK: the log does not show that.
absl::Status LedgerGate::CheckNotMerelyOlder(const ledger_anchor::Checkpoint& claimed,
                                             const ProveConsistency& prove) const {
  const absl::StatusOr<ledger_anchor::HashList> path = prove(claimed.size, last_->size);
  if (absl::IsUnavailable(path.status())) return path.status();
  if (!path.ok()) return absl::OkStatus();
  const absl::Status consistent = ledger_anchor::VerifyConsistency({.old_size = claimed.size,
                                                                    .old_root = claimed.root,
                                                                    .size = last_->size,
                                                                    .root = last_->root},
                                                                   *path);
  if (!consistent.ok()) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(
      "the server's proof is of an older state of the ", "ledger (", claimed.size,
      " entries) than this site ", "has accepted (", last_->size, "); it is asked for again"));
}

// Several gates of one site may be open, in the agent's threads and in commands: the one that
// writes last must not take back what another has accepted.
absl::Status LedgerGate::Remember(const AcceptedCheckpoint& accepted) {
  const int64_t end_ms = SystemClock().MonotonicMs() + kLockWaitMs;
  absl::StatusOr<FileLock> lock = FileLock::Acquire(folder_ / "checkpoint.lock");
  while (absl::IsFailedPrecondition(lock.status()) && SystemClock().MonotonicMs() < end_ms) {
    absl::SleepFor(absl::Milliseconds(5));
    lock = FileLock::Acquire(folder_ / "checkpoint.lock");
  }
  if (absl::IsFailedPrecondition(lock.status())) {
    return absl::UnavailableError(
        absl::StrCat("another process holds ", (folder_ / "checkpoint.lock").string(), "."));
  }
  HILUM_RETURN_IF_ERROR(lock.status());
  HILUM_RETURN_IF_ERROR(Reread());
  if (last_.has_value() && accepted.size <= last_->size) return absl::OkStatus();
  HILUM_RETURN_IF_ERROR(WriteFileDurably(CheckpointFile(folder_), AsBytes(accepted.note)));
  last_ = accepted;
  return absl::OkStatus();
}

absl::StatusOr<ProvenEntry> LedgerGate::CheckEntry(absl::string_view proof,
                                                   const GateExpectation& expected,
                                                   const ProveConsistency& prove, int64_t now_s) {
  ledger_anchor::HashList consistency;
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::Checkpoint claimed, ClaimedCheckpoint(proof));
  HILUM_RETURN_IF_ERROR(Reread());
  if (last_.has_value() && claimed.size > last_->size) {
    HILUM_ASSIGN_OR_RETURN(consistency, prove(last_->size, claimed.size));
  }
  if (last_.has_value() && claimed.size < last_->size) {
    HILUM_RETURN_IF_ERROR(CheckNotMerelyOlder(claimed, prove));
  }
  absl::StatusOr<ProvenEntry> checked =
      ledger_anchor::CheckProof(pins_, {.proof = proof,
                                        .consistency = consistency,
                                        .last = last_,
                                        .now_s = static_cast<uint64_t>(now_s),
                                        .expected = expected});
  if (!checked.ok()) return KeepEvidence(folder_, checked.status());
  if (!last_.has_value() || checked->accepted().size > last_->size) {
    HILUM_RETURN_IF_ERROR(Remember(checked->accepted()));
  }
  return checked;
}

absl::StatusOr<ProvenRound> LedgerGate::CheckRound(const RoundProofs& proofs,
                                                   const ProveConsistency& prove) {
  std::optional<ProvenEntry> close;
  if (proofs.round > 1) {
    HILUM_ASSIGN_OR_RETURN(
        close, CheckEntry(proofs.close_proof, {"round-close", proofs.job, proofs.round - 1}, prove,
                          proofs.now_s));
  }
  HILUM_ASSIGN_OR_RETURN(
      const ProvenEntry entry,
      CheckEntry(proofs.open_proof, {"round-open", proofs.job, proofs.round}, prove, proofs.now_s));
  ProvenRound round;
  round.open_ = std::get<ledger_anchor::RoundOpen>(entry.entry().body);
  if (close.has_value()) {
    HILUM_RETURN_IF_ERROR(ledger_anchor::CheckOpenAfterClose(
        round.open_, std::get<ledger_anchor::RoundClose>(close->entry().body),
        close->place().leaf_hash));
  }
  round.job_ = proofs.job;
  round.origin_ = origin();
  round.open_leaf_ = entry.place().leaf_hash;
  round.entry_index_ = entry.place().index;
  round.quorum_none_ = entry.quorum_none();
  return round;
}

absl::StatusOr<VerifiedModel> LedgerGate::AdmitBase(const ProvenRound& round, ByteView file,
                                                    const proto::RoundPlan& plan) {
  VerifiedModel model;
  model.sha256_ = crypto::Sha256(file);
  if (model.sha256_ != round.open_.base_model) {
    return absl::DataLossError(absl::StrCat(
        "the model received for round ", round.open_.round, " of job ", round.job_, " has SHA-256 ",
        ToHex(model.sha256_), ", the ledger says ", ToHex(round.open_.base_model)));
  }
  absl::StatusOr<proto::SafetensorsFile> parsed = proto::ParseSafetensorsAs(file, plan.spec);
  if (!parsed.ok()) {
    return absl::DataLossError(
        absl::StrCat("the model of round ", round.open_.round, " of job ", round.job_,
                     " does not fit the job's plan: ", parsed.status().message()));
  }
  HILUM_ASSIGN_OR_RETURN(const dicom::Profile profile, dicom::FindProfile(plan.model.profile));
  model.spec_ = std::move(parsed->spec);
  model.flat_ = std::move(parsed->flat);
  model.norm_ = plan.model.norm;
  model.local_layers_ = plan.model.local_layers;
  model.classes_ = plan.model.classes;
  model.profile_ = plan.model.profile;
  model.profile_digest_ = plan.model.profile_digest;
  model.input_size_ = profile.size_px;
  model.min_age_years_ = plan.model.min_age_years;
  model.job_ = round.job_;
  model.round_ = round.open_.round - 1;
  model.origin_ = round.origin_;
  model.entry_index_ = round.entry_index_;
  model.quorum_none_ = round.quorum_none_;
  return model;
}

}  // namespace hilum::client

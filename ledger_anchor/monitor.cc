#include "ledger_anchor/monitor.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "crypto/hash.h"

namespace hilum::ledger_anchor {
namespace {

constexpr uint64_t kKeyLimitBytes = 4096;

fs::path KeyFile(const fs::path& folder) { return folder / "log.vkey"; }
fs::path NoteFile(const fs::path& folder) { return folder / "checkpoint"; }

// Absent: there is no such file yet.
absl::StatusOr<std::optional<std::string>> ReadIfThere(const fs::path& file, uint64_t limit) {
  absl::StatusOr<std::string> text = ReadTextFile(file, limit);
  if (absl::IsNotFound(text.status())) return std::nullopt;
  HILUM_RETURN_IF_ERROR(text.status());
  return *std::move(text);
}

absl::Status Damaged(const fs::path& file, const absl::Status& why) {
  return absl::DataLossError(absl::StrCat(file.string(), " is damaged: ", why.message()));
}

absl::StatusOr<VerifierKey> KeyOf(const std::string& vkey) {
  HILUM_ASSIGN_OR_RETURN(VerifierKey key, ParseVerifierKey(vkey));
  if (key.type == KeyType::kEd25519) return key;
  return absl::InvalidArgumentError(
      absl::StrCat("the key of the log ", key.name, " must be of type 1 (Ed25519)"));
}

}  // namespace

absl::Status Monitor::Pin(const VerifierKey& key) {
  if (!key_.has_value()) key_ = key;
  if (*key_ == key) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("two keys are pinned for the log: ", FormatVerifierKey(*key_), " and ",
                   FormatVerifierKey(key), "; another log needs a folder of its own (--state)"));
}

absl::StatusOr<Monitor> Monitor::Open(Fetch fetch, const MonitorOptions& options) {
  Monitor monitor(std::move(fetch), options);
  if (!options.vkey.empty()) {
    HILUM_ASSIGN_OR_RETURN(const VerifierKey key, KeyOf(options.vkey));
    HILUM_RETURN_IF_ERROR(monitor.Pin(key));
  }
  if (options.policy.has_value()) {
    if (options.policy->logs.size() != 1) {
      return absl::InvalidArgumentError("a monitor's policy names one log, the one to follow");
    }
    HILUM_RETURN_IF_ERROR(monitor.Pin(options.policy->logs[0].key));
  }
  if (options.folder.empty()) return monitor;
  HILUM_RETURN_IF_ERROR(MakeFolder(options.folder));
  HILUM_ASSIGN_OR_RETURN(const auto vkey, ReadIfThere(KeyFile(options.folder), kKeyLimitBytes));
  if (vkey.has_value()) {
    const absl::StatusOr<VerifierKey> key =
        KeyOf(std::string(absl::StripTrailingAsciiWhitespace(*vkey)));
    if (!key.ok()) return Damaged(KeyFile(options.folder), key.status());
    HILUM_RETURN_IF_ERROR(monitor.Pin(*key));
  }
  HILUM_ASSIGN_OR_RETURN(const auto note, ReadIfThere(NoteFile(options.folder), kNoteLimitBytes));
  if (!note.has_value()) return monitor;
  if (!vkey.has_value()) {
    return Damaged(NoteFile(options.folder), absl::DataLossError("log.vkey is missing beside it"));
  }
  const absl::StatusOr<OpenedCheckpoint> opened = OpenCheckpoint(*note, *monitor.key_);
  if (!opened.ok()) return Damaged(NoteFile(options.folder), opened.status());
  monitor.last_ = AcceptedCheckpoint{
      .size = opened->checkpoint.size, .root = opened->checkpoint.root, .note = *note};
  return monitor;
}

absl::Status Monitor::Contradiction(absl::string_view why, const std::string& note) const {
  const std::string evidence = absl::StrCat(last_->note, "\n", note);
  std::string kept;
  if (!options_.folder.empty()) {
    const fs::path file =
        options_.folder /
        absl::StrCat("fork-", ToHex(crypto::Sha256(evidence)).substr(0, 16), ".txt");
    const absl::Status written = WriteFileDurably(file, AsBytes(evidence));
    kept = written.ok() ? absl::StrCat("; both signed notes are kept in ", file.string())
                        : absl::StrCat("; the notes could not be kept: ", written.message());
  }
  absl::Status status = absl::DataLossError(absl::StrCat(why, kept));
  status.SetPayload(kForkPayload, absl::Cord(evidence));
  return status;
}

// What two signed notes say by themselves, before any entry is read.
absl::Status Monitor::CheckAgainstLast(const std::string& note) const {
  if (!last_.has_value()) return absl::OkStatus();
  HILUM_ASSIGN_OR_RETURN(const OpenedCheckpoint opened, OpenCheckpoint(note, *key_));
  const Checkpoint& shown = opened.checkpoint;
  if (shown.size < last_->size) {
    return Contradiction(absl::StrCat("the log went back from ", last_->size, " entries to ",
                                      shown.size, ", a rollback"),
                         note);
  }
  if (shown.size > last_->size || shown.root == last_->root) return absl::OkStatus();
  return Contradiction(
      absl::StrCat("the log signed two roots for its size ", shown.size, ", a fork"), note);
}

absl::Status Monitor::Verify(const std::string& note) {
  if (view_.checkpoint.size > 0) {
    return ExtendLog(fetch_, note, *key_, VerifyDepth::kEverything, view_);
  }
  // The first time everything is read; the checkpoint is the one that was looked at.
  const Fetch pinned = [&](absl::string_view path, uint64_t limit) -> absl::StatusOr<Bytes> {
    if (path == "checkpoint") return Bytes(note.begin(), note.end());
    return fetch_(path, limit);
  };
  HILUM_ASSIGN_OR_RETURN(
      const LedgerPins pins,
      ParsePins(key_.has_value() ? FormatVerifierKey(*key_) : std::string(), ""));
  HILUM_ASSIGN_OR_RETURN(view_, VerifyLog(pinned, pins));
  if (key_.has_value()) return absl::OkStatus();
  const auto& genesis = std::get<Genesis>(view_.entries.at(0).entry.body);
  HILUM_ASSIGN_OR_RETURN(key_, KeyOf(genesis.log_vkey));
  first_use_ = true;
  return absl::OkStatus();
}

// Everything that the note commits to, and that it extends what was seen.
absl::Status Monitor::VerifyAll(const std::string& note) {
  const absl::Status verified = Verify(note);
  if (!last_.has_value()) return verified;
  if (absl::IsDataLoss(verified)) {
    return Contradiction(absl::StrCat("the log does not continue the ", last_->size,
                                      " entries that it showed before: ", verified.message()),
                         note);
  }
  HILUM_RETURN_IF_ERROR(verified);
  HILUM_ASSIGN_OR_RETURN(const Digest root, RootAt(view_, last_->size));
  if (root == last_->root) return absl::OkStatus();
  return Contradiction(
      absl::StrCat("the log of ", view_.checkpoint.size, " entries does not extend the one of ",
                   last_->size, " that it showed before, a fork"),
      note);
}

// The key first: a note without it would be taken for damage.
absl::Status Monitor::Remember(const std::string& note) {
  if (!options_.folder.empty()) {
    HILUM_RETURN_IF_ERROR(
        WriteFileDurably(KeyFile(options_.folder), AsBytes(FormatVerifierKey(*key_) + "\n")));
    HILUM_RETURN_IF_ERROR(WriteFileDurably(NoteFile(options_.folder), AsBytes(note)));
  }
  last_ = AcceptedCheckpoint{
      .size = view_.checkpoint.size, .root = view_.checkpoint.root, .note = note};
  return absl::OkStatus();
}

absl::StatusOr<std::optional<MonitorNews>> Monitor::Look(uint64_t now_s) {
  HILUM_ASSIGN_OR_RETURN(const Bytes bytes, fetch_("checkpoint", kNoteLimitBytes));
  const std::string note(AsText(bytes));
  MonitorNews news;
  if (options_.policy.has_value()) {
    HILUM_ASSIGN_OR_RETURN(
        PolicyResult result,
        CheckPolicy(*options_.policy, note, {.now_s = now_s, .max_age_s = options_.max_age_s}));
    news.witnesses = std::move(result.witnesses);
  }
  HILUM_RETURN_IF_ERROR(CheckAgainstLast(note));
  if (last_.has_value() && view_.checkpoint.size == last_->size) {
    HILUM_ASSIGN_OR_RETURN(const OpenedCheckpoint opened, OpenCheckpoint(note, *key_));
    if (opened.checkpoint.size == last_->size) return std::nullopt;
  }
  if (const absl::Status verified = VerifyAll(note); !verified.ok()) {
    view_ = LogView();  // what was half read is no ground to go on from
    return verified;
  }
  news.old_size = last_.has_value() ? last_->size : 0;
  news.first_use = std::exchange(first_use_, false);
  HILUM_RETURN_IF_ERROR(Remember(note));
  if (view_.checkpoint.size == news.old_size) return std::nullopt;
  return news;
}

}  // namespace hilum::ledger_anchor

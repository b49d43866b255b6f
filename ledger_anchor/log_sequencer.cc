#include "ledger_anchor/log_sequencer.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "ledger_anchor/log_records.h"
#include "ledger_anchor/log_tiles.h"
#include "ledger_anchor/tiles.h"

namespace hilum::ledger_anchor {
namespace {

absl::Status Contradiction(absl::string_view why) {
  return absl::DataLossError(absl::StrCat(
      why, "; the log was damaged or an older copy was restored, and signing on would fork it: ",
      "bring back the newest copy, or start a new log whose genesis names this one"));
}

absl::Status TooShort(uint64_t journal_size, uint64_t signed_size) {
  return Contradiction(absl::StrCat("the journal holds ", journal_size,
                                    " entries, a signed checkpoint has ", signed_size));
}

absl::Status CheckRoot(const Checkpoint& checkpoint, const Digest& root) {
  if (root == checkpoint.root) return absl::OkStatus();
  return Contradiction(absl::StrCat("the journal gives the root ", ToHex(root), " at size ",
                                    checkpoint.size, ", signed was ", ToHex(checkpoint.root)));
}

// Refuses a folder where anything was logged or signed; what a broken Create left is no log.
absl::Status CheckNoLog(const fs::path& folder) {
  uint64_t n_entries = 0;
  const absl::StatusOr<uint64_t> journal =
      ReadJournal(folder / "journal", [&n_entries](const JournalEntry&) {
        ++n_entries;
        return absl::OkStatus();
      });
  if (!journal.ok() && !absl::IsNotFound(journal.status())) return journal.status();
  const absl::StatusOr<Heads> heads = ReadHeads(folder / "heads");
  if (!heads.ok() && !absl::IsNotFound(heads.status())) return heads.status();
  const size_t n_heads = heads.ok() ? heads->checkpoints.size() : 0;
  if (n_entries == 0 && n_heads == 0) return absl::OkStatus();
  return absl::AlreadyExistsError(absl::StrCat(folder.string(), " holds a log of ", n_entries,
                                               " entries and ", n_heads, " signed checkpoints"));
}

}  // namespace

struct LogSequencer::Impl {
  Impl(const Options& options, crypto::SigningKey key, FileLock folder_lock)
      : folder(options.folder),
        origin(options.origin),
        witnessed(options.witnessed),
        log_key(std::move(key)),
        lock(std::move(folder_lock)),
        tiles(folder / "log", folder / "tmp") {}

  absl::Status OpenFiles(std::optional<uint64_t> journal_bytes,
                         std::optional<uint64_t> heads_bytes);
  absl::Status Recover(const Replay& replay);
  absl::StatusOr<uint64_t> ReplayJournal(const Heads& found, const Replay& replay);
  absl::Status CheckServedCheckpoint();
  absl::StatusOr<Digest> RootAt(uint64_t size) const;
  absl::Status Serve(std::string text, const Checkpoint& checkpoint);
  absl::Status RebuildTiles();
  absl::Status WriteJournal(std::span<const std::string> entries, const HashList& leaves);
  absl::Status WriteTiles(std::span<const std::string> entries, const HashList& leaves);
  absl::Status SignHead();
  VerifierKey LogKey() const {
    return MakeVerifierKey(origin, KeyType::kEd25519, log_key.public_key());
  }

  fs::path folder;
  std::string origin;
  bool witnessed;
  crypto::SigningKey log_key;
  FileLock lock;
  TileWriter tiles;
  std::optional<AppendFile> journal;
  std::optional<AppendFile> heads;
  std::vector<std::string> open_bundle;  // the entries after the last full bundle

  std::mutex commit_mutex;   // of Commit and Confirm
  bool may_sign = true;      // guarded by commit_mutex
  std::mutex publish_mutex;  // guards what follows
  bool quorum_answered = false;
  mutable std::mutex mutex;  // guards what follows: readers meet one committing thread
  TreeHashes hashes;
  std::string note;
  Checkpoint head;
  std::string published_note;
  Checkpoint published;
};

absl::Status LogSequencer::Impl::OpenFiles(std::optional<uint64_t> journal_bytes,
                                           std::optional<uint64_t> heads_bytes) {
  HILUM_RETURN_IF_ERROR(MakeFolder(tiles.served()));
  HILUM_RETURN_IF_ERROR(MakeFolder(folder / "tmp"));
  HILUM_ASSIGN_OR_RETURN(AppendFile journal_file,
                         AppendFile::Open(folder / "journal", journal_bytes));
  HILUM_ASSIGN_OR_RETURN(AppendFile heads_file, AppendFile::Open(folder / "heads", heads_bytes));
  journal = std::move(journal_file);
  heads = std::move(heads_file);
  return SyncFolder(folder);
}

absl::StatusOr<Digest> LogSequencer::Impl::RootAt(uint64_t size) const {
  if (size == 0) return crypto::EmptyTreeHash();
  if (size == hashes.size()) return hashes.Root();
  return RangeRoot(0, size, hashes.reader());
}

// The served checkpoint left the process too. One that does not open is rewritten: it was renamed
// without a sync, so a power cut may empty it.
absl::Status LogSequencer::Impl::CheckServedCheckpoint() {
  absl::StatusOr<std::string> text = ReadTextFile(tiles.served() / "checkpoint", kNoteLimitBytes);
  if (!text.ok()) return absl::OkStatus();
  const absl::StatusOr<OpenedCheckpoint> opened = OpenCheckpoint(*text, LogKey());
  if (!opened.ok()) return absl::OkStatus();
  const Checkpoint& served = opened->checkpoint;
  if (served.size > hashes.size()) return TooShort(hashes.size(), served.size);
  HILUM_ASSIGN_OR_RETURN(const Digest root, RootAt(served.size));
  HILUM_RETURN_IF_ERROR(CheckRoot(served, root));
  published_note = *std::move(text);
  published = served;
  return absl::OkStatus();
}

// Reads the journal and compares it with every signed head: size and root. The signature is
// verified of the newest alone: an older head with the right root binds us to nothing else,
// whoever signed it.
absl::StatusOr<uint64_t> LogSequencer::Impl::ReplayJournal(const Heads& found,
                                                           const Replay& replay) {
  if (!found.last_note.empty()) {
    HILUM_RETURN_IF_ERROR(OpenCheckpoint(found.last_note, LogKey()));
  }
  const uint64_t signed_size = found.checkpoints.empty() ? 0 : found.checkpoints.back().size;
  auto next = found.checkpoints.begin();
  const auto take = [&](const JournalEntry& entry) -> absl::Status {
    hashes.Add(entry.leaf_hash);
    for (; next != found.checkpoints.end() && next->size == hashes.size(); ++next) {
      HILUM_RETURN_IF_ERROR(CheckRoot(*next, hashes.Root()));
    }
    return replay(entry.index, entry.text, entry.index < signed_size);
  };
  HILUM_ASSIGN_OR_RETURN(const uint64_t journal_bytes, ReadJournal(folder / "journal", take));
  if (hashes.size() < signed_size) return TooShort(hashes.size(), signed_size);
  return journal_bytes;
}

absl::Status LogSequencer::Impl::Recover(const Replay& replay) {
  HILUM_ASSIGN_OR_RETURN(const Heads found, ReadHeads(folder / "heads"));
  HILUM_ASSIGN_OR_RETURN(const uint64_t journal_bytes, ReplayJournal(found, replay));
  HILUM_RETURN_IF_ERROR(CheckServedCheckpoint());
  if (hashes.size() == 0) {
    return absl::NotFoundError(absl::StrCat("there is no log in ", folder.string()));
  }
  HILUM_RETURN_IF_ERROR(OpenFiles(journal_bytes, found.good_bytes));
  HILUM_RETURN_IF_ERROR(RebuildTiles());
  const bool is_behind = found.checkpoints.empty() || found.checkpoints.back().size < hashes.size();
  if (is_behind) HILUM_RETURN_IF_ERROR(journal->Sync());
  may_sign = !witnessed;  // until Confirm: this may be an older copy of the log
  // Where nothing was ever signed there is no head that witnesses could be asked about.
  if (found.checkpoints.empty() || (is_behind && may_sign)) return SignHead();
  note = found.last_note;
  head = found.checkpoints.back();
  return witnessed ? absl::OkStatus() : Serve(note, head);
}

// The bundles and tiles that are missing or differ, from the journal again.
absl::Status LogSequencer::Impl::RebuildTiles() {
  const uint64_t first = tiles.MatchingLeaves(hashes);
  const auto take = [&](const JournalEntry& entry) -> absl::Status {
    if (entry.index < first) return absl::OkStatus();
    open_bundle.emplace_back(entry.text);
    if (open_bundle.size() < kTileWidth && entry.index + 1 < hashes.size()) {
      return absl::OkStatus();
    }
    HILUM_RETURN_IF_ERROR(tiles.WriteBundle(entry.index / kTileWidth, open_bundle));
    if (open_bundle.size() == kTileWidth) open_bundle.clear();
    return absl::OkStatus();
  };
  HILUM_RETURN_IF_ERROR(ReadJournal(folder / "journal", take));
  return tiles.RewriteTiles(hashes, first);
}

absl::Status LogSequencer::Impl::WriteJournal(std::span<const std::string> entries,
                                              const HashList& leaves) {
  Bytes records;
  uint64_t index = hashes.size();
  for (size_t i = 0; i < entries.size(); ++i) {
    AppendBytes(records, EncodeJournalRecord(index++, entries[i], leaves[i]));
  }
  HILUM_RETURN_IF_ERROR(journal->Append(records));
  return journal->Sync();
}

absl::Status LogSequencer::Impl::WriteTiles(std::span<const std::string> entries,
                                            const HashList& leaves) {
  const std::lock_guard guard(mutex);
  const uint64_t old_size = hashes.size();
  uint64_t bundle = old_size / kTileWidth;
  for (size_t i = 0; i < entries.size(); ++i) {
    hashes.Add(leaves[i]);
    open_bundle.push_back(entries[i]);
    if (open_bundle.size() < kTileWidth && i + 1 < entries.size()) continue;
    HILUM_RETURN_IF_ERROR(tiles.WriteBundle(bundle++, open_bundle));
    if (open_bundle.size() == kTileWidth) open_bundle.clear();
  }
  return tiles.WriteTiles(hashes, old_size);
}

absl::Status LogSequencer::Impl::SignHead() {
  Checkpoint next{.origin = origin, .size = hashes.size(), .root = hashes.Root(), .extensions = {}};
  const std::string signed_note = SignCheckpoint(next, log_key);
  HILUM_RETURN_IF_ERROR(heads->Append(EncodeHeadRecord(signed_note)));
  HILUM_RETURN_IF_ERROR(heads->Sync());
  {
    const std::lock_guard guard(mutex);
    note = signed_note;
    head = next;
  }
  return witnessed ? absl::OkStatus() : Serve(signed_note, next);
}

absl::Status LogSequencer::Impl::Serve(std::string text, const Checkpoint& checkpoint) {
  // Without witnesses it is a head, which is synced already; a cosigned one stands nowhere else,
  // and a site that accepted it must never be shown an older one.
  HILUM_RETURN_IF_ERROR(tiles.WriteCheckpoint(text, witnessed));
  const std::lock_guard guard(mutex);
  published_note = std::move(text);
  published = checkpoint;
  return absl::OkStatus();
}

LogSequencer::LogSequencer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LogSequencer::~LogSequencer() = default;

absl::StatusOr<std::unique_ptr<LogSequencer>> LogSequencer::Create(const Options& options,
                                                                   crypto::SigningKey log_key) {
  HILUM_RETURN_IF_ERROR(MakeFolder(options.folder));
  HILUM_ASSIGN_OR_RETURN(FileLock lock, FileLock::Acquire(options.folder / "lock"));
  HILUM_RETURN_IF_ERROR(CheckNoLog(options.folder));
  auto impl = std::make_unique<Impl>(options, std::move(log_key), std::move(lock));
  HILUM_RETURN_IF_ERROR(impl->OpenFiles(0, 0));
  return std::unique_ptr<LogSequencer>(new LogSequencer(std::move(impl)));
}

absl::StatusOr<std::unique_ptr<LogSequencer>> LogSequencer::Open(const Options& options,
                                                                 crypto::SigningKey log_key,
                                                                 const Replay& replay) {
  std::error_code error;
  if (!fs::exists(options.folder / "journal", error)) {
    return absl::NotFoundError(absl::StrCat("there is no log in ", options.folder.string()));
  }
  HILUM_ASSIGN_OR_RETURN(FileLock lock, FileLock::Acquire(options.folder / "lock"));
  auto impl = std::make_unique<Impl>(options, std::move(log_key), std::move(lock));
  HILUM_RETURN_IF_ERROR(impl->Recover(replay));
  return std::unique_ptr<LogSequencer>(new LogSequencer(std::move(impl)));
}

absl::Status LogSequencer::Commit(std::span<const std::string> entries) {
  if (entries.empty()) return absl::OkStatus();
  HashList leaves;
  leaves.reserve(entries.size());
  for (const std::string& entry : entries) leaves.push_back(crypto::LeafHash(AsBytes(entry)));
  const std::lock_guard committing(impl_->commit_mutex);
  HILUM_RETURN_IF_ERROR(impl_->WriteJournal(entries, leaves));
  HILUM_RETURN_IF_ERROR(impl_->WriteTiles(entries, leaves));
  return impl_->may_sign ? impl_->SignHead() : absl::OkStatus();
}

absl::Status LogSequencer::Confirm() {
  const std::lock_guard committing(impl_->commit_mutex);
  {
    const std::lock_guard publishing(impl_->publish_mutex);
    if (impl_->may_sign || !impl_->quorum_answered) return absl::OkStatus();
  }
  impl_->may_sign = true;
  return impl_->hashes.size() > impl_->head.size ? impl_->SignHead() : absl::OkStatus();
}

std::string LogSequencer::CheckpointNote() const {
  const std::lock_guard guard(impl_->mutex);
  return impl_->note;
}

Checkpoint LogSequencer::LastCheckpoint() const {
  const std::lock_guard guard(impl_->mutex);
  return impl_->head;
}

// Two threads may publish; the smaller one must not come last.
absl::Status LogSequencer::Publish(absl::string_view note) {
  if (!impl_->witnessed) {
    return absl::FailedPreconditionError("a log without witnesses publishes what it signs");
  }
  const std::lock_guard publishing(impl_->publish_mutex);
  HILUM_ASSIGN_OR_RETURN(const OpenedCheckpoint opened, OpenCheckpoint(note, impl_->LogKey()));
  const Checkpoint& next = opened.checkpoint;
  if (next.size < Published().size) return absl::OkStatus();
  if (next.size > LastCheckpoint().size) {
    return absl::DataLossError(absl::StrCat("a checkpoint of size ", next.size,
                                            " was never signed, the log has ",
                                            LastCheckpoint().size, " entries"));
  }
  HILUM_ASSIGN_OR_RETURN(const Digest root, RootAt(next.size));
  HILUM_RETURN_IF_ERROR(CheckRoot(next, root));
  HILUM_RETURN_IF_ERROR(impl_->Serve(std::string(note), next));
  if (next.size == LastCheckpoint().size) impl_->quorum_answered = true;
  return absl::OkStatus();
}

std::string LogSequencer::PublishedNote() const {
  const std::lock_guard guard(impl_->mutex);
  return impl_->published_note;
}

Checkpoint LogSequencer::Published() const {
  const std::lock_guard guard(impl_->mutex);
  return impl_->published;
}

absl::StatusOr<Digest> LogSequencer::RootAt(uint64_t size) const {
  const std::lock_guard guard(impl_->mutex);
  if (size <= impl_->head.size) return impl_->RootAt(size);
  return absl::InvalidArgumentError(
      absl::StrCat("the log has ", impl_->head.size, " entries, asked was for ", size));
}

absl::StatusOr<HashList> LogSequencer::ProveInclusion(uint64_t index, uint64_t size) const {
  const std::lock_guard guard(impl_->mutex);
  return ledger_anchor::ProveInclusion(index, size, impl_->hashes.reader());
}

absl::StatusOr<HashList> LogSequencer::ProveConsistency(uint64_t old_size,
                                                        uint64_t new_size) const {
  const std::lock_guard guard(impl_->mutex);
  if (new_size == 0) new_size = impl_->head.size;
  if (new_size > impl_->head.size) {
    return absl::InvalidArgumentError(
        absl::StrCat("the log has ", impl_->head.size, " entries, asked was for ", new_size));
  }
  return ledger_anchor::ProveConsistency(old_size, new_size, impl_->hashes.reader());
}

absl::StatusOr<std::string> LogSequencer::ReadEntry(uint64_t index) const {
  const std::lock_guard guard(impl_->mutex);
  const HashSpan leaves = impl_->hashes.level(0);
  if (index >= leaves.size()) {
    return absl::OutOfRangeError(
        absl::StrCat("the log has ", leaves.size(), " entries, none has the index ", index));
  }
  const uint64_t first = index / kTileWidth * kTileWidth;
  const auto width = static_cast<int>(std::min<uint64_t>(kTileWidth, leaves.size() - first));
  const TileId bundle{kEntriesLevel, first / kTileWidth, width};
  HILUM_ASSIGN_OR_RETURN(const Bytes bytes,
                         ReadFile(impl_->tiles.served() / TilePath(bundle), kBundleLimitBytes));
  HILUM_ASSIGN_OR_RETURN(const std::vector<std::string> entries, DecodeBundle(bytes, width));
  const std::string& entry = entries[index - first];
  if (crypto::LeafHash(AsBytes(entry)) == leaves[index]) return entry;
  return absl::DataLossError(absl::StrCat("the stored entry ", index, " is damaged"));
}

const std::filesystem::path& LogSequencer::served_folder() const { return impl_->tiles.served(); }

}  // namespace hilum::ledger_anchor

#include "ledger_anchor/log.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "ledger_anchor/log_sequencer.h"
#include "ledger_anchor/proof.h"

namespace hilum::ledger_anchor {
namespace {

struct DigestHash {
  size_t operator()(const Digest& digest) const {
    size_t value;
    std::memcpy(&value, digest.data(), sizeof(value));
    return value;
  }
};

LogSequencer::Options SequencerOptions(const Log::Options& options) {
  return {options.folder, options.origin, options.witnessed};
}

LedgerPins PinsOf(const Log::Options& options, const crypto::SigningKey& log_key) {
  LedgerPins pins;
  pins.origin = options.origin;
  pins.log_vkey =
      FormatVerifierKey(MakeVerifierKey(options.origin, KeyType::kEd25519, log_key.public_key()));
  return pins;
}

}  // namespace

struct Log::Impl {
  explicit Impl(LedgerPins pins) : state(std::move(pins)) {}

  absl::StatusOr<std::vector<LogReceipt>> Stage(std::span<const std::string> entries);
  absl::Status WaitUntilDurable(uint64_t size, std::unique_lock<std::mutex>& guard);
  void CommitNextBatch(std::unique_lock<std::mutex>& guard);
  absl::Status Stopped() const {
    return absl::FailedPreconditionError(absl::StrCat(
        "the log stopped after a failed write and must be opened again: ", failure.message()));
  }

  std::unique_ptr<LogSequencer> sequencer;

  mutable std::mutex mutex;  // guards what follows
  std::condition_variable progress;
  Admission state;
  std::unordered_map<Digest, uint64_t, DigestHash> index_of;
  std::vector<std::string> pending;  // admitted, not yet given to the sequencer
  uint64_t durable_size = 0;
  bool committing = false;
  absl::Status failure;  // of the disk; then nothing is tried again
};

// Admits all or none. Admit changes nothing when it fails, so one entry needs no copy of the state.
absl::StatusOr<std::vector<LogReceipt>> Log::Impl::Stage(std::span<const std::string> entries) {
  std::optional<Admission> before;
  if (entries.size() > 1) before = state;
  std::vector<LogReceipt> receipts;
  std::vector<Digest> added;
  for (PreparedEntry& prepared : state.Prepare(entries, Trust::kVerify)) {
    const Digest leaf = prepared.leaf_hash;
    const auto [place, is_new] = index_of.emplace(leaf, state.size());
    receipts.push_back({place->second, leaf});
    if (!is_new) continue;
    added.push_back(leaf);
    const auto admitted = state.Admit(std::move(prepared), Trust::kVerify, [this](uint64_t size) {
      return sequencer->RootAt(size);  // a pin is of a published checkpoint, so it is durable
    });
    if (!admitted.ok()) {
      for (const Digest& digest : added) index_of.erase(digest);
      if (before) state = *std::move(before);
      return admitted.status();
    }
  }
  for (size_t i = 0, next = 0; i < entries.size() && next < added.size(); ++i) {
    if (receipts[i].leaf_hash != added[next]) continue;
    pending.push_back(entries[i]);
    ++next;
  }
  return receipts;
}

// One of the waiting threads commits what has come together; the others wait for it. So a batch
// closes when the one before is durable, and a lone entry waits for nothing.
absl::Status Log::Impl::WaitUntilDurable(uint64_t size, std::unique_lock<std::mutex>& guard) {
  while (failure.ok() && durable_size < size) {
    if (committing) {
      progress.wait(guard);
    } else {
      CommitNextBatch(guard);
    }
  }
  return durable_size >= size ? absl::OkStatus() : failure;
}

void Log::Impl::CommitNextBatch(std::unique_lock<std::mutex>& guard) {
  committing = true;
  const size_t n = std::min(pending.size(), kBatchLimit);
  HILUM_CHECK(n > 0);  // who waits has staged an entry that is not durable yet
  const auto end = pending.begin() + static_cast<ptrdiff_t>(n);
  const std::vector<std::string> batch(std::make_move_iterator(pending.begin()),
                                       std::make_move_iterator(end));
  pending.erase(pending.begin(), end);
  guard.unlock();
  const absl::Status status = sequencer->Commit(batch);
  guard.lock();
  committing = false;
  if (status.ok()) {
    durable_size += batch.size();
  } else {
    failure = status;
  }
  progress.notify_all();
}

Log::Log(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Log::~Log() = default;

absl::StatusOr<std::unique_ptr<Log>> Log::Create(const Options& options, crypto::SigningKey log_key,
                                                 absl::string_view genesis) {
  auto impl = std::make_unique<Impl>(PinsOf(options, log_key));
  const std::vector<std::string> first = {std::string(genesis)};
  HILUM_RETURN_IF_ERROR(impl->Stage(first));
  HILUM_ASSIGN_OR_RETURN(impl->sequencer,
                         LogSequencer::Create(SequencerOptions(options), std::move(log_key)));
  std::unique_lock guard(impl->mutex);
  HILUM_RETURN_IF_ERROR(impl->WaitUntilDurable(1, guard));
  guard.unlock();
  return std::unique_ptr<Log>(new Log(std::move(impl)));
}

absl::StatusOr<std::unique_ptr<Log>> Log::Open(const Options& options, crypto::SigningKey log_key) {
  auto impl = std::make_unique<Impl>(PinsOf(options, log_key));
  const auto replay = [&impl](uint64_t index, absl::string_view text, bool is_signed) {
    const absl::StatusOr<Entry> entry =
        impl->state.Admit(text, is_signed ? Trust::kReplay : Trust::kVerify);
    if (!entry.ok()) {
      return absl::DataLossError(
          absl::StrCat("entry ", index, " of the journal: ", entry.status().message()));
    }
    impl->index_of.emplace(crypto::LeafHash(AsBytes(text)), index);
    return absl::OkStatus();
  };
  HILUM_ASSIGN_OR_RETURN(impl->sequencer,
                         LogSequencer::Open(SequencerOptions(options), std::move(log_key), replay));
  impl->durable_size = impl->state.size();
  return std::unique_ptr<Log>(new Log(std::move(impl)));
}

absl::StatusOr<std::vector<LogReceipt>> Log::Append(std::span<const std::string> entries) {
  if (entries.empty() || entries.size() > kBatchLimit) {
    return absl::InvalidArgumentError(
        absl::StrCat("a batch of ", entries.size(), " entries is not within 1 to ", kBatchLimit));
  }
  std::unique_lock guard(impl_->mutex);
  if (!impl_->failure.ok()) return impl_->Stopped();
  HILUM_ASSIGN_OR_RETURN(std::vector<LogReceipt> receipts, impl_->Stage(entries));
  uint64_t size = 0;
  for (const LogReceipt& receipt : receipts) size = std::max(size, receipt.index + 1);
  HILUM_RETURN_IF_ERROR(impl_->WaitUntilDurable(size, guard));
  return receipts;
}

absl::StatusOr<LogReceipt> Log::Append(const std::string& entry) {
  HILUM_ASSIGN_OR_RETURN(const std::vector<LogReceipt> receipts, Append(std::span(&entry, 1)));
  return receipts[0];
}

std::string Log::CheckpointNote() const { return impl_->sequencer->CheckpointNote(); }
Checkpoint Log::LastCheckpoint() const { return impl_->sequencer->LastCheckpoint(); }

uint64_t Log::size() const {
  const std::lock_guard guard(impl_->mutex);
  return impl_->durable_size;
}

Admission Log::State() const {
  const std::lock_guard guard(impl_->mutex);
  return impl_->state;
}

absl::Status Log::Publish(absl::string_view note) {
  {
    const std::lock_guard guard(impl_->mutex);
    if (!impl_->failure.ok()) return impl_->Stopped();
  }
  HILUM_RETURN_IF_ERROR(impl_->sequencer->Publish(note));
  const absl::Status confirmed = impl_->sequencer->Confirm();
  if (confirmed.ok()) return confirmed;
  const std::lock_guard guard(impl_->mutex);
  impl_->failure = confirmed;
  impl_->progress.notify_all();
  return confirmed;
}

std::string Log::PublishedNote() const { return impl_->sequencer->PublishedNote(); }
Checkpoint Log::Published() const { return impl_->sequencer->Published(); }

// The checkpoint may grow between the calls; then the proof is made again.
absl::StatusOr<std::string> Log::Prove(uint64_t index) const {
  TlogProof proof;
  proof.index = index;
  HILUM_ASSIGN_OR_RETURN(proof.extra, ReadEntry(index));
  do {
    const uint64_t size = Published().size;
    if (index >= size) {
      return absl::UnavailableError(absl::StrCat("the witnesses have not cosigned entry ", index,
                                                 " yet: the published checkpoint has ", size,
                                                 " entries"));
    }
    proof.checkpoint = PublishedNote();
    HILUM_ASSIGN_OR_RETURN(proof.hashes, impl_->sequencer->ProveInclusion(index, size));
    if (Published().size == size) break;
  } while (true);
  return FormatTlogProof(proof);
}

absl::StatusOr<Digest> Log::RootAt(uint64_t size) const { return impl_->sequencer->RootAt(size); }

absl::StatusOr<HashList> Log::ProveConsistency(uint64_t old_size, uint64_t new_size) const {
  return impl_->sequencer->ProveConsistency(old_size, new_size);
}

absl::StatusOr<std::string> Log::ReadEntry(uint64_t index) const {
  return impl_->sequencer->ReadEntry(index);
}

absl::StatusOr<uint64_t> Log::Find(const Digest& leaf_hash) const {
  const std::lock_guard guard(impl_->mutex);
  const auto found = impl_->index_of.find(leaf_hash);
  if (found != impl_->index_of.end() && found->second < impl_->durable_size) return found->second;
  return absl::NotFoundError(absl::StrCat("no entry has the leaf hash ", ToHex(leaf_hash)));
}

std::filesystem::path Log::served_folder() const { return impl_->sequencer->served_folder(); }

}  // namespace hilum::ledger_anchor

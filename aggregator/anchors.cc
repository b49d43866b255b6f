#include "aggregator/anchors.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace hilum::aggregator {

using ledger_anchor::AnchoredNote;
using ledger_anchor::AnchorReceipt;
using ledger_anchor::Vouched;

struct Anchors::Impl {
  Impl(const ledger_anchor::Log* the_log, ledger_anchor::VerifierKey key,
       std::unique_ptr<ledger_anchor::Anchor> engine, ledger_anchor::AnchorFolder receipts,
       const AnchorOptions& o, OnOutage hook)
      : log(*the_log),
        log_key(std::move(key)),
        anchor(std::move(engine)),
        folder(std::move(receipts)),
        options(o),
        on_outage(std::move(hook)) {}

  void Run() ABSL_LOCKS_EXCLUDED(mutex);
  bool IsDue() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::StatusOr<Vouched> TakeOne(uint64_t* size);
  void Count(const absl::StatusOr<Vouched>& outcome, uint64_t size) ABSL_LOCKS_EXCLUDED(mutex);

  const ledger_anchor::Log& log;
  const ledger_anchor::VerifierKey log_key;
  const std::unique_ptr<ledger_anchor::Anchor> anchor;
  ledger_anchor::AnchorFolder folder;  // of the thread alone
  const AnchorOptions options;
  const OnOutage on_outage;

  mutable absl::Mutex mutex;
  absl::CondVar changed;
  bool stopping ABSL_GUARDED_BY(mutex) = false;
  // Sizes that were wanted and have no receipt: the first opens the way, so that a log that grows
  // faster than it is published is anchored all the same.
  uint64_t first_wanted ABSL_GUARDED_BY(mutex) = 0;
  uint64_t last_wanted ABSL_GUARDED_BY(mutex) = 0;
  absl::Time next ABSL_GUARDED_BY(mutex) = absl::InfinitePast();
  absl::Duration pause ABSL_GUARDED_BY(mutex);
  uint64_t failures_in_row ABSL_GUARDED_BY(mutex) = 0;
  AnchorView view ABSL_GUARDED_BY(mutex);
  std::thread thread;
};

bool Anchors::Impl::IsDue() const {
  if (absl::Now() < next) return false;
  const uint64_t published = log.Published().size;
  if (published <= view.size) return false;
  if (options.every > absl::ZeroDuration()) return true;
  return first_wanted > view.size && published >= first_wanted;
}

// The note is that of the moment: what was published since the wish counts too.
absl::StatusOr<Vouched> Anchors::Impl::TakeOne(uint64_t* size) {
  HILUM_ASSIGN_OR_RETURN(const AnchoredNote note,
                         ledger_anchor::MakeAnchoredNote(log.PublishedNote(), log_key));
  *size = note.checkpoint.size;
  HILUM_ASSIGN_OR_RETURN(const AnchorReceipt receipt, anchor->Submit(note));
  HILUM_ASSIGN_OR_RETURN(const Vouched vouched, anchor->Verify(note, receipt));
  HILUM_RETURN_IF_ERROR(folder.Put(note, receipt));
  return vouched;
}

void Anchors::Impl::Count(const absl::StatusOr<Vouched>& outcome, uint64_t size) {
  bool is_outage = false;
  {
    const absl::MutexLock lock(&mutex);
    if (stopping) return;
    if (outcome.ok()) {
      ++view.receipts;
      view.size = size;
      view.time_s = outcome->time_s;
      view.trouble.clear();
      first_wanted = last_wanted;
      failures_in_row = 0;
      pause = absl::ZeroDuration();
      next = absl::Now() + options.every;
    } else {
      ++view.failures;
      view.trouble = std::string(outcome.status().message());
      is_outage = ++failures_in_row == options.outage_failures;
      pause = std::min(std::max(pause * 2, options.retry), options.retry_limit);
      next = absl::Now() + pause;
    }
  }
  if (outcome.ok()) {
    Log(LogLevel::kInfo, "checkpoint anchored",
        {{"engine", std::string(anchor->engine())},
         {"size", size},
         {"authority", outcome->authority}});
    return;
  }
  Log(LogLevel::kWarning, "checkpoint not anchored", {{"reason", outcome.status()}});
  if (is_outage && on_outage) on_outage(outcome.status());
}

void Anchors::Impl::Run() {
  while (true) {
    {
      const absl::MutexLock lock(&mutex);
      while (!stopping && !IsDue()) {
        const absl::Duration left = next - absl::Now();
        const bool soon = left > absl::ZeroDuration() && left < absl::Seconds(1);
        changed.WaitWithTimeout(&mutex, soon ? left : absl::Seconds(1));
      }
      if (stopping) return;
    }
    uint64_t size = 0;
    const absl::StatusOr<Vouched> outcome = TakeOne(&size);
    Count(outcome, size);
  }
}

namespace {

// The newest receipt as its files now are. Size 0: there is none that verifies.
absl::StatusOr<AnchorView> ReadNewest(const ledger_anchor::AnchorFolder& folder,
                                      const ledger_anchor::Anchor& anchor,
                                      const ledger_anchor::VerifierKey& key,
                                      const ledger_anchor::Log& log) {
  AnchorView view;
  if (folder.sizes().empty()) return view;
  const uint64_t size = folder.sizes().back();
  const absl::StatusOr<ledger_anchor::StoredAnchor> stored =
      ledger_anchor::ReadAnchor(ledger_anchor::FolderFetch(folder.path()), size, key);
  if (stored.ok()) {
    const absl::StatusOr<Digest> root = log.RootAt(size);
    if (!root.ok() || *root != stored->note.checkpoint.root) {
      return absl::DataLossError(absl::StrCat(
          (folder.path() / absl::StrCat(size)).string(), ".note is a checkpoint of size ", size,
          " that this log's key signed and this log does not have: the folder is an older copy"));
    }
  }
  const absl::StatusOr<Vouched> vouched =
      stored.ok() ? anchor.Verify(stored->note, stored->receipt) : stored.status();
  if (vouched.ok()) {
    view.size = size;
    view.time_s = vouched->time_s;
  } else {
    Log(LogLevel::kWarning, "anchor receipt does not verify",
        {{"size", size}, {"reason", vouched.status()}});
  }
  return view;
}

}  // namespace

Anchors::Anchors(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

absl::StatusOr<std::unique_ptr<Anchors>> Anchors::Create(
    const ledger_anchor::Log* log, ledger_anchor::VerifierKey log_key,
    std::unique_ptr<ledger_anchor::Anchor> anchor, ledger_anchor::AnchorFolder folder,
    const AnchorOptions& options, OnOutage on_outage) {
  HILUM_ASSIGN_OR_RETURN(const AnchorView newest, ReadNewest(folder, *anchor, log_key, *log));
  auto impl = std::make_unique<Impl>(log, std::move(log_key), std::move(anchor), std::move(folder),
                                     options, std::move(on_outage));
  {
    const absl::MutexLock lock(&impl->mutex);
    impl->view = newest;
    // Whatever was wanted before a restart is in it.
    impl->first_wanted = impl->last_wanted = log->Published().size;
    if (newest.size > 0) impl->next = absl::FromUnixSeconds(newest.time_s) + options.every;
  }
  return std::unique_ptr<Anchors>(new Anchors(std::move(impl)));
}

void Anchors::Start() {
  impl_->thread = std::thread([impl = impl_.get()] { impl->Run(); });
}

Anchors::~Anchors() { Stop(); }

void Anchors::Stop() {
  {
    const absl::MutexLock lock(&impl_->mutex);
    impl_->stopping = true;
    impl_->changed.SignalAll();
  }
  impl_->anchor->Cancel();
  if (impl_->thread.joinable()) impl_->thread.join();
}

void Anchors::Want() {
  const uint64_t size = impl_->log.size();
  const absl::MutexLock lock(&impl_->mutex);
  impl_->last_wanted = std::max(impl_->last_wanted, size);
  if (impl_->first_wanted <= impl_->view.size) impl_->first_wanted = impl_->last_wanted;
  impl_->changed.SignalAll();
}

AnchorView Anchors::View() const {
  const absl::MutexLock lock(&impl_->mutex);
  return impl_->view;
}

}  // namespace hilum::aggregator

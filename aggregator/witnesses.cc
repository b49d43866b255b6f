#include "aggregator/witnesses.h"

#include <algorithm>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "ledger_anchor/witness_http.h"

namespace hilum::aggregator {
namespace {

using ledger_anchor::FedCheckpoint;
using ledger_anchor::FeedResult;
using ledger_anchor::FeedVerdict;
using ledger_anchor::WitnessFeed;
using ledger_anchor::WitnessTransport;

// One checkpoint on its way to a quorum. All are asked for the same one until a quorum stands
// under it: cosignatures of different checkpoints do not add up.
struct Target {
  FedCheckpoint fed;
  uint64_t made_s = 0;
  struct Line {
    ledger_anchor::SignatureLine line;
    uint64_t taken_s = 0;
  };
  std::map<std::string, Line> lines;  // by witness
  bool published = false;
};

struct Member {
  explicit Member(ledger_anchor::VerifierKey key) : feed(std::move(key)) {}
  WitnessFeed feed;                       // of its thread alone
  std::shared_ptr<WitnessTransport> way;  // null: not connected
  bool called = false;                    // by its URL: it is always connected
  uint64_t size = 0;
  std::string trouble;
  bool reported = false;
  absl::Time blocked = absl::InfinitePast();  // after a fault: a new stream does not mend it
  absl::Time next = absl::InfinitePast();
  absl::Duration pause;
  std::thread thread;
};

std::string NoteOf(const Target& target) {
  std::string note = target.fed.note;
  for (const auto& [name, line] : target.lines) {
    note += ledger_anchor::FormatSignatureLine(line.line);
  }
  return note;
}

}  // namespace

struct Witnesses::Impl {
  Impl(ledger_anchor::Log* the_log, ledger_anchor::Policy the_policy, const WitnessOptions& o,
       Hooks the_hooks)
      : log(*the_log), policy(std::move(the_policy)), options(o), hooks(std::move(the_hooks)) {}

  absl::Status MakeTarget() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void Renew() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void TryAgain(uint64_t now_s) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void Announce() ABSL_LOCKS_EXCLUDED(mutex);
  bool IsWanted(const Member& member) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void Run(Member& member) ABSL_LOCKS_EXCLUDED(mutex);
  void Wait(Member& member) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void Take(Member& member, const std::shared_ptr<Target>& asked, FeedResult result)
      ABSL_LOCKS_EXCLUDED(mutex);
  void TakeLine(Member& member, const std::shared_ptr<Target>& asked, const FeedResult& result)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void Publish(Target& reached) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  bool IsFreshAt(uint64_t now_s) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return published_s > 0 && now_s < published_s + options.fresh_s;
  }
  uint64_t NowS() const { return static_cast<uint64_t>(options.clock->NowSeconds()); }

  ledger_anchor::Log& log;
  const ledger_anchor::Policy policy;
  const WitnessOptions options;
  const Hooks hooks;

  mutable absl::Mutex mutex;
  absl::CondVar changed;
  bool stopping ABSL_GUARDED_BY(mutex) = false;
  std::shared_ptr<Target> target ABSL_GUARDED_BY(mutex);
  uint64_t published_s ABSL_GUARDED_BY(mutex) = 0;  // when the published quorum was complete
  bool to_announce ABSL_GUARDED_BY(mutex) = false;
  absl::Time next_try ABSL_GUARDED_BY(mutex) = absl::InfinitePast();
  std::vector<std::unique_ptr<Member>> members;  // the vector itself is fixed after Start
};

// The log's newest checkpoint becomes the one that is asked for.
absl::Status Witnesses::Impl::MakeTarget() {
  auto next = std::make_shared<Target>();
  next->fed.log = policy.logs.front().key;
  next->fed.note = log.CheckpointNote();
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::OpenedCheckpoint opened,
                         ledger_anchor::OpenCheckpoint(next->fed.note, next->fed.log));
  next->fed.checkpoint = opened.checkpoint;
  const uint64_t size = opened.checkpoint.size;
  next->fed.prove = [this, size](uint64_t old_size) {
    return log.ProveConsistency(old_size, size);
  };
  next->fed.root_at = [this](uint64_t at) { return log.RootAt(at); };
  next->made_s = NowS();
  target = std::move(next);
  changed.SignalAll();
  return absl::OkStatus();
}

// A new target once the last one is published, when the log has grown or the cosignatures age.
void Witnesses::Impl::Renew() {
  const uint64_t now_s = NowS();
  if (!target->published) return TryAgain(now_s);
  const bool grew = log.LastCheckpoint().size > target->fed.checkpoint.size;
  if (!grew && now_s < target->made_s + options.renew_s) return;
  if (const absl::Status made = MakeTarget(); !made.ok()) {
    Log(LogLevel::kError, "no checkpoint for the witnesses", {{"reason", made}});
  }
}

// A target that waited long for its quorum has lines that grew stale: those witnesses are asked
// again. And what could not be published, since the disk was full, is tried again.
void Witnesses::Impl::TryAgain(uint64_t now_s) {
  if (absl::Now() < next_try) return;
  next_try = absl::Now() + options.retry;
  std::erase_if(target->lines, [&](const auto& entry) {
    const uint64_t taken_s = entry.second.taken_s;
    return now_s < taken_s || now_s >= taken_s + options.renew_s;
  });
  Publish(*target);
}

bool Witnesses::Impl::IsWanted(const Member& member) const {
  return member.way != nullptr && !target->lines.contains(member.feed.witness().name) &&
         absl::Now() >= std::max(member.next, member.blocked);
}

void Witnesses::Impl::Wait(Member& member) {
  while (!stopping) {
    Renew();
    if (IsWanted(member)) return;
    if (to_announce) return;
    const absl::Duration pause = std::max(member.next, member.blocked) - absl::Now();
    const bool soon = pause > absl::ZeroDuration() && pause < absl::Seconds(1);
    changed.WaitWithTimeout(&mutex, soon ? pause : absl::Seconds(1));
  }
}

void Witnesses::Impl::Run(Member& member) {
  while (true) {
    std::shared_ptr<Target> asked;
    std::shared_ptr<WitnessTransport> way;
    {
      const absl::MutexLock lock(&mutex);
      Wait(member);
      if (stopping) return;
      if (IsWanted(member)) {
        asked = target;
        way = member.way;
      }
    }
    Announce();
    if (way != nullptr) Take(member, asked, member.feed.Ask(asked->fed, *way, NowS()));
  }
}

void Witnesses::Impl::Announce() {
  {
    const absl::MutexLock lock(&mutex);
    if (!std::exchange(to_announce, false)) return;
  }
  if (hooks.on_published) hooks.on_published();
}

void Witnesses::Impl::Take(Member& member, const std::shared_ptr<Target>& asked,
                           FeedResult result) {
  const std::string& name = member.feed.witness().name;
  bool at_fault = false;
  {
    const absl::MutexLock lock(&mutex);
    if (result.verdict == FeedVerdict::kCosigned) {
      TakeLine(member, asked, result);
    } else {
      member.trouble = result.reason;
      member.pause = std::min(std::max(member.pause * 2, options.retry), options.retry_limit);
      member.next = absl::Now() + member.pause;
      if (result.verdict != FeedVerdict::kMissing) {
        member.blocked = absl::Now() + options.retry_limit;
        at_fault = !std::exchange(member.reported, true);
      }
    }
  }
  Announce();
  if (result.verdict == FeedVerdict::kContradiction) {
    if (hooks.on_contradiction) hooks.on_contradiction(name, result);
  } else if (at_fault && hooks.on_fault) {
    hooks.on_fault(name, result);
  }
}

void Witnesses::Impl::TakeLine(Member& member, const std::shared_ptr<Target>& asked,
                               const FeedResult& result) {
  member.size = asked->fed.checkpoint.size;
  member.trouble.clear();
  member.reported = false;
  member.pause = absl::ZeroDuration();
  asked->lines[member.feed.witness().name] = {result.line, NowS()};
  if (asked == target) Publish(*asked);
}

// Lines that come after the quorum are published too: a site may ask for more than the server.
void Witnesses::Impl::Publish(Target& reached) {
  const std::string note = NoteOf(reached);
  const uint64_t now_s = NowS();
  if (!ledger_anchor::CheckPolicy(policy, note, {.now_s = now_s}).ok()) return;
  const bool news = reached.fed.checkpoint.size > log.Published().size || !IsFreshAt(now_s);
  if (const absl::Status published = log.Publish(note); !published.ok()) {
    Log(LogLevel::kError, "a cosigned checkpoint was not published", {{"reason", published}});
    return;
  }
  published_s = now_s;
  to_announce |= news;
  reached.published = true;
  changed.SignalAll();
}

Witnesses::Witnesses(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

absl::StatusOr<std::unique_ptr<Witnesses>> Witnesses::Create(ledger_anchor::Log* log,
                                                             ledger_anchor::Policy policy,
                                                             const WitnessOptions& options,
                                                             Hooks hooks) {
  if (policy.logs.size() != 1 || !policy.quorum.has_value()) {
    return absl::InvalidArgumentError(
        "a server's policy names one log, its own, and a quorum of witnesses");
  }
  auto impl = std::make_unique<Impl>(log, std::move(policy), options, std::move(hooks));
  const std::string& origin = impl->policy.logs.front().key.name;
  for (const ledger_anchor::PolicyMember& member : impl->policy.members) {
    if (!member.key.has_value()) continue;
    auto one = std::make_unique<Member>(*member.key);
    if (!member.url.empty()) {
      HILUM_ASSIGN_OR_RETURN(one->way, ledger_anchor::HttpWitness(member.url, origin));
      one->called = true;
    }
    impl->members.push_back(std::move(one));
  }
  {
    const absl::MutexLock lock(&impl->mutex);
    HILUM_RETURN_IF_ERROR(impl->MakeTarget());
  }
  return std::unique_ptr<Witnesses>(new Witnesses(std::move(impl)));
}

void Witnesses::Start() {
  for (const auto& member : impl_->members) {
    member->thread = std::thread([impl = impl_.get(), one = member.get()] { impl->Run(*one); });
  }
}

bool Witnesses::IsFresh() const {
  const absl::MutexLock lock(&impl_->mutex);
  return impl_->IsFreshAt(impl_->NowS());
}

Witnesses::~Witnesses() { Stop(); }

void Witnesses::Stop() {
  {
    const absl::MutexLock lock(&impl_->mutex);
    impl_->stopping = true;
    impl_->changed.SignalAll();
  }
  for (const auto& member : impl_->members) {
    if (member->thread.joinable()) member->thread.join();
  }
}

void Witnesses::Grew() {
  const absl::MutexLock lock(&impl_->mutex);
  impl_->Renew();
}

absl::Status Witnesses::Attach(absl::string_view name, std::shared_ptr<WitnessTransport> way) {
  const absl::MutexLock lock(&impl_->mutex);
  for (const auto& member : impl_->members) {
    if (member->feed.witness().name != name || member->called) continue;
    member->way = std::move(way);
    member->next = absl::InfinitePast();
    member->pause = absl::ZeroDuration();
    impl_->changed.SignalAll();
    return absl::OkStatus();
  }
  return absl::NotFoundError(absl::StrCat("the policy of this server names no witness ", name,
                                          " that is asked over a site's stream"));
}

void Witnesses::Detach(const std::shared_ptr<WitnessTransport>& way) {
  const absl::MutexLock lock(&impl_->mutex);
  for (const auto& member : impl_->members) {
    if (member->way == way) member->way = nullptr;
  }
}

std::vector<WitnessView> Witnesses::View() const {
  const absl::MutexLock lock(&impl_->mutex);
  std::vector<WitnessView> views;
  for (const auto& member : impl_->members) {
    views.push_back({.name = member->feed.witness().name,
                     .connected = member->way != nullptr,
                     .size = member->size,
                     .trouble = member->trouble});
  }
  return views;
}

}  // namespace hilum::aggregator

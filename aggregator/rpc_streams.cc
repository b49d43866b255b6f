#include "aggregator/rpc_streams.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace hilum::aggregator {
namespace {

constexpr absl::Duration kLookEvery = absl::Milliseconds(500);

}  // namespace

StreamWatch::StreamWatch(absl::Duration idle) : idle_(idle), thread_([this] { Run(); }) {}

StreamWatch::~StreamWatch() {
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
    wake_.Signal();
  }
  thread_.join();
}

void StreamWatch::Run() {
  const absl::MutexLock lock(&mutex_);
  while (!stopping_) {
    Look(absl::Now());
    wake_.WaitWithTimeout(&mutex_, kLookEvery);
  }
}

void StreamWatch::Look(absl::Time now) {
  for (Stream* stream : streams_) {
    if (!stream->ended_.ok()) continue;
    if (stream->over_ && stream->over_()) {
      stream->ended_ = absl::FailedPreconditionError("the round ended before the update");
    } else if (now - stream->moved_ > idle_) {
      stream->ended_ = absl::DeadlineExceededError(
          absl::StrCat("nothing moved for ", absl::FormatDuration(idle_)));
    }
    if (!stream->ended_.ok()) stream->context_.TryCancel();
  }
}

StreamWatch::Stream::Stream(StreamWatch* owner, grpc::ServerContext* context)
    : owner_(*owner), context_(*context), moved_(absl::Now()) {
  const absl::MutexLock lock(&owner_.mutex_);
  owner_.streams_.push_back(this);
}

void StreamWatch::Stream::Moved() {
  const absl::MutexLock lock(&owner_.mutex_);
  moved_ = absl::Now();
}

void StreamWatch::Stream::EndWhen(std::function<bool()> over) {
  const absl::MutexLock lock(&owner_.mutex_);
  over_ = std::move(over);
}

void StreamWatch::Stream::Leave() {
  const absl::MutexLock lock(&owner_.mutex_);
  if (std::exchange(watched_, false)) owner_.streams_.remove(this);
}

absl::Status StreamWatch::Stream::ended() const {
  const absl::MutexLock lock(&owner_.mutex_);
  return ended_;
}

}  // namespace hilum::aggregator

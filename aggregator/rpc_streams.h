// Streams that stand still, or whose reason is gone, are ended: each holds a thread of gRPC, and an
// upload a part of the store. Private to aggregator/rpc*.
#ifndef HILUM_AGGREGATOR_RPC_STREAMS_H_
#define HILUM_AGGREGATOR_RPC_STREAMS_H_

#include <functional>
#include <list>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"

namespace hilum::aggregator {

// Looks at its streams twice a second. Thread-safe; outlives its streams.
class StreamWatch {
 public:
  // A stream in which nothing moves for `idle` is ended.
  explicit StreamWatch(absl::Duration idle);
  ~StreamWatch();

  class Stream {
   public:
    Stream(StreamWatch* owner, grpc::ServerContext* context);
    Stream(const Stream&) = delete;
    ~Stream() { Leave(); }
    void Moved();  // a message came or went
    // From now on the stream also ends once `over` is true. Called from another thread.
    void EndWhen(std::function<bool()> over);
    // From now on the stream is not ended: its last message has come.
    void Leave();
    // OK, or why the stream was ended; the caller itself hears CANCELLED.
    absl::Status ended() const;

   private:
    friend class StreamWatch;
    StreamWatch& owner_;
    grpc::ServerContext& context_;
    absl::Time moved_;
    std::function<bool()> over_;
    absl::Status ended_;
    bool watched_ = true;
  };

 private:
  void Run();
  void Look(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const absl::Duration idle_;
  absl::Mutex mutex_;
  absl::CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::list<Stream*> streams_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_RPC_STREAMS_H_

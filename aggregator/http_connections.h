// The connections of the HTTP listener, bounded in number and in time: a caller that is slow or
// silent costs one place for a while and keeps nobody out. Private to aggregator/http*.
#ifndef HILUM_AGGREGATOR_HTTP_CONNECTIONS_H_
#define HILUM_AGGREGATOR_HTTP_CONNECTIONS_H_

#include <cstddef>
#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "aggregator/http.h"
#include "httplib.h"

namespace hilum::aggregator {

// httplib's server reads with a time limit a byte and one thread a connection: a few callers that
// send a byte now and then hold it for ever. Here every connection has its own thread, the times
// are of whole requests, and where all places are taken, the connection that has held its place
// longest without ending a request makes room for the new one.
class BoundedHttpServer : public httplib::Server {
 public:
  explicit BoundedHttpServer(const HttpLimits& limits);
  // Call after binding. The library lets five callers wait to be accepted; a sixth that comes at
  // the same moment would lose a second.
  void LetManyWait();
  // Closes every connection, now and for ever. Then call stop().
  void CloseConnections() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Place {
    std::string address;
    absl::Time since;
  };
  bool process_and_close_socket(socket_t socket) override;
  void Serve(socket_t socket);
  // False: the server stops.
  bool Enter(socket_t socket) ABSL_LOCKS_EXCLUDED(mutex_);
  void Renew(socket_t socket) ABSL_LOCKS_EXCLUDED(mutex_);
  void Leave(socket_t socket) ABSL_LOCKS_EXCLUDED(mutex_);
  // Of `address`, or of all when it is null.
  size_t Count(const std::string* address) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EvictOldest(const std::string* address) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const HttpLimits limits_;
  absl::Mutex mutex_;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<socket_t, Place> places_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_HTTP_CONNECTIONS_H_

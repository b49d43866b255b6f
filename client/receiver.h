// Listens for DICOM peers and lets those of the allow-lists put objects into the inbox.
#ifndef HILUM_CLIENT_RECEIVER_H_
#define HILUM_CLIENT_RECEIVER_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/tcp_listener.h"
#include "client/inbox.h"
#include "client/sources.h"
#include "dicom/peer.h"

namespace hilum::client {

// What became of one connection.
struct ReceiverEvent {
  std::string peer;             // its address
  bool turned_away = false;     // not one of [scp] peers, or no room is left: nothing was read
  absl::Status status;          // not OK: nothing can be received; the receiver ends
  dicom::ReceiveReport report;  // when it was let in
};

// InvalidArgument: no callers or no peers, or a title or a set of TLS files that is none.
absl::Status CheckScp(const ScpOptions& scp);

class Receiver {
 public:
  struct Options {
    ScpOptions scp;
    dicom::ReceiveOptions limits;                        // caps; titles and TLS come from `scp`
    std::function<void(const ReceiverEvent&)> on_event;  // one at a time
  };
  // Errors of CheckScp. FailedPrecondition: the address is in use.
  static absl::StatusOr<std::unique_ptr<Receiver>> Open(Inbox& inbox, Options options);

  const std::string& address() const { return listener_.address(); }
  // Receives until `stop`. What was acknowledged is in the inbox. Each association is a process of
  // its own and at most [scp] associations run at a time, fewer where the inbox has little room;
  // others wait. Unavailable: the process of an association does not start.
  absl::Status Run(const std::atomic<bool>& stop);

 private:
  Receiver(Inbox& inbox, Options options, TcpListener listener)
      : inbox_(inbox), options_(std::move(options)), listener_(std::move(listener)) {}
  bool IsPeer(const std::string& address) const;
  // `room_bytes`: what was set aside for the association.
  ReceiverEvent Serve(AcceptedConnection connection, uint64_t room_bytes,
                      const std::atomic<bool>& stop);

  Inbox& inbox_;
  const Options options_;
  const TcpListener listener_;
};

}  // namespace hilum::client

#endif  // HILUM_CLIENT_RECEIVER_H_

// The server in flight R0: collects keys, then reveals, and fixes the graph
// (docs/secure_aggregation.md, section 5).
//
// States of the server are types: ServerAdvertising, ServerRevealing (here), ServerSharing,
// ServerAcknowledging (server_r1.h), ServerCollecting (server_r2.h), ServerConfirming
// (server_r3.h), ServerUnmasking (server_r4.h). Take checks a site's message whole before it
// changes anything: a bad message costs its sender and nobody else. When Take is OK the caller
// writes the message's bytes, fsyncs, and only then acknowledges; a server that restarts feeds the
// stored messages, in any order, to new states and gets the same bytes out. Close ends a flight
// (everyone answered, or the deadline passed) and consumes the state; when it fails the attempt is
// over.
#ifndef HILUM_PRIVACY_SECAGG_SERVER_R0_H_
#define HILUM_PRIVACY_SECAGG_SERVER_R0_H_

#include <cstdint>
#include <map>
#include <utility>

#include "absl/status/statusor.h"
#include "crypto/sign.h"
#include "privacy/secagg/facts.h"
#include "privacy/secagg/inbox.h"
#include "privacy/secagg/server_r1.h"
#include "privacy/secagg/step.h"

namespace hilum::privacy::secagg {

// The key list is out: collects reveals.
class ServerRevealing {
 public:
  // InvalidArgument: malformed. DataLoss: not signed by its sender on this list, or it opens no
  // commitment. FailedPrecondition: another round, or a second and different message.
  absl::StatusOr<Receipt> Take(ByteView message);
  bool complete() const { return inbox_.size() == facts_.keys.size(); }

  // The message is U1. Aborted: somebody did not reveal, so the attempt is void; the next one
  // leaves the named members out (there are kMaxAttempts). FailedPrecondition: no graph holds the
  // bounds.
  absl::StatusOr<Step<ServerSharing>> Close() &&;

 private:
  friend class ServerAdvertising;
  ServerRevealing(ServerSelf self, Facts facts) : self_(self), facts_(std::move(facts)) {}
  ServerSelf self_;
  Facts facts_;
  Inbox inbox_;
  std::map<uint16_t, GraphReveal> reveals_;
};

// cfg is out: collects key advertisements.
class ServerAdvertising {
 public:
  // `signing_key` is the server's and outlives the attempt.
  ServerAdvertising(ContextPtr context, const crypto::SigningKey& signing_key)
      : self_{&signing_key}, context_(std::move(context)) {}

  // As ServerRevealing::Take. AlreadyExists: another member advertised one of these public keys.
  absl::StatusOr<Receipt> Take(ByteView message);
  bool complete() const { return inbox_.size() == context_->n(); }

  // The message is the KeyList. Unavailable: fewer than max(Q, u_min) members.
  absl::StatusOr<Step<ServerRevealing>> Close() &&;

 private:
  ServerSelf self_;
  ContextPtr context_;
  Inbox inbox_;
  std::map<uint16_t, KeyAdvertisement> advertisements_;
};

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_SERVER_R0_H_

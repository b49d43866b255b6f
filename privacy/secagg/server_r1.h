// The server in flight R1: passes shares on, judges complaints, fixes U2
// (docs/secure_aggregation.md, section 5). server_r0.h says what states, Take and Close are.
#ifndef HILUM_PRIVACY_SECAGG_SERVER_R1_H_
#define HILUM_PRIVACY_SECAGG_SERVER_R1_H_

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "privacy/secagg/complaint.h"
#include "privacy/secagg/facts.h"
#include "privacy/secagg/inbox.h"
#include "privacy/secagg/r1_messages.h"
#include "privacy/secagg/server_r2.h"
#include "privacy/secagg/step.h"

namespace hilum::privacy::secagg {

// The deliveries are out: collects acknowledgements.
class ServerAcknowledging {
 public:
  // Besides the errors of every Take. InvalidArgument: a sender is not acknowledged or complained
  // about exactly once, or a complaint of kind 2 is false: the key does not open the signed
  // ciphertext, or the share is good. Its sender then counts as silent.
  absl::StatusOr<Receipt> Take(ByteView message);
  bool complete() const { return inbox_.size() == bundles_.size(); }

  struct Closed {
    ServerCollecting next;
    Bytes message;                          // U2
    std::vector<UpheldComplaint> evidence;  // one of each accused, ascending
  };
  // U2: who acknowledged; without the accused of each upheld complaint, without both sides of each
  // that cannot be decided, and without those who have fewer than t holders left.
  // Unavailable: fewer than max(Q, u_min) members remain.
  absl::StatusOr<Closed> Close() &&;

 private:
  friend class ServerSharing;
  ServerAcknowledging(ServerSelf self, Facts facts, std::map<uint16_t, ShareBundle> bundles)
      : self_(self), facts_(std::move(facts)), bundles_(std::move(bundles)) {}
  absl::Status CheckAnswersAll(uint16_t sender, const ShareAck& ack) const;
  absl::Status CheckComplaint(uint16_t accuser, const Complaint& complaint) const;
  Indices MembersOfU2() const;
  std::vector<UpheldComplaint> UpheldComplaints() const;

  ServerSelf self_;
  Facts facts_;
  std::map<uint16_t, ShareBundle> bundles_;
  Inbox inbox_;
  std::map<uint16_t, ShareAck> acks_;
};

// U1 is out: collects share bundles.
class ServerSharing {
 public:
  // Besides the errors of every Take. InvalidArgument: the ciphertexts are not for exactly the
  // sender's holders.
  absl::StatusOr<Receipt> Take(ByteView message);
  bool complete() const { return inbox_.size() == facts_.graph->members().size(); }

  struct Closed {
    ServerAcknowledging next;
    std::map<uint16_t, Bytes> messages;  // a ShareDelivery for each member that sent a bundle
  };
  // Unavailable: fewer than max(Q, u_min) members sent bundles.
  absl::StatusOr<Closed> Close() &&;

 private:
  friend class ServerRevealing;
  ServerSharing(ServerSelf self, Facts facts) : self_(self), facts_(std::move(facts)) {}
  ServerSelf self_;
  Facts facts_;
  Inbox inbox_;
  std::map<uint16_t, ShareBundle> bundles_;
};

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_SERVER_R1_H_

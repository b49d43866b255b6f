// The server in flight R3: collects votes on its transcript (docs/secure_aggregation.md, section
// 5). server_r0.h says what states, Take and Close are.
#ifndef HILUM_PRIVACY_SECAGG_SERVER_R3_H_
#define HILUM_PRIVACY_SECAGG_SERVER_R3_H_

#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "privacy/secagg/facts.h"
#include "privacy/secagg/inbox.h"
#include "privacy/secagg/r1_messages.h"
#include "privacy/secagg/r3_messages.h"
#include "privacy/secagg/server_r4.h"
#include "privacy/secagg/step.h"

namespace hilum::privacy::secagg {

// The transcript is out: collects votes.
class ServerConfirming {
 public:
  // Besides the errors of every Take. InvalidArgument: not a member of U3. DataLoss: a vote on
  // another transcript.
  absl::StatusOr<Receipt> Take(ByteView message);
  bool complete() const { return inbox_.size() == transcript_.members.size(); }

  const Transcript& transcript() const { return transcript_; }
  std::span<const uint64_t> sums() const { return sums_; }  // S

  // The message is the VoteList. Unavailable: fewer than Q votes. An attempt may be repeated only
  // up to here: before anything is unmasked.
  absl::StatusOr<Step<ServerUnmasking>> Close() &&;

 private:
  friend class ServerCollecting;
  ServerConfirming(ServerSelf self, Facts facts, std::map<uint16_t, ShareCommitments> commitments,
                   std::vector<uint64_t> sums, Transcript transcript);
  ServerSelf self_;
  Facts facts_;
  std::map<uint16_t, ShareCommitments> commitments_;
  std::vector<uint64_t> sums_;
  Transcript transcript_;
  Digest transcript_hash_{};
  Inbox inbox_;
  std::map<uint16_t, TranscriptVote> votes_;
};

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_SERVER_R3_H_

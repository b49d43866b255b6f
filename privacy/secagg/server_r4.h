// The server in flights R4 and R5: collects one kind of share a member, opens the secrets that the
// transcript asks for, and takes the masks out of S (docs/secure_aggregation.md, section 5).
// server_r0.h says what states, Take and Close are.
#ifndef HILUM_PRIVACY_SECAGG_SERVER_R4_H_
#define HILUM_PRIVACY_SECAGG_SERVER_R4_H_

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "privacy/secagg/facts.h"
#include "privacy/secagg/inbox.h"
#include "privacy/secagg/r1_messages.h"
#include "privacy/secagg/r3_messages.h"
#include "privacy/secagg/r5_messages.h"
#include "privacy/unmask.h"

namespace hilum::privacy::secagg {

// What a round came to: the server's way on (Dequantize), and the evidence that it publishes.
struct OpenedRound {
  Facts facts;
  Transcript transcript;
  VoteList votes;
  RoundOpening opening;
  Indices untagged;  // members of U3 that sent no answer: their y_i is published instead of a tag
  std::vector<uint64_t> sums;  // S
  RingTotal total;             // z
};

// The vote list is out: collects answers.
class ServerUnmasking {
 public:
  // Besides the errors of every Take. InvalidArgument: the sender is not of U3; or its lists are
  // not exactly those that T asks of it. DataLoss: it answers other votes, a share does not fit its
  // commitment (the sentence names whose), or a signature fails.
  absl::StatusOr<Receipt> Take(ByteView message);
  bool complete() const { return inbox_.size() == round_.transcript.members.size(); }
  // Whether t shares of every secret are here.
  bool enough() const;

  // Unavailable: fewer than t shares of some secret. DataLoss: an opened secret is not the one that
  // was committed to (only with share_proof 0), or the count coordinate is not |U3|: the round is
  // closed as aborted. It counts for the cohort guard and for the privacy budget.
  absl::StatusOr<OpenedRound> Close(kernels::Device device) &&;

 private:
  friend class ServerConfirming;
  struct Round {
    Facts facts;
    std::map<uint16_t, ShareCommitments> commitments;
    std::vector<uint64_t> sums;
    Transcript transcript;
    Digest transcript_hash{};
    Digest votes_hash{};
    VoteList votes;
  };
  explicit ServerUnmasking(Round round);
  absl::Status CheckLists(uint16_t sender, const Unmasking& unmasking) const;
  absl::Status CheckShares(uint16_t sender, const Unmasking& unmasking) const;
  absl::StatusOr<OpenedSecrets> OpenSecrets() const;

  Round round_;
  Indices u3_, dropped_;  // dropped: U2 \ U3
  Inbox inbox_;
  std::map<uint16_t, std::vector<Share>> shares_;  // by owner: of b in U3, of a in dropped
  std::vector<MemberTag> tags_;
};

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_SERVER_R4_H_

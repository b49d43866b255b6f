// The server in flight R2: adds the masked vectors chunk by chunk, and takes a half one out again
// (docs/secure_aggregation.md, section 5). server_r0.h says what states, Take and Close are.
#ifndef HILUM_PRIVACY_SECAGG_SERVER_R2_H_
#define HILUM_PRIVACY_SECAGG_SERVER_R2_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "privacy/secagg/facts.h"
#include "privacy/secagg/inbox.h"
#include "privacy/secagg/r1_messages.h"
#include "privacy/secagg/r2_messages.h"
#include "privacy/secagg/server_r3.h"
#include "privacy/secagg/step.h"

namespace hilum::privacy::secagg {

// U2 is out: collects vectors. Two ways, of which an attempt takes one: TakeChunk and TakeClose add
// chunk by chunk here, and S (8 bytes a coordinate) and a digest a chunk are held; or the caller
// adds whole vectors by itself, in parallel or on a GPU, and TakeSummed holds their closes only.
class ServerCollecting {
 public:
  // peer: the member on whose authenticated channel the message came. A chunk has no signature of
  // its own (its root has, at the close), so nobody may add to another's vector.
  // A chunk is stored by the caller, fsynced and acknowledged after OK; it is in S from here on.
  // InvalidArgument: malformed, or the sender is not of U2. FailedPrecondition: not the sender's
  // next chunk, other bytes for an earlier one, or the sender was withdrawn. PermissionDenied: the
  // frame names another sender than `peer`.
  absl::StatusOr<Receipt> TakeChunk(uint16_t peer, ByteView message);

  // Besides the errors of every Take. InvalidArgument: chunks are missing. DataLoss: H(U2), D or
  // the root is not that of what was sent.
  absl::StatusOr<Receipt> TakeClose(ByteView message);

  // The close of a vector that the caller holds whole, and will have added once Close is called.
  //   root  of the bytes that the caller holds
  // Besides the errors of every Take. DataLoss: H(U2), D or the root is not that of `root`'s
  // vector. FailedPrecondition: chunks were taken here.
  absl::StatusOr<Receipt> TakeSummed(ByteView message, const Digest& root);

  // Takes a member's unfinished vector out of S again, exactly, and bars it from this round.
  //   stored(c)  the bytes of its chunk c as they were taken (words only); read twice
  // FailedPrecondition: the member has closed. DataLoss: a stored chunk is not the one that was
  // added; S is as before. Errors of `stored` are passed on.
  absl::Status Withdraw(uint16_t member,
                        const std::function<absl::StatusOr<Bytes>(uint32_t)>& stored);

  Indices Unfinished() const;  // who has sent chunks and has not closed
  bool complete() const { return closes_.size() == facts_.u2.size(); }

  // Durable: T as the message has it; S (next.sums()) is written and fsynced with it. The message
  // is the signed transcript. A vector that is finished later has no function to go to, and its b_j
  // is never asked for. FailedPrecondition: an unfinished vector is in S; Withdraw it. Unavailable:
  // fewer than max(Q, u_min) members, a member of U2 has fewer than t holders left, or a run of the
  // ring too few members (graph.h).
  absl::StatusOr<DurableStep<ServerConfirming>> Close() &&;
  // The same for vectors of TakeSummed: `sums` is S, the sum of exactly those, [D].
  // InvalidArgument: another length. FailedPrecondition: chunks were taken here.
  absl::StatusOr<DurableStep<ServerConfirming>> CloseWith(std::vector<uint64_t> sums) &&;

  const Indices& members() const { return facts_.u2; }  // U2
  const Digest& u2_hash() const { return facts_.u2_hash; }
  Indices Finished() const;  // who has closed

 private:
  friend class ServerAcknowledging;
  struct Vector {
    std::vector<Digest> leaves;  // of the chunks so far
  };
  ServerCollecting(ServerSelf self, Facts facts, std::map<uint16_t, ShareCommitments> commitments);
  absl::StatusOr<Opened> OpenOfU2(ByteView message) const;
  absl::StatusOr<Receipt> Enter(ByteView message, const Opened& opened, const Digest& root);
  absl::StatusOr<DurableStep<ServerConfirming>> Confirm() &&;
  absl::Status CheckWithdrawal(const Vector& vector,
                               const std::function<absl::StatusOr<Bytes>(uint32_t)>& stored) const;

  ServerSelf self_;
  Facts facts_;
  std::map<uint16_t, ShareCommitments> commitments_;
  std::vector<uint64_t> sums_;  // [D] from the first chunk on; before it empty
  std::map<uint16_t, Vector> vectors_;
  std::set<uint16_t> withdrawn_;
  Inbox inbox_;
  std::map<uint16_t, MaskedInputClose> closes_;
};

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_SERVER_R2_H_

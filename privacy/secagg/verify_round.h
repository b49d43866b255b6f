// Flight R5 as a site or an auditor sees it: whether the published sum and result are those of the
// committed vectors (docs/secure_aggregation.md, section 8, mode A).
#ifndef HILUM_PRIVACY_SECAGG_VERIFY_ROUND_H_
#define HILUM_PRIVACY_SECAGG_VERIFY_ROUND_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "kernels/tag_polynomial.h"
#include "privacy/secagg/facts.h"
#include "privacy/secagg/r3_messages.h"
#include "privacy/secagg/r5_messages.h"
#include "privacy/unmask.h"

namespace hilum::privacy::secagg {

// The round as it was published. Views; nothing is owned.
struct PublishedRound {
  const Facts& facts;  // verified: from one's own flights, or by AcceptKeyList and the others
  const Transcript& transcript;
  const VoteList& votes;
  const RoundOpening& opening;
  std::span<const uint64_t> sums;  // S, as downloaded
  Digest ring_root{};              // root(z) of the ledger's record
  // Gives the whole vector of a member without a tag. Asked for one at a time, so that a server
  // which publishes no tags costs time and no memory. Empty: there are none.
  std::function<absl::StatusOr<std::vector<uint32_t>>(uint16_t member)> untagged{};
  // Looked at before each member and each part of the masks; then Cancelled is returned.
  const std::atomic<bool>* cancel = nullptr;
};

// Messages that verify, and the points that they challenge the sum at. Only VerifyMessages makes
// one.
class VerifiedMessages {
 public:
  const kernels::TagValues& challenge() const { return challenge_; }  // rho_1..rho_3

 private:
  friend absl::StatusOr<VerifiedMessages> VerifyMessages(const PublishedRound& round);
  explicit VerifiedMessages(const kernels::TagValues& challenge) : challenge_(challenge) {}
  kernels::TagValues challenge_;
};

// What needs neither S nor a vector, so that nobody reads those for messages that are false: T
// (CheckTranscript); a quorum of votes on it; each tag, of a member of U3 and signed on this T and
// V; every opened secret against its commitment or key. `sums`, `ring_root` and `untagged` are not
// looked at.
// DataLoss: the first of these that fails.
// A site also compares HashOf(transcript) with its own vote.
absl::StatusOr<VerifiedMessages> VerifyMessages(const PublishedRound& round);

// The sum without taking the masks out (mode "tags"): root(S); of each member of U3 a tag, or its
// whole vector with the root that T has; S against the tags.
//   messages  of the same round
// DataLoss: the first of these that fails. Errors of `untagged` are passed on.
absl::Status VerifySum(const PublishedRound& round, const VerifiedMessages& messages);

// VerifySum, then z = S without the masks, its root, and its count coordinate. Returns z: the model
// is derived from it and from nothing else.
// DataLoss: the first of these that fails. FailedPrecondition: no such device or suite. Errors of
// `untagged` are passed on.
absl::StatusOr<RingTotal> VerifyRound(const PublishedRound& round, const VerifiedMessages& messages,
                                      kernels::Device device);

// VerifySum, then z in `chunks` alone (mode B; privacy/unmask.h, DrawChunks). root(z) is not
// compared: the model's parameters of these chunks are, by whoever has the model
// (RingSample::CheckModel). Errors as VerifyRound.
absl::StatusOr<RingSample> VerifySampled(const PublishedRound& round,
                                         const VerifiedMessages& messages,
                                         std::vector<uint32_t> chunks, kernels::Device device);

// VerifyMessages and VerifyRound, for whoever holds S already.
absl::StatusOr<RingTotal> VerifyRound(const PublishedRound& round, kernels::Device device);

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_VERIFY_ROUND_H_

// The server's side of one attempt at a masked round: the flights of privacy/secagg one after the
// other (docs/secure_aggregation.md, section 5). No clock, no disk: the caller writes what is taken
// before it acknowledges it, and says when a flight ends. A server that restarts takes the stored
// messages again, closes the flights that it had closed, and gets the same messages out.
#ifndef HILUM_AGGREGATOR_MASKED_ATTEMPT_H_
#define HILUM_AGGREGATOR_MASKED_ATTEMPT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "aggregator/round.h"
#include "base/bytes.h"
#include "crypto/sign.h"
#include "kernels/device.h"
#include "privacy/secagg/flight.h"
#include "privacy/secagg/server_r0.h"

namespace hilum::aggregator {

using privacy::secagg::Flight;
using privacy::secagg::Indices;

// What a flight begins with. Immutable and shared: a site may fetch it while the next one comes.
struct DownMessages {
  Bytes common;                        // for everybody
  std::map<uint16_t, Bytes> each;      // or one for each member; then `common` is empty
  std::map<uint16_t, Digest> digests;  // SHA-256 of `each`; of `common` under kForAll
  static constexpr uint16_t kForAll = 0xffff;

  // Null: this member gets none.
  const Bytes* For(uint16_t member) const;
  Digest DigestFor(uint16_t member) const;  // zero: this member gets none
};

// What was signed in the attempt, for the round record: bodies of the server's messages.
struct AttemptEvidence {
  Bytes key_list, u1, u2, transcript, votes;
  Bytes complaints;  // that were upheld: privacy/secagg/complaint.h
};

class MaskedAttempt {
 public:
  // `key` is the aggregator's entry key and outlives this. InvalidArgument: as Context::Create.
  static absl::StatusOr<std::unique_ptr<MaskedAttempt>> Create(const privacy::RoundConfig& config,
                                                               uint8_t attempt,
                                                               const crypto::SigningKey& key);

  Flight flight() const { return flight_; }  // that is collected now
  uint8_t attempt() const { return attempt_; }
  const privacy::secagg::Context& context() const { return *context_; }
  // Members whose message of this flight is awaited or here: those who sent the one before, in R2
  // those of U2.
  const Indices& members() const { return members_; }
  bool HasAnswered(uint16_t member) const { return answered_.contains(member); }
  Indices Missing() const;
  std::shared_ptr<const DownMessages> down() const { return down_; }
  const AttemptEvidence& evidence() const { return evidence_; }
  // H(U2) once flight R2 is on; else zero.
  const Digest& u2_hash() const { return u2_hash_; }
  // OK while the attempt lives; then why it ended.
  const absl::Status& over() const { return over_; }

  // `peer`: on whose authenticated channel the message came.
  // True: it is new. False: the same bytes were taken before. PermissionDenied: it names another
  // member. FailedPrecondition: another flight is on, or another message of the member was taken.
  // Others as Take of privacy/secagg: they cost the sender and nobody else.
  absl::StatusOr<bool> Take(uint16_t peer, Flight flight, ByteView message);
  // The close of a vector that is in the running sum, or will be.
  absl::StatusOr<bool> TakeVector(const CountedUpdate& update);

  // Ends the flight, but R2 and R4. On an error the attempt is over (over()).
  absl::Status Close();
  // Ends R2: `sums` is S of exactly the vectors taken.
  absl::Status CloseVectors(std::vector<uint64_t> sums);
  // Ends R4 and the attempt. Unavailable: fewer than t shares of some secret.
  absl::StatusOr<privacy::secagg::OpenedRound> Open(kernels::Device device);

 private:
  MaskedAttempt(privacy::secagg::ContextPtr context, uint8_t attempt,
                const crypto::SigningKey& key);
  template <class Next>
  void Go(Next next, Bytes message, Bytes* evidence);
  void Begin(Indices members, DownMessages down);
  absl::Status CloseShares(privacy::secagg::ServerSharing state);
  absl::Status CloseAcks(privacy::secagg::ServerAcknowledging state);
  absl::Status CloseNow();
  absl::Status End(const absl::Status& why);

  privacy::secagg::ContextPtr context_;
  uint8_t attempt_ = 0;
  Flight flight_ = Flight::kAdvertise;
  std::variant<std::monostate, privacy::secagg::ServerAdvertising, privacy::secagg::ServerRevealing,
               privacy::secagg::ServerSharing, privacy::secagg::ServerAcknowledging,
               privacy::secagg::ServerCollecting, privacy::secagg::ServerConfirming,
               privacy::secagg::ServerUnmasking>
      state_;
  Indices members_;
  std::set<uint16_t> answered_;
  std::shared_ptr<const DownMessages> down_;
  AttemptEvidence evidence_;
  Digest u2_hash_{};
  absl::Status over_;
};

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_MASKED_ATTEMPT_H_

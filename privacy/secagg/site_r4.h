// A site in flight R4: opens one kind of share a peer, once a quorum stands behind its transcript
// (docs/secure_aggregation.md, section 5). site_r0.h says what states are.
#ifndef HILUM_PRIVACY_SECAGG_SITE_R4_H_
#define HILUM_PRIVACY_SECAGG_SITE_R4_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "crypto/sign.h"
#include "privacy/mask.h"
#include "privacy/secagg/facts.h"
#include "privacy/secagg/r3_messages.h"
#include "privacy/secagg/sealed_share.h"
#include "privacy/secagg/step.h"

namespace hilum::privacy::secagg {

// The answer is out and every secret is wiped: waits for the result, which VerifyRound judges.
class SiteAnswered {
 public:
  const Facts& facts() const { return facts_; }
  const Transcript& transcript() const { return transcript_; }
  const Digest& transcript_hash() const { return transcript_hash_; }  // the own vote
  // One's own y_i, kept until the result is verified.
  const MaskedUpdate& vector() const { return *vector_; }

 private:
  friend class SiteVoted;
  SiteAnswered() = default;
  Facts facts_;
  Transcript transcript_;
  Digest transcript_hash_{};
  std::shared_ptr<const MaskedUpdate> vector_;
};

// The vote is out: waits for the votes of the others.
class SiteVoted {
 public:
  SiteVoted(SiteVoted&&) = default;  // movable only
  SiteVoted& operator=(SiteVoted&&) = default;

  // Durable: an AnswerRecord, which holds the message; it is sent again as it is until the round
  // ends, and never made again. The message is the Unmasking.
  // InvalidArgument: malformed. DataLoss: fewer than Q votes, a vote that is not its member's on
  // this transcript, or the own vote is missing.
  absl::StatusOr<DurableStep<SiteAnswered>> TakeVotes(ByteView message) &&;

 private:
  friend class SiteMasked;
  struct Voted {
    uint16_t index = 0;
    const crypto::SigningKey* signing_key = nullptr;
    std::array<uint8_t, 32> nonce{};
    std::map<uint16_t, HeldShare> held;
    std::shared_ptr<const MaskedUpdate> vector;
    Transcript transcript;
    Digest transcript_hash{};
  };
  SiteVoted(Voted own, Facts facts) : own_(std::move(own)), facts_(std::move(facts)) {}
  Voted own_;
  Facts facts_;
};

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_SITE_R4_H_

// A site in flight R3: votes for one transcript, once (docs/secure_aggregation.md, section 5).
// site_r0.h says what states are.
#ifndef HILUM_PRIVACY_SECAGG_SITE_R3_H_
#define HILUM_PRIVACY_SECAGG_SITE_R3_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <utility>

#include "absl/status/statusor.h"
#include "crypto/sign.h"
#include "privacy/mask.h"
#include "privacy/secagg/cohort_guard.h"
#include "privacy/secagg/facts.h"
#include "privacy/secagg/sealed_share.h"
#include "privacy/secagg/site_r4.h"
#include "privacy/secagg/step.h"

namespace hilum::privacy::secagg {

// The masked vector is made: waits for the transcript.
class SiteMasked {
 public:
  SiteMasked(SiteMasked&&) = default;  // movable only
  SiteMasked& operator=(SiteMasked&&) = default;

  // Durable: a VoteRecord, whose RowOf belongs to the guard's rows from then on, whatever becomes
  // of the round. The message is the TranscriptVote.
  //   earlier  the sums of the cohort guard: signed transcripts and ledgered sums
  // InvalidArgument: malformed. DataLoss: a check of section 5 failed. PermissionDenied: the cohort
  // guard. FailedPrecondition: this site is not in the transcript.
  absl::StatusOr<DurableStep<SiteVoted>> TakeTranscript(ByteView message,
                                                        std::span<const SumRow> earlier) &&;

 private:
  friend class SiteReady;
  struct Input {
    uint16_t index = 0;
    const crypto::SigningKey* signing_key = nullptr;
    std::array<uint8_t, 32> nonce{};
    std::map<uint16_t, HeldShare> held;
    Digest root{};  // R_i
    std::shared_ptr<const MaskedUpdate> vector;
  };
  SiteMasked(Input own, Facts facts) : own_(std::move(own)), facts_(std::move(facts)) {}
  Input own_;
  Facts facts_;
};

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_SITE_R3_H_

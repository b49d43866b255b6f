// A site in flight R0: fresh keys, then the reveal of its part of the graph's seed
// (docs/secure_aggregation.md, section 5).
//
// States of a site are types: SiteAdvertised, SiteRevealed (here), SiteShared, SiteAcknowledged
// (site_r1.h), SiteReady (site_r2.h), SiteMasked (site_r3.h), SiteVoted, SiteAnswered (site_r4.h).
// A step consumes its state. When it fails the state is gone and its secrets are wiped: that is
// what "abort" means, and nothing more of the attempt can be sent. A message for another state has
// no function to go to; a caller may drop such a message and keep the state. OpenFrame tells
// messages of other rounds apart.
#ifndef HILUM_PRIVACY_SECAGG_SITE_R0_H_
#define HILUM_PRIVACY_SECAGG_SITE_R0_H_

#include <array>
#include <cstdint>
#include <map>
#include <optional>

#include "absl/status/statusor.h"
#include "crypto/sign.h"
#include "privacy/policy.h"
#include "privacy/secagg/facts.h"
#include "privacy/secagg/keys.h"
#include "privacy/secagg/site_r1.h"
#include "privacy/secagg/step.h"

namespace hilum::privacy::secagg {

// R0.2 is out: waits for U1.
class SiteRevealed {
 public:
  SiteRevealed(SiteRevealed&&) = default;  // movable only
  SiteRevealed& operator=(SiteRevealed&&) = default;

  // Takes U1 and deals the shares: the message is this site's ShareBundle.
  // InvalidArgument: the message is malformed. DataLoss: a check of section 5 failed.
  absl::StatusOr<Step<SiteShared>> TakeU1(ByteView message) &&;

 private:
  friend class SiteAdvertised;
  SiteRevealed(SiteSelf self, Facts facts, std::array<uint8_t, 32> r)
      : self_(std::move(self)), facts_(std::move(facts)), r_(r) {}
  SiteSelf self_;
  Facts facts_;
  std::array<uint8_t, 32> r_;
};

// R0.1 is out: waits for the key list.
class SiteAdvertised {
 public:
  SiteAdvertised(SiteAdvertised&&) = default;  // movable only
  SiteAdvertised& operator=(SiteAdvertised&&) = default;

  struct Options {
    ContextPtr context;
    uint16_t index = 0;                               // of this site in the roster
    const crypto::SigningKey* signing_key = nullptr;  // outlives the attempt
    SiteFloors floors;                                // CheckPolicy runs before anything else
    std::optional<crypto::Rid> last_rid;  // the newest that this site has written, of any attempt
    SecretKey site_secret;                // static; mixed into all randomness
    std::map<uint16_t, SecretKey> psks;   // pre-shared channel keys, by index; may be empty
    SiteEntropy entropy;                  // SiteEntropy::Draw()
  };
  // Draws the keys. Durable: the rid (RidRecord); the message is the KeyAdvertisement.
  // PermissionDenied: a floor of the site. FailedPrecondition: rid is not above last_rid.
  // InvalidArgument: the signing key is not the roster's.
  static absl::StatusOr<DurableStep<SiteAdvertised>> Start(Options options);

  // Takes the key list; the message is the GraphReveal. Errors as TakeU1.
  absl::StatusOr<Step<SiteRevealed>> TakeKeyList(ByteView message) &&;

 private:
  SiteAdvertised(SiteSelf self, KeyAdvertisement own, std::array<uint8_t, 32> r)
      : self_(std::move(self)), own_(own), r_(r) {}
  SiteSelf self_;
  KeyAdvertisement own_;
  std::array<uint8_t, 32> r_;
};

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_SITE_R0_H_

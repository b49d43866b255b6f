// A site in flight R1: deals shares of its two secrets, judges those it gets, learns U2
// (docs/secure_aggregation.md, section 5). site_r0.h says what states are.
#ifndef HILUM_PRIVACY_SECAGG_SITE_R1_H_
#define HILUM_PRIVACY_SECAGG_SITE_R1_H_

#include <array>
#include <cstdint>
#include <map>
#include <utility>

#include "absl/status/statusor.h"
#include "crypto/sign.h"
#include "privacy/secagg/facts.h"
#include "privacy/secagg/keys.h"
#include "privacy/secagg/r1_messages.h"
#include "privacy/secagg/shamir.h"
#include "privacy/secagg/site_r2.h"
#include "privacy/secagg/step.h"

namespace hilum::privacy::secagg {

// A site's identity and the secrets it drew for the attempt. Wiped when it is destroyed.
struct SiteSelf {
  ContextPtr context;
  uint16_t index = 0;
  const crypto::SigningKey* signing_key = nullptr;
  Scalar a, b;
  crypto::SeededStream share_stream;
  std::array<uint8_t, 32> nonce{};
  std::map<uint16_t, SecretKey> psks;
  SecretKey mask_private;     // s_i^SK
  SecretKey channel_private;  // c_i^SK

  crypto::Signature Sign(absl::string_view label, ByteView message) const {
    return context->Sign(*signing_key, label, index, message);
  }
};

// R1.2 is out: waits for U2.
class SiteAcknowledged {
 public:
  SiteAcknowledged(SiteAcknowledged&&) = default;  // movable only
  SiteAcknowledged& operator=(SiteAcknowledged&&) = default;

  // FailedPrecondition: this site was left out of U2. InvalidArgument: malformed. DataLoss: a check
  // of section 5 failed.
  absl::StatusOr<SiteReady> TakeU2(ByteView message) &&;

 private:
  friend class SiteShared;
  SiteAcknowledged(SiteKeep keep, Facts facts) : keep_(std::move(keep)), facts_(std::move(facts)) {}
  SiteKeep keep_;
  Facts facts_;
};

// R1.1 is out: waits for the shares of the others.
class SiteShared {
 public:
  SiteShared(SiteShared&&) = default;  // movable only
  SiteShared& operator=(SiteShared&&) = default;

  // The step of SiteRevealed::TakeU1, once `facts` has the graph. a_i, c_i^SK and the polynomials
  // are wiped when it returns.
  // DataLoss: a neighbour's channel key is a point of small order.
  static absl::StatusOr<Step<SiteShared>> Deal(SiteSelf self, Facts facts);

  // The message is the ShareAck. What a neighbour got wrong becomes a complaint; what the server
  // got wrong ends the attempt with DataLoss. InvalidArgument: malformed.
  absl::StatusOr<Step<SiteAcknowledged>> TakeDelivery(ByteView message) &&;

 private:
  SiteShared(SiteKeep keep, Facts facts, std::map<uint16_t, SecretKey> incoming)
      : keep_(std::move(keep)), facts_(std::move(facts)), incoming_(std::move(incoming)) {}

  SiteKeep keep_;
  Facts facts_;
  std::map<uint16_t, SecretKey> incoming_;  // K_(j->i)
};

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_SITE_R1_H_

// What an update must be before it counts.
#ifndef HILUM_AGGREGATOR_VALIDATE_H_
#define HILUM_AGGREGATOR_VALIDATE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "aggregator/round.h"
#include "base/bytes.h"
#include "base/ids.h"
#include "crypto/sign.h"
#include "privacy/round_config.h"

namespace hilum::aggregator {

// What a header on the wire says.
struct UpdateClaim {
  JobId job;
  RoundId round;
  uint32_t attempt = 0;
  Digest cfg_hash{};
  uint32_t site_index = 0;
  uint64_t n_words = 0;
  Digest profile_digest{};
};

// The round that a claim is held against.
struct UpdateContext {
  const Collecting& round;
  const privacy::RoundConfig& config;
  uint8_t attempt = 0;
  Digest profile_digest{};
  Digest u2_hash{};  // of a masked round that collects its vectors; else zero
};

// A claim that fits an open round. Only CheckClaim makes one.
class UpdateTicket {
 public:
  const RoundFacts& round() const { return facts_; }
  const SiteId& site() const { return member_.site; }
  uint16_t site_index() const { return site_index_; }
  uint64_t n_coords() const { return n_coords_; }
  // The site's update was accepted before: this one is only compared with it.
  bool repeated() const { return repeated_; }
  // Under masks nobody can read the statistics at the vector's end.
  bool masked() const { return masked_; }
  uint8_t attempt() const { return attempt_; }

 private:
  friend absl::StatusOr<UpdateTicket> CheckClaim(const UpdateClaim&, const SiteId&,
                                                 const UpdateContext&);
  friend class AcceptedUpdate;
  UpdateTicket() = default;
  RoundFacts facts_;
  RosterSite member_;
  uint16_t site_index_ = 0;
  uint64_t n_coords_ = 0;
  crypto::Rid rid_{};
  Digest cfg_hash_{};
  Digest u2_hash_{};
  uint8_t attempt_ = 0;
  bool repeated_ = false;
  bool masked_ = false;
};

// Judges a header before any chunk is read; `sender` is who TLS says it is.
// FailedPrecondition: another job, round or attempt, the site was dropped, or a masked round whose
// vectors do not come yet. PermissionDenied: the
// site is not in the roster, or the index is another site's. InvalidArgument: length, H(cfg) or
// profile are not the round's. The sentence names site, value and what it should be.
absl::StatusOr<UpdateTicket> CheckClaim(const UpdateClaim& claim, const SiteId& sender,
                                        const UpdateContext& context);

// The statistics at the end of a vector. Only without masks does the server see a single site's;
// under masks they are zero here.
struct UpdateStatistics {
  uint32_t weight = 0;  // training films
  double loss = 0.0;    // at most 64
};

// A vector that has arrived in full. Only Upload::Finish makes one.
class ReceivedUpdate {
 public:
  const Digest& root() const { return root_; }  // R_i, computed from the bytes
  const UpdateStatistics& statistics() const { return statistics_; }

 private:
  friend class Upload;
  ReceivedUpdate() = default;
  Digest root_{};
  UpdateStatistics statistics_;
};

// An update that its member has signed for this round. Only Validate makes one.
class AcceptedUpdate {
 public:
  uint16_t site_index() const { return site_index_; }
  const Digest& root() const { return root_; }
  const crypto::Signature& signature() const { return signature_; }
  const UpdateStatistics& statistics() const { return statistics_; }

 private:
  friend absl::StatusOr<AcceptedUpdate> Validate(const ReceivedUpdate& received,
                                                 const struct UpdateSeal& seal,
                                                 const UpdateTicket& ticket);
  static absl::Status CheckSignature(const struct UpdateSeal& seal, const UpdateTicket& ticket);
  AcceptedUpdate() = default;
  uint16_t site_index_ = 0;
  Digest root_{};
  crypto::Signature signature_;
  UpdateStatistics statistics_;
};

// The end of an update on the wire.
struct UpdateSeal {
  Digest root{};
  crypto::Signature signature;  // Sign(r2-root, H(U2) || R_i || D)
};

// A counted update as the state keeps it.
struct StoredUpdate {
  CountedUpdate update;
  UpdateStatistics statistics;
  uint64_t size_bytes = 0;
};

// DataLoss: the root is not that of the bytes received, or the signature is not the member's over
// it. The sentence names the site.
absl::StatusOr<AcceptedUpdate> Validate(const ReceivedUpdate& received, const UpdateSeal& seal,
                                        const UpdateTicket& ticket);

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_VALIDATE_H_

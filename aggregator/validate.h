// What an update must be before it counts.
#ifndef HILUM_AGGREGATOR_VALIDATE_H_
#define HILUM_AGGREGATOR_VALIDATE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "aggregator/round.h"
#include "base/bytes.h"
#include "base/ids.h"
#include "crypto/sign.h"
#include "privacy/round_config.h"

namespace hilum::aggregator {

// The length and width of the round's vectors.
struct VectorShape {
  uint64_t n_coords = 0;  // D
  uint32_t chunk_coords = privacy::kChunkCoords;
  uint8_t ring_bits = 32;   // every word is below 2^ring_bits
  uint32_t max_weight = 0;  // W
};

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

// The round that the claim is held against.
struct UpdateContext {
  const Collecting* round = nullptr;
  const privacy::RoundConfig* config = nullptr;
  uint8_t attempt = 0;
  Digest profile_digest{};
};

// Judges a header before any chunk is read; `sender` is who TLS says it is.
// FailedPrecondition: another job, round or attempt; the site was dropped. PermissionDenied: the
// site is not in the roster, or the index is another site's. InvalidArgument: length, H(cfg) or
// profile are not the round's. The sentence names site, value and what it should be.
absl::Status CheckClaim(const UpdateClaim& claim, const SiteId& sender,
                        const UpdateContext& context);

// The open statistics at the end of a vector. Only in mode 0 does the server see them.
struct UpdateStatistics {
  uint32_t weight = 0;
  double loss = 0.0;
};

// A vector that has arrived in full. Only Upload::Finish makes one.
class ReceivedUpdate {
 public:
  const Digest& root() const { return root_; }
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
                                                 const Digest& claimed_root,
                                                 const crypto::Signature& signature,
                                                 const UpdateContext& context, uint16_t site_index);
  AcceptedUpdate() = default;
  uint16_t site_index_ = 0;
  Digest root_{};
  crypto::Signature signature_;
  UpdateStatistics statistics_;
};

// A counted update as the state keeps it.
struct StoredUpdate {
  CountedUpdate update;
  UpdateStatistics statistics;
  uint64_t size_bytes = 0;
};

// DataLoss: the root is not that of the bytes received, or the signature is not the member's over
// it. `claimed_root` and `signature` come from the update's close.
absl::StatusOr<AcceptedUpdate> Validate(const ReceivedUpdate& received, const Digest& claimed_root,
                                        const crypto::Signature& signature,
                                        const UpdateContext& context, uint16_t site_index);

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_VALIDATE_H_

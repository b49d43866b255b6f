// A site in flight R2: masks its vector once, and sends only those bytes
// (docs/secure_aggregation.md, section 5). site_r0.h says what states are.
#ifndef HILUM_PRIVACY_SECAGG_SITE_R2_H_
#define HILUM_PRIVACY_SECAGG_SITE_R2_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <utility>

#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "privacy/mask.h"
#include "privacy/noise.h"
#include "privacy/secagg/facts.h"
#include "privacy/secagg/sealed_share.h"
#include "privacy/secagg/site_r3.h"

namespace hilum::privacy::secagg {

// What a site keeps from R1 on. Wiped when it is destroyed.
struct SiteKeep {
  uint16_t index = 0;
  const crypto::SigningKey* signing_key = nullptr;
  std::array<uint8_t, 32> nonce{};
  Scalar b;                            // until the vector is masked
  SecretKey mask_private;              // s_i^SK, until the vector is masked
  std::map<uint16_t, HeldShare> held;  // shares of others (and of itself), by owner
};

// The messages of R2. Every call gives the same bytes: they are read from the one vector that was
// made, so a resend shows nothing new. Copyable; shares the vector.
class Upload {
 public:
  uint32_t n_chunks() const;
  Bytes Chunk(uint32_t index) const;                                    // index < n_chunks()
  const Bytes& Close() const { return close_; }                         // after the last chunk
  std::span<const uint32_t> words() const { return vector_->words(); }  // y_i

 private:
  friend class PendingUpload;
  Upload(ContextPtr context, uint16_t index, std::shared_ptr<const MaskedUpdate> vector,
         Bytes close)
      : context_(std::move(context)),
        index_(index),
        vector_(std::move(vector)),
        close_(std::move(close)) {}
  ContextPtr context_;
  uint16_t index_;
  std::shared_ptr<const MaskedUpdate> vector_;
  Bytes close_;
};

// y_i before it is on disk. Movable only.
class PendingUpload {
 public:
  // Write both and fsync them.
  const Bytes& record() const { return record_; }  // an InputRecord
  std::span<const uint32_t> words() const { return upload_.vector_->words(); }
  // As Outgoing::ReleaseAfter.
  absl::StatusOr<Upload> ReleaseAfter(const absl::Status& written) && {
    if (!written.ok()) return written;
    return std::move(upload_);
  }

 private:
  friend class SiteReady;
  PendingUpload(Bytes record, Upload upload)
      : record_(std::move(record)), upload_(std::move(upload)) {}
  static Upload MakeUpload(const Facts& facts, const SiteKeep& keep,
                           std::shared_ptr<const MaskedUpdate> vector, const Digest& root);
  Bytes record_;
  Upload upload_;
};

// U2 is known: waits for the local training.
class SiteReady {
 public:
  SiteReady(SiteReady&&) = default;  // movable only
  SiteReady& operator=(SiteReady&&) = default;

  struct MaskStep {
    SiteMasked next;
    PendingUpload upload;
  };
  // y_i = x_i + PRG(m_i) + sum over neighbours in U2 of +-PRG(s_ij). s_i^SK, b_i and the mask keys
  // are wiped when it returns, x_i is overwritten by y_i.
  // InvalidArgument: another length than the round's. FailedPrecondition: the device or suite.
  absl::StatusOr<MaskStep> MaskInput(NoisedDelta input, kernels::Device device) &&;

  const Facts& facts() const { return facts_; }

 private:
  friend class SiteAcknowledged;
  SiteReady(SiteKeep keep, Facts facts) : keep_(std::move(keep)), facts_(std::move(facts)) {}
  SiteKeep keep_;
  Facts facts_;
};

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_SITE_R2_H_

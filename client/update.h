// The end of the straight line at a site: what is signed, kept and sent.
#ifndef HILUM_CLIENT_UPDATE_H_
#define HILUM_CLIENT_UPDATE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/file.h"
#include "client/state.h"
#include "crypto/sign.h"
#include "privacy/mask.h"
#include "privacy/packed_vector.h"
#include "privacy/round_config.h"
#include "privacy/secagg/site_r2.h"

namespace hilum::client {

// What an update belongs to.
struct UpdateFacts {
  std::string job;
  uint64_t round = 0;
  uint32_t attempt = 0;
  uint16_t site_index = 0;  // in the roster
  Digest profile_digest{};
};

// A vector with its signature. Only SignUpdate and ReadUpdate make one. Movable only.
class SignedUpdate {
 public:
  SignedUpdate(SignedUpdate&&) = default;
  SignedUpdate& operator=(SignedUpdate&&) = default;

  const UpdateFacts& facts() const { return facts_; }
  const Digest& cfg_hash() const { return cfg_hash_; }
  const Digest& root() const { return root_; }  // R_i = Tree(r2-chunk, words)
  const crypto::Signature& signature() const { return signature_; }
  std::span<const uint32_t> words() const {  // D of them
    return masked_.has_value() ? masked_->words() : words_;
  }
  const privacy::VectorLayout& layout() const { return layout_; }
  const std::string& masking() const { return masking_; }  // "none (open mode)"
  uint64_t n_bytes() const { return layout_.size_bytes(); }
  // A chunk as it goes over the wire, packed; index < layout().n_chunks().
  Bytes Chunk(uint32_t index) const;
  // SHA-256 of all chunks: the address of the vector in the server's store.
  Digest Sha256() const;

  // A masked vector, which is signed already.
  static absl::StatusOr<SignedUpdate> Of(privacy::secagg::Upload upload,
                                         const privacy::secagg::Context& context,
                                         const UpdateFacts& facts);

 private:
  friend absl::StatusOr<SignedUpdate> SignUpdate(privacy::MaskedUpdate update,
                                                 const privacy::RoundConfig& config,
                                                 const UpdateFacts& facts,
                                                 const crypto::SigningKey& key);
  friend absl::StatusOr<SignedUpdate> ReadUpdate(const fs::path& outbox, const RoundRecord& record,
                                                 const privacy::RoundConfig& config,
                                                 const UpdateFacts& facts,
                                                 const crypto::PublicKey& key);
  SignedUpdate() = default;
  UpdateFacts facts_;
  Digest cfg_hash_{};
  Digest root_{};
  crypto::Signature signature_;
  std::vector<uint32_t> words_;
  std::optional<privacy::secagg::Upload> masked_;  // then words_ is empty
  privacy::VectorLayout layout_;
  std::string masking_;
};

// Sign(r2-root, H(U2) || R_i || D) of secure_aggregation.md, section 5, R2.
// InvalidArgument: the vector's length is not the configuration's D, or `key` is not the roster's
// key at the index.
absl::StatusOr<SignedUpdate> SignUpdate(privacy::MaskedUpdate update,
                                        const privacy::RoundConfig& config,
                                        const UpdateFacts& facts, const crypto::SigningKey& key);

// Writes the packed words to the outbox, durably, and fills the fields of `record` that describe
// them. An update is stored before it is sent, so that a resend is the same bytes.
absl::Status StoreUpdate(const fs::path& outbox, const SignedUpdate& update, RoundRecord& record);

// The stored update of `record`. DataLoss: the file is damaged, or it was made for another
// configuration. NotFound: there is none.
absl::StatusOr<SignedUpdate> ReadUpdate(const fs::path& outbox, const RoundRecord& record,
                                        const privacy::RoundConfig& config,
                                        const UpdateFacts& facts, const crypto::PublicKey& key);

// The same for a masked vector that has not been released. Nobody reads it back: its attempt ends
// with the process. It is the site's proof of what it sent.
absl::Status StoreMasked(const fs::path& outbox, const privacy::secagg::PendingUpload& upload,
                         const privacy::RoundConfig& config, const UpdateFacts& facts,
                         RoundRecord& record);

// Removes the stored words of a round that is over; its record stays.
void DiscardUpdate(const fs::path& outbox, const std::string& job, uint64_t round,
                   uint32_t attempt);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_UPDATE_H_

// The keys of an attempt, the commitments to them, and the local randomness that they come from
// (docs/secure_aggregation.md, sections 2 and 10).
#ifndef HILUM_PRIVACY_SECAGG_KEYS_H_
#define HILUM_PRIVACY_SECAGG_KEYS_H_

#include <array>
#include <cstdint>
#include <map>

#include "absl/status/statusor.h"
#include "crypto/group.h"
#include "crypto/key_agreement.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "privacy/secagg/context.h"

namespace hilum::privacy::secagg {

using AgreementKey = crypto::AgreementKey;
using SecretKey = crypto::SecretKey;

// s_i^SK, of which AgreementKeyOf is s_i^PK. Whoever reconstructs a_i derives it too.
SecretKey MaskPrivateKey(const Context& context, uint16_t index, const crypto::Scalar& a);

// K_(i->j), for one message from `sender` to `receiver`: `shared` is X25519 of the two channel
// keys, `psk` is zero if the two have none.
struct ChannelKeyInput {
  const SecretKey& shared;
  const SecretKey& psk;
  uint16_t sender = 0, receiver = 0;
  const Digest& u1_hash;
};
SecretKey ChannelKey(const Context& context, const ChannelKeyInput& input);

// s_ij: the same for both sides, bound to the model, the configuration and U2.
struct PairKeyInput {
  const SecretKey& mask_private;  // s^SK of one of the two
  const AgreementKey& peer;       // s^PK of the other
  uint16_t i = 0, j = 0;          // in any order
  const Digest& u2_hash;
};
// InvalidArgument: the peer's key is a point of small order.
absl::StatusOr<SecretKey> PairMaskKey(const Context& context, const PairKeyInput& input);

// m_i.
SecretKey SelfMaskKey(const Context& context, uint16_t index, const crypto::Scalar& b,
                      const Digest& u2_hash);

// graph_commit = Hash(graph-commit, r_i); b_commit = Hash(b-commit, rid || i || b_i).
Digest GraphCommitment(const std::array<uint8_t, 32>& r);
Digest SelfCommitment(const Context& context, uint16_t index, const crypto::Scalar& b);

// What a site's secrets of one attempt are made of: 64 fresh bytes a purpose, mixed with the site's
// static secret and rid, so that a generator that repeats does not repeat keys across sites and
// rounds. Movable only; wiped at the end.
struct SiteEntropy {
  crypto::Secret<64> a, b, share, c, r, nonce;
  static SiteEntropy Draw();  // of the operating system's generator
};

enum class Purpose { kA, kB, kShare, kC, kR, kNonce };
crypto::SeededStream LocalStream(const Context& context, const SecretKey& site_secret,
                                 const crypto::Secret<64>& fresh, Purpose purpose);

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_KEYS_H_

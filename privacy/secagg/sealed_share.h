// One share of both secrets on its way from its owner to a holder: how it is sealed, opened and
// judged. Holder and server judge by the same function, so a complaint has one outcome.
#ifndef HILUM_PRIVACY_SECAGG_SEALED_SHARE_H_
#define HILUM_PRIVACY_SECAGG_SEALED_SHARE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "privacy/secagg/facts.h"
#include "privacy/secagg/keys.h"
#include "privacy/secagg/r1_messages.h"
#include "privacy/secagg/shamir.h"

namespace hilum::privacy::secagg {

// a_ij and b_ij, as j holds them of i.
struct HeldShare {
  Scalar a, b;
};

struct ShareRoute {
  uint16_t sender = 0, receiver = 0;
};

// ChaCha20-Poly1305 under K_(i->j) with a zero nonce (the key seals this one message), AAD
// rid || i || j || H(cfg) || H(U1).
ShareCiphertext SealShare(const Facts& facts, const ShareRoute& route, const SecretKey& key,
                          const HeldShare& share);

// DataLoss: it does not open with this key. InvalidArgument: it opens, and is a bad share: other
// indices inside, a scalar that is not below l, or a value that does not fit its commitment.
absl::StatusOr<HeldShare> OpenShare(const Facts& facts, const ShareRoute& route,
                                    const SecretKey& key, const ShareCiphertext& ciphertext,
                                    const ShareCommitments& commitments);

// Both values against their commitments; OK without any when the round has share_proof 0.
absl::Status CheckHeldShare(const ShareCommitments& commitments, uint16_t receiver,
                            const HeldShare& share);

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_SEALED_SHARE_H_

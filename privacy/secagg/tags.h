// Public-sum tags: everybody checks the published sum of the masked vectors
// (docs/secure_aggregation.md, section 8). Own construction, not reviewed (section 15).
#ifndef HILUM_PRIVACY_SECAGG_TAGS_H_
#define HILUM_PRIVACY_SECAGG_TAGS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/tag_polynomial.h"
#include "privacy/secagg/context.h"
#include "privacy/unmask.h"

namespace hilum::privacy::secagg {

// rho_1..rho_3: HKDF-SHA-256 of V, info rho || rid || u8 m, 16 bytes, big-endian, mod 2^61 - 1.
kernels::TagValues ChallengeOf(const Context& context, const Digest& votes_hash);

struct IndexedTag {
  uint16_t index = 0;
  kernels::TagValues values{};
};

// S against the tags of its members, at the points of the challenge: sum of t_(i,m) = sum of
// S_j rho_m^j mod p, and 0 <= S_j <= |U3| (2^b - 1) for every j. Without the range S could be off
// by multiples of p.
// DataLoss: the range or a sum fails.
absl::Status CheckSum(const MaskedSum& sum, int ring_bits, std::span<const IndexedTag> tags,
                      const kernels::TagValues& challenge);

// When CheckSum fails: the members whose tag is not that of their stored vector.
//   vectors  in the order of `tags`
std::vector<uint16_t> WrongTags(std::span<const IndexedTag> tags,
                                std::span<const std::span<const uint32_t>> vectors,
                                const kernels::TagValues& challenge);

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_TAGS_H_

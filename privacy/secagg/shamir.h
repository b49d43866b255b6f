// Secret sharing: Shamir 1979 over the scalars mod l, with Feldman 1987 commitments.
//
// A secret is the value at 0 of a random polynomial of degree t - 1; member i holds its value at
// x = i + 1. Any t values give the secret, t - 1 are independent of it. The commitments are the
// coefficients times the generator of ristretto255. They show nobody's share, but they fix the
// polynomial, so a wrong share is known by them. (They hide the secret only as far as discrete
// logarithms are hard; the secrets here are random and of full length.)
#ifndef HILUM_PRIVACY_SECAGG_SHAMIR_H_
#define HILUM_PRIVACY_SECAGG_SHAMIR_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "crypto/group.h"
#include "crypto/random.h"

namespace hilum::privacy::secagg {

using Point = crypto::Point;
using Scalar = crypto::Scalar;

// The point at which a member's share is taken: never 0, never twice.
constexpr uint32_t ShareX(uint16_t index) { return uint32_t{index} + 1; }

// A secret polynomial over the scalars. Movable only.
class Polynomial {
 public:
  // `secret` is the value at 0; threshold - 1 further coefficients are taken from `stream`.
  // InvalidArgument: threshold is below 2: one share would be the secret.
  static absl::StatusOr<Polynomial> Create(const Scalar& secret, uint16_t threshold,
                                           crypto::SeededStream& stream);

  Scalar ShareOf(uint16_t index) const;    // the value at ShareX(index); constant time
  std::vector<Point> Commitments() const;  // [threshold], of the coefficients by degree

 private:
  Polynomial() = default;
  std::vector<Scalar> coefficients_;
};

struct Share {
  uint16_t index = 0;  // of the member that held it
  Scalar value;
};

// The secret, from the first `threshold` shares. Which shares they are is public.
// InvalidArgument: fewer than `threshold` shares, or two of one member.
absl::StatusOr<Scalar> Reconstruct(std::span<const Share> shares, uint16_t threshold);

// Whether `share` is the value at ShareX(index) of the committed polynomial:
// share * B = sum over k of ShareX(index)^k * commitments[k].
// DataLoss: it is not. InvalidArgument: a commitment is not the encoding of an
// element, or there is none.
absl::Status VerifyShare(std::span<const Point> commitments, uint16_t index, const Scalar& share);

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_SHAMIR_H_

#include "privacy/secagg/shamir.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hilum::privacy::secagg {

absl::StatusOr<Polynomial> Polynomial::Create(const Scalar& secret, uint16_t threshold,
                                              crypto::SeededStream& stream) {
  if (threshold < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("a threshold of ", threshold, " was asked for; it is at least 2"));
  }
  Polynomial polynomial;
  polynomial.coefficients_.reserve(threshold);
  polynomial.coefficients_.push_back(secret.Copy());
  for (uint16_t k = 1; k < threshold; ++k) {
    polynomial.coefficients_.push_back(Scalar::Random(stream));
  }
  return polynomial;
}

Scalar Polynomial::ShareOf(uint16_t index) const {
  const Scalar x = Scalar::FromInteger(ShareX(index));
  Scalar value = coefficients_.back().Copy();
  for (size_t k = coefficients_.size() - 1; k > 0; --k) value = value * x + coefficients_[k - 1];
  return value;
}

std::vector<Point> Polynomial::Commitments() const {
  std::vector<Point> points;
  points.reserve(coefficients_.size());
  for (const Scalar& coefficient : coefficients_) points.push_back(MultiplyBase(coefficient));
  return points;
}

// Lagrange at 0: sum over j of share_j * product over m != j of x_m / (x_m - x_j).
absl::StatusOr<Scalar> Reconstruct(std::span<const Share> shares, uint16_t threshold) {
  if (shares.size() < threshold || threshold == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(shares.size(), " shares were given, ", threshold, " are needed"));
  }
  shares = shares.first(threshold);
  Scalar secret;
  for (size_t j = 0; j < shares.size(); ++j) {
    const Scalar x_j = Scalar::FromInteger(ShareX(shares[j].index));
    Scalar above = Scalar::FromInteger(1), below = Scalar::FromInteger(1);
    for (size_t m = 0; m < shares.size(); ++m) {
      if (m == j) continue;
      if (shares[m].index == shares[j].index) {
        return absl::InvalidArgumentError(
            absl::StrCat("two shares of member ", shares[j].index, " were given"));
      }
      const Scalar x_m = Scalar::FromInteger(ShareX(shares[m].index));
      above = above * x_m;
      below = below * (x_m - x_j);
    }
    secret = secret + shares[j].value * above * below.Inverse();
  }
  return secret;
}

absl::Status VerifyShare(std::span<const Point> commitments, uint16_t index, const Scalar& share) {
  if (commitments.empty()) return absl::InvalidArgumentError("a share has no commitment");
  Point expected = commitments.back();  // Horner's rule in the group
  HILUM_RETURN_IF_ERROR(crypto::CheckPoint(expected));
  for (size_t k = commitments.size() - 1; k > 0; --k) {
    HILUM_ASSIGN_OR_RETURN(expected, crypto::Multiply(ShareX(index), expected));
    HILUM_ASSIGN_OR_RETURN(expected, crypto::Add(expected, commitments[k - 1]));
  }
  if (expected == MultiplyBase(share)) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("the share at index ", index, " does not fit its commitment"));
}

}  // namespace hilum::privacy::secagg

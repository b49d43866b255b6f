#include "crypto/group.h"

#include <sodium.h>

#include <bit>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace hilum::crypto {
namespace {

// Below this factor adding and doubling is faster than the library's full multiplication.
constexpr uint32_t kSmallFactor = 16;

absl::Status BadPoint(const Point& point) {
  return absl::InvalidArgumentError(
      absl::StrCat(ToHex(point.bytes), " is not the encoding of a ristretto255 element"));
}

}  // namespace

Scalar Scalar::FromInteger(uint64_t value) {
  Scalar scalar;
  for (size_t i = 0; i < 8; ++i) scalar.value_.data()[i] = static_cast<uint8_t>(value >> (8 * i));
  return scalar;
}

Scalar Scalar::Random(SeededStream& stream) {
  Secret<64> wide;
  stream.Fill(wide.mutable_bytes());
  Scalar scalar;
  crypto_core_ed25519_scalar_reduce(scalar.value_.data(), wide.data());
  return scalar;
}

absl::StatusOr<Scalar> Scalar::FromBytes(std::span<const uint8_t, 32> bytes) {
  Secret<64> wide;
  std::copy(bytes.begin(), bytes.end(), wide.data());
  Scalar scalar;
  crypto_core_ed25519_scalar_reduce(scalar.value_.data(), wide.data());
  if (!ConstantTimeEqual(scalar.bytes(), bytes)) {
    return absl::InvalidArgumentError("a scalar is not below the order of the group");
  }
  return scalar;
}

bool Scalar::IsZero() const { return sodium_is_zero(value_.data(), 32) == 1; }

Scalar operator+(const Scalar& a, const Scalar& b) {
  Scalar sum;
  crypto_core_ed25519_scalar_add(sum.value_.data(), a.value_.data(), b.value_.data());
  return sum;
}

Scalar operator-(const Scalar& a, const Scalar& b) {
  Scalar difference;
  crypto_core_ed25519_scalar_sub(difference.value_.data(), a.value_.data(), b.value_.data());
  return difference;
}

Scalar operator*(const Scalar& a, const Scalar& b) {
  Scalar product;
  crypto_core_ed25519_scalar_mul(product.value_.data(), a.value_.data(), b.value_.data());
  return product;
}

Scalar Scalar::Inverse() const {
  Scalar inverse;
  HILUM_CHECK(crypto_core_ed25519_scalar_invert(inverse.value_.data(), value_.data()) == 0);
  return inverse;
}

absl::Status CheckPoint(const Point& point) {
  if (crypto_core_ristretto255_is_valid_point(point.bytes.data()) == 1) return absl::OkStatus();
  return BadPoint(point);
}

Point MultiplyBase(const Scalar& scalar) {
  Point point;
  // The library reports the identity as an error; its encoding, zeros, is right all the same.
  if (crypto_scalarmult_ristretto255_base(point.bytes.data(), scalar.bytes().data()) != 0) {
    point = {};
  }
  return point;
}

absl::StatusOr<Point> Add(const Point& a, const Point& b) {
  Point sum;
  if (crypto_core_ristretto255_add(sum.bytes.data(), a.bytes.data(), b.bytes.data()) == 0) {
    return sum;
  }
  return BadPoint(CheckPoint(a).ok() ? b : a);
}

absl::StatusOr<Point> Multiply(uint32_t factor, const Point& point) {
  if (factor == 0 || factor >= kSmallFactor) {
    const Scalar scalar = Scalar::FromInteger(factor);
    Point product;
    if (crypto_scalarmult_ristretto255(product.bytes.data(), scalar.bytes().data(),
                                       point.bytes.data()) == 0) {
      return product;
    }
    if (!CheckPoint(point).ok()) return BadPoint(point);
    return Point{};  // the identity, which the library reports as an error
  }
  if (factor == 1) {
    if (!CheckPoint(point).ok()) return BadPoint(point);
    return point;
  }
  Point product = point;  // Add judges it
  for (int bit = std::bit_width(factor) - 2; bit >= 0; --bit) {
    absl::StatusOr<Point> next = Add(product, product);
    if (next.ok() && (factor >> bit & 1) != 0) next = Add(*next, point);
    if (!next.ok()) return next;
    product = *next;
  }
  return product;
}

}  // namespace hilum::crypto

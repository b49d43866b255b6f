// The ristretto255 group (RFC 9496) and its scalars, the integers mod l = 2^252 + 2774...8493.
#ifndef HILUM_CRYPTO_GROUP_H_
#define HILUM_CRYPTO_GROUP_H_

#include <array>
#include <compare>
#include <cstdint>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "crypto/random.h"
#include "crypto/secret.h"

namespace hilum::crypto {

// A secret integer 0..l-1, 32 bytes little-endian. Movable only; wiped at the end. The arithmetic
// is libsodium's, in constant time.
class Scalar {
 public:
  Scalar() = default;  // 0
  static Scalar FromInteger(uint64_t value);
  // 64 bytes of the stream reduced mod l: uniform but for 2^-259.
  static Scalar Random(SeededStream& stream);
  // InvalidArgument: not below l. Each scalar has one spelling.
  static absl::StatusOr<Scalar> FromBytes(std::span<const uint8_t, 32> bytes);

  Scalar Copy() const { return Scalar(value_.Copy()); }
  std::span<const uint8_t, 32> bytes() const { return value_.bytes(); }
  bool IsZero() const;

  friend Scalar operator+(const Scalar& a, const Scalar& b);
  friend Scalar operator-(const Scalar& a, const Scalar& b);
  friend Scalar operator*(const Scalar& a, const Scalar& b);
  Scalar Inverse() const;  // of a scalar that is not zero
  friend bool operator==(const Scalar&, const Scalar&) = default;

 private:
  explicit Scalar(SecretKey value) : value_(std::move(value)) {}
  SecretKey value_;
};

// A public group element in its one canonical encoding; zeros are the identity.
struct Point {
  std::array<uint8_t, 32> bytes{};
  friend auto operator<=>(const Point&, const Point&) = default;
};

// InvalidArgument: not the canonical encoding of an element.
absl::Status CheckPoint(const Point& point);

Point MultiplyBase(const Scalar& scalar);  // constant time

// factor * point and a + b, of public values: the time depends on them.
// InvalidArgument: a point is not the canonical encoding of an element.
absl::StatusOr<Point> Multiply(uint32_t factor, const Point& point);
absl::StatusOr<Point> Add(const Point& a, const Point& b);

}  // namespace hilum::crypto

#endif  // HILUM_CRYPTO_GROUP_H_

#include "crypto/group.h"

#include "tests/crypto/vector_file.h"
#include "tests/status_matchers.h"

namespace hilum::crypto {
namespace {

Scalar RandomScalar() {
  static SeededStream stream(Digest{3});
  return Scalar::Random(stream);
}

Point PointOf(const std::string& hex) { return {.bytes = DigestFromHex(hex).value()}; }

TEST(Group, MultiplesEqualRfc9496) {
  const auto vectors = ReadVectors("crypto/ristretto255.json");
  const Point base = MultiplyBase(Scalar::FromInteger(1));
  uint32_t factor = 0;
  for (const auto& hex : vectors.at("multiples")) {
    EXPECT_EQ(MultiplyBase(Scalar::FromInteger(factor)), PointOf(hex));
    HILUM_ASSERT_OK_AND_ASSIGN(const Point multiple, Multiply(factor, base));
    EXPECT_EQ(multiple, PointOf(hex));
    ++factor;
  }
}

TEST(Group, RefusesWhatIsNoElement) {
  const auto vectors = ReadVectors("crypto/ristretto255.json");
  const Point base = MultiplyBase(Scalar::FromInteger(1));
  for (const auto& hex : vectors.at("refused")) {
    const Point point = PointOf(hex);
    EXPECT_FALSE(CheckPoint(point).ok());
    EXPECT_FALSE(Add(point, base).ok());
    EXPECT_FALSE(Add(base, point).ok());
    for (const uint32_t factor : {0u, 1u, 2u, 15u, 16u, 1000u}) {
      EXPECT_THAT(Multiply(factor, point), StatusIs(absl::StatusCode::kInvalidArgument,
                                                    "not the encoding of a ristretto255 element"));
    }
  }
}

TEST(Group, SmallAndLargeFactorsAgree) {
  const Point point = MultiplyBase(RandomScalar());
  Point sum{};
  for (uint32_t factor = 0; factor < 40; ++factor) {
    HILUM_ASSERT_OK_AND_ASSIGN(const Point product, Multiply(factor, point));
    EXPECT_EQ(product, sum) << factor;
    HILUM_ASSERT_OK_AND_ASSIGN(sum, Add(sum, point));
  }
  HILUM_ASSERT_OK_AND_ASSIGN(const Point zero, Multiply(17, Point{}));
  EXPECT_EQ(zero, Point{});
}

TEST(Scalar, IsAField) {
  for (int i = 0; i < 20; ++i) {
    const Scalar a = RandomScalar(), b = RandomScalar(), c = RandomScalar();
    EXPECT_TRUE((a + b) * c == a * c + b * c);
    EXPECT_TRUE((a - b) + b == a);
    EXPECT_TRUE(a * a.Inverse() == Scalar::FromInteger(1));
    HILUM_ASSERT_OK_AND_ASSIGN(const Point sum, Add(MultiplyBase(a), MultiplyBase(b)));
    EXPECT_EQ(sum, MultiplyBase(a + b));
  }
  EXPECT_TRUE((Scalar() - Scalar()).IsZero());
  EXPECT_FALSE(Scalar::FromInteger(1).IsZero());
}

TEST(Scalar, HasOneSpelling) {
  // l and l - 1, little-endian.
  HILUM_ASSERT_OK_AND_ASSIGN(
      Digest order,
      DigestFromHex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"));
  EXPECT_THAT(Scalar::FromBytes(order), StatusIs(absl::StatusCode::kInvalidArgument, "not below"));
  --order[0];
  HILUM_ASSERT_OK_AND_ASSIGN(const Scalar largest, Scalar::FromBytes(order));
  EXPECT_TRUE((largest + Scalar::FromInteger(1)).IsZero());
  order.fill(0xff);
  EXPECT_FALSE(Scalar::FromBytes(order).ok());
}

}  // namespace
}  // namespace hilum::crypto
